"""The web process's settings, read from the environment once at start."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from sqlalchemy import URL

from sync.events.forget_keys import ForgetKey
from sync.settings.console import ConsoleSettings, read_console
from sync.settings.database_url import read_database_url
from sync.settings.environment import (
    RedisSettings,
    SettingError,
    read_entries,
    read_opt_out_failures,
    read_redis_settings,
    read_switch,
)
from sync.settings.forget_keys import read_forget_keys
from sync.settings.names import require_known_names
from sync.settings.sentry import read_sentry_dsn
from sync.settings.webhook_secrets import read_retired_secrets, read_secrets

# What RFC 6750 allows in a header, and as much of it as nobody guesses.
TOKEN_CHARACTERS_MIN = 16
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupSettings:
    """Look-ups over HTTP are on."""

    tokens: tuple[bytes, ...] = field(repr=False)
    default_region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverSettings:
    secrets: tuple[bytes, ...] = field(repr=False)
    retired_secrets: tuple[bytes, ...] = field(repr=False)
    database_url: URL
    redis: RedisSettings = field(repr=False)
    is_journalled: bool
    failures_may_opt_out: bool
    lookup: LookupSettings | None
    forget_keys: tuple[ForgetKey, ...] = field(default=(), repr=False)
    sentry_dsn: str | None = field(default=None, repr=False)
    console: ConsoleSettings | None = None

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Raise SettingError, one line, if a setting is missing, wrong or misspelt."""
        require_known_names(environ)
        return cls(
            secrets=read_secrets(environ),
            retired_secrets=read_retired_secrets(environ),
            database_url=read_database_url(environ),
            redis=read_redis_settings(environ),
            is_journalled=read_switch(environ, "ZEXA_JOURNAL"),
            failures_may_opt_out=bool(read_opt_out_failures(environ)),
            lookup=read_lookup(environ),
            forget_keys=read_forget_keys(environ),
            sentry_dsn=read_sentry_dsn(environ),
            console=read_console(environ),
        )


def read_lookup(environ: Mapping[str, str]) -> LookupSettings | None:
    """Return what ZEXA_LOOKUP_TOKEN turns on, None if it is unset or blank.

    Several tokens may stand between commas while one replaces another. One that could be guessed, or that no header
    can carry, is refused.
    """
    tokens = read_entries(environ, "ZEXA_LOOKUP_TOKEN")
    if not tokens:
        return None
    if not all(_TOKEN.fullmatch(token) and len(token) >= TOKEN_CHARACTERS_MIN for token in tokens):
        raise SettingError(
            f"ZEXA_LOOKUP_TOKEN is not {TOKEN_CHARACTERS_MIN} or more letters, digits and -._~+/: make one with "
            "`openssl rand -hex 32`, or leave it unset to turn look-ups off"
        )
    # Loads what is known of phone numbers, which nothing else of this process needs.
    from sync.settings.worker import read_default_region  # noqa: PLC0415

    return LookupSettings(tokens=tuple(token.encode() for token in tokens), default_region=read_default_region(environ))
