"""The worker's settings, read from the environment once at start."""

import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from sqlalchemy import URL

from sync.events.addresses import REGIONS
from sync.events.interpretation import ParseOptions
from sync.settings.database_url import read_database_url
from sync.settings.environment import (
    RedisSettings,
    SettingError,
    read_opt_out_failures,
    read_redis_settings,
    read_switch,
    read_whole_number,
)
from sync.settings.forget_keys import read_forget_keys
from sync.settings.names import require_known_names
from sync.settings.provider import ProviderSettings
from sync.settings.sentry import read_sentry_dsn

DEFAULT_REGION = "AO"
DEFAULT_BATCH_SIZE = 1000
DEFAULT_REPORT_TIMEZONE = "Africa/Luanda"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    database_url: URL
    redis: RedisSettings
    parse_options: ParseOptions
    batch_size: int
    report_timezone: str
    provider: ProviderSettings | None = None  # whom to ask for silent messages, if anybody
    sentry_dsn: str | None = field(default=None, repr=False)

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Raise SettingError, one line, if a setting is missing, wrong or misspelt."""
        require_known_names(environ)
        return cls(
            database_url=read_database_url(environ),
            redis=read_redis_settings(environ),
            parse_options=read_parse_options(environ),
            batch_size=read_batch_size(environ),
            report_timezone=read_report_timezone(environ),
            provider=ProviderSettings.read(environ) if read_switch(environ, "ZEXA_RECONCILE") else None,
            sentry_dsn=read_sentry_dsn(environ),
        )


def read_parse_options(environ: Mapping[str, str]) -> ParseOptions:
    """Return how bodies are read. Every process must be given the same; `zexa-sync rebuild` after a change."""
    return ParseOptions(
        default_region=read_default_region(environ),
        opt_out_failures=read_opt_out_failures(environ),
        forget_keys=read_forget_keys(environ),
    )


def read_default_region(environ: Mapping[str, str]) -> str:
    """Return ZEXA_DEFAULT_REGION, the ISO 3166 code that numbers without a country code belong to."""
    region = environ.get("ZEXA_DEFAULT_REGION", "").strip().upper() or DEFAULT_REGION
    if region not in REGIONS:
        raise SettingError("ZEXA_DEFAULT_REGION is not a two-letter region such as AO")
    return region


def read_batch_size(environ: Mapping[str, str]) -> int:
    """Return ZEXA_BATCH_SIZE, the most events in one database transaction."""
    return read_whole_number(environ, "ZEXA_BATCH_SIZE", default=DEFAULT_BATCH_SIZE, least=1, most=10_000)


def read_report_timezone(environ: Mapping[str, str]) -> str:
    """Return ZEXA_REPORT_TIMEZONE, the IANA name of the time zone whose days the reports count by."""
    name = environ.get("ZEXA_REPORT_TIMEZONE", "").strip() or DEFAULT_REPORT_TIMEZONE
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingError(
            "ZEXA_REPORT_TIMEZONE is not a time zone that this machine knows, such as Africa/Luanda"
        ) from None
    return name
