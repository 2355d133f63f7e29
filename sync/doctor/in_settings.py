"""The checks of the settings: what web and worker would refuse at their start, all of it at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import URL

from sync.doctor import store_findings as findings
from sync.doctor.check import worst
from sync.settings.database_url import read_database_url
from sync.settings.environment import (
    RedisSettings,
    SettingError,
    read_opt_out_failures,
    read_redis_settings,
    read_switch,
)
from sync.settings.forget_keys import read_forget_keys
from sync.settings.listening import read_bind, read_concurrency
from sync.settings.names import require_known_names
from sync.settings.sentry import read_sentry_dsn
from sync.settings.web import ReceiverSettings, read_lookup
from sync.settings.webhook_secrets import read_secrets
from sync.settings.worker import (
    DEFAULT_REGION,
    WorkerSettings,
    read_batch_size,
    read_default_region,
    read_report_timezone,
)
from sync.terminal.findings import Check, ok

Read = TypeVar("Read")

# Each says one thing that is wrong; the last two hold what they are put together from.
_FURTHER: tuple[Callable[[Mapping[str, str]], object], ...] = (
    *(require_known_names, read_opt_out_failures, read_lookup, read_batch_size, read_report_timezone),
    *(read_bind, read_concurrency, read_sentry_dsn, ReceiverSettings.read, WorkerSettings.read),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the other checks go by; None if it is missing or wrong."""

    secrets: tuple[bytes, ...] = field(repr=False)
    database_url: URL | None
    redis: RedisSettings | None = field(repr=False)
    forget_key_ids: tuple[str, ...]
    is_journalled: bool
    default_region: str


def read_settings(environ: Mapping[str, str]) -> tuple[Settings, Check]:
    """Return the settings of `environ`, and whether web and worker would start with them."""
    wrong: list[str] = []

    def read(reader: Callable[[Mapping[str, str]], Read]) -> Read | None:
        try:
            return reader(environ)
        except SettingError as error:
            wrong.append(str(error))
            return None

    settings = Settings(
        secrets=read(read_secrets) or (),
        database_url=read(read_database_url),
        redis=read(read_redis_settings),
        forget_key_ids=tuple(key.key_id for key in read(read_forget_keys) or ()),
        is_journalled=bool(read(lambda environ: read_switch(environ, "ZEXA_JOURNAL"))),
        default_region=read(read_default_region) or DEFAULT_REGION,
    )
    for reader in _FURTHER:
        read(reader)
    if wrong:
        return settings, findings.SETTING_WRONG(line="; ".join(dict.fromkeys(wrong)))
    return settings, ok("settings", "web and worker start with them")


def check_secrets(secrets: tuple[bytes, ...]) -> Check:
    """Judge how the secrets are written, without a word of what they are."""
    checks = [ok("secrets", f"{len(secrets)} in ZEXA_WEBHOOK_SECRET")]
    for position, secret in enumerate(secrets, start=1):
        if len(secret) > 1 and secret[:1] == secret[-1:] and secret[:1] in b"\"'":
            checks.append(findings.SECRET_QUOTED(position=position))
    if len(set(secrets)) < len(secrets):
        checks.append(findings.SECRET_TWICE())
    return worst(checks)
