"""Reads ZEXA_FORGET_KEY: the keys of the hashes that stay of forgotten people."""

import os
from collections.abc import Mapping

from sync.events.forget_keys import ForgetKey
from sync.settings.environment import SettingError, read_entries

KEY_CHARACTERS_MIN = 32


def read_forget_keys(environ: Mapping[str, str]) -> tuple[ForgetKey, ...]:
    """Return the keys of ZEXA_FORGET_KEY, the first for new hashes; none if it is unset. Raises SettingError."""
    secrets = read_entries(environ, "ZEXA_FORGET_KEY")
    if not all(len(secret) >= KEY_CHARACTERS_MIN for secret in secrets):
        raise SettingError(
            f"ZEXA_FORGET_KEY has a key of less than {KEY_CHARACTERS_MIN} characters: make one with "
            "`openssl rand -hex 32`, and keep it for good"
        )
    return tuple(ForgetKey.from_secret(os.fsencode(secret)) for secret in dict.fromkeys(secrets))
