"""The web process's settings, read from the environment once at start."""

import os
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverSettings:
    secrets: tuple[bytes, ...] = field(repr=False)
    database_url: URL
    redis: RedisSettings = field(repr=False)
    is_journalled: bool
    failures_may_opt_out: bool

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Raise SettingError, one line, where a setting is missing or wrong."""
        return cls(
            secrets=read_secrets(environ),
            database_url=read_database_url(environ),
            redis=read_redis_settings(environ),
            is_journalled=read_switch(environ, "ZEXA_JOURNAL"),
            failures_may_opt_out=bool(read_opt_out_failures(environ)),
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


def read_bind(environ: Mapping[str, str]) -> str:
    """Return the address to listen on: every interface where a platform sets PORT, else this machine only."""
    port = read_whole_number(environ, "PORT", default=0, least=1, most=65535)
    return f"0.0.0.0:{port}" if port else f"127.0.0.1:{DEFAULT_PORT}"


def read_concurrency(environ: Mapping[str, str]) -> int:
    """Return WEB_CONCURRENCY, the number of web processes."""
    return read_whole_number(environ, "WEB_CONCURRENCY", default=DEFAULT_CONCURRENCY, least=1, most=64)
