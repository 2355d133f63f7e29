"""The web process's settings, read from the environment once at start."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from sqlalchemy import URL

from sync.environment import (
    RedisSettings,
    SettingError,
    read_database_url,
    read_opt_out_failures,
    read_redis_settings,
    read_switch,
    read_whole_number,
)

DEFAULT_PORT = 8000
DEFAULT_CONCURRENCY = 2
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
    database_url: URL
    redis: RedisSettings = field(repr=False)
    is_journalled: bool
    failures_may_opt_out: bool
    lookup: LookupSettings | None

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Raise SettingError, one line, where a setting is missing or wrong."""
        return cls(
            secrets=read_secrets(environ),
            database_url=read_database_url(environ),
            redis=read_redis_settings(environ),
            is_journalled=read_switch(environ, "ZEXA_JOURNAL"),
            failures_may_opt_out=bool(read_opt_out_failures(environ)),
            lookup=read_lookup(environ),
        )


def read_secrets(environ: Mapping[str, str]) -> tuple[bytes, ...]:
    """Return the secrets of ZEXA_WEBHOOK_SECRET: one, or several between commas while one replaces another.

    Blanks around a secret are no part of it, and a blank entry is none: an empty key would sign anything.
    """
    given = environ.get("ZEXA_WEBHOOK_SECRET", "")
    secrets = tuple(os.fsencode(secret.strip()) for secret in given.split(",") if secret.strip())
    if not secrets:
        raise SettingError("ZEXA_WEBHOOK_SECRET is not set: copy it from Zexa's dashboard, Settings → Webhooks")
    return secrets


def read_lookup(environ: Mapping[str, str]) -> LookupSettings | None:
    """Return what ZEXA_LOOKUP_TOKEN turns on, None where it is unset or blank.

    Several tokens may stand between commas while one replaces another. One that could be guessed, or that no header
    can carry, is refused.
    """
    given = environ.get("ZEXA_LOOKUP_TOKEN", "").strip()
    if not given:
        return None
    tokens = [token.strip() for token in given.split(",") if token.strip()]
    if not tokens or not all(_TOKEN.fullmatch(token) and len(token) >= TOKEN_CHARACTERS_MIN for token in tokens):
        raise SettingError(
            f"ZEXA_LOOKUP_TOKEN is not {TOKEN_CHARACTERS_MIN} or more letters, digits and -._~+/: make one with "
            "`openssl rand -hex 32`, or leave it unset to turn look-ups off"
        )
    # Loads what is known of phone numbers, which nothing else of this process needs.
    from sync.settings import read_default_region  # noqa: PLC0415

    return LookupSettings(tokens=tuple(token.encode() for token in tokens), default_region=read_default_region(environ))


def read_bind(environ: Mapping[str, str]) -> str:
    """Return the address to listen on: every interface where a platform sets PORT, else this machine only."""
    port = read_whole_number(environ, "PORT", default=0, least=1, most=65535)
    return f"0.0.0.0:{port}" if port else f"127.0.0.1:{DEFAULT_PORT}"


def read_concurrency(environ: Mapping[str, str]) -> int:
    """Return WEB_CONCURRENCY, the number of web processes."""
    return read_whole_number(environ, "WEB_CONCURRENCY", default=DEFAULT_CONCURRENCY, least=1, most=64)
