"""The webhook's secrets, also for programs that sign with one and know no database."""

import os
from collections.abc import Mapping

from sync.settings.environment import SettingError, read_entries


def read_secrets(environ: Mapping[str, str]) -> tuple[bytes, ...]:
    """Return the secrets of ZEXA_WEBHOOK_SECRET: one, or several between commas while one replaces another.

    Blanks around a secret are no part of it. None is ever empty: an empty key would sign anything.
    """
    secrets = read_entries(environ, "ZEXA_WEBHOOK_SECRET")
    if not secrets:
        raise SettingError("ZEXA_WEBHOOK_SECRET is not set: copy it from Zexa's dashboard, Settings → Webhooks")
    return tuple(map(os.fsencode, secrets))


def read_known_secrets(environ: Mapping[str, str]) -> tuple[bytes, ...] | None:
    """Return the secrets of ZEXA_WEBHOOK_SECRET for a process that can do without; None if it is unset."""
    return tuple(map(os.fsencode, read_entries(environ, "ZEXA_WEBHOOK_SECRET"))) or None


def read_retired_secrets(environ: Mapping[str, str]) -> tuple[bytes, ...]:
    """Return ZEXA_RETIRED_SECRETS: secrets that were in use, so that deliveries signed with one can be told apart.

    Raises SettingError if one of them is accepted too: it cannot be both.
    """
    retired = tuple(map(os.fsencode, read_entries(environ, "ZEXA_RETIRED_SECRETS")))
    if set(retired) & set(map(os.fsencode, read_entries(environ, "ZEXA_WEBHOOK_SECRET"))):
        raise SettingError("ZEXA_RETIRED_SECRETS names a secret that ZEXA_WEBHOOK_SECRET has too: take it out of one")
    return retired
