"""Reads the settings that every process shares from environment variables.

A wrong one raises SettingError whose text is one line naming the setting, never a secret's value.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, urlsplit

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from sync.reading import failure_key


class SettingError(Exception):
    """A setting is missing or wrong; the text is one line for the person who starts the process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSettings:
    url: str = field(repr=False)
    verify_tls: bool


def read_database_url(environ: Mapping[str, str]) -> URL:
    """Return DATABASE_URL with its driver: psycopg 3 for PostgreSQL, the standard library's for SQLite."""
    given = _required(environ, "DATABASE_URL", "for example postgres://user:password@host/name or sqlite:///zexa.db")
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise SettingError("DATABASE_URL is not a database URL") from None
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername != "sqlite":
        raise SettingError(f"DATABASE_URL names {url.drivername}: use postgres:// or sqlite:///")
    if not url.database or ":memory:" in url.database or "\0" in url.database or url.query:
        raise SettingError("DATABASE_URL names no SQLite file that processes could share: use sqlite:///path")
    if is_on_dyno(environ):
        raise SettingError(
            "DATABASE_URL names a SQLite file, and a dyno's disk is wiped at least daily: use postgres://"
        )
    return url


def read_redis_settings(environ: Mapping[str, str]) -> RedisSettings:
    """Return REDIS_URL and whether its certificate is verified.

    Hosted Redis on Heroku signs its own certificates, so there verification is off unless asked for.
    """
    url = _redis_url(_required(environ, "REDIS_URL", "for example redis://localhost:6379/0"))
    given = environ.get("REDIS_TLS_VERIFY", "").strip().lower()
    if given not in ("", "true", "false"):
        raise SettingError("REDIS_TLS_VERIFY is neither true nor false")
    if given == "true" and url.startswith("redis://"):
        raise SettingError("REDIS_TLS_VERIFY is true, but REDIS_URL has no TLS: use rediss://")
    return RedisSettings(url=url, verify_tls=given == "true" if given else not is_on_dyno(environ))


def _redis_url(given: str) -> str:
    """Return the URL with its database in its path; raise SettingError if it says anything we would not do."""
    parts = _redis_parts(given)
    if parts is None:
        raise SettingError("REDIS_URL is not a redis:// or rediss:// URL")
    if "@" in parts.query or parts.fragment:
        raise SettingError("REDIS_URL has a ? or # before its end: in a password write %3F or %23")
    databases = [parts.path[1:]] if parts.path not in ("", "/") else []
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name != "db":
            raise SettingError(_refused_parameter(name, value))
        databases.append(value)
    if not all(number.isascii() and number.isdigit() and len(number) < 10 for number in databases):
        raise SettingError("REDIS_URL names a database that is no number: end it with /5, for example")
    if len(set(map(int, databases))) > 1:
        raise SettingError("REDIS_URL names two databases: give one, as /5 or ?db=5")
    if not parts.query:
        return given.rstrip("?")
    return parts._replace(path=f"/{databases[0]}" if databases else parts.path, query="").geturl()


def _redis_parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        (parts.hostname or "").encode("idna")
        is_usable = url.startswith(("redis://", "rediss://")) and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_usable else None


# What clients of Redis take in a URL, and what stands for it here.
_NO_VERIFICATION = ("none", "cert_none", "optional", "cert_optional", "false", "0")
_OWN_TIMES = ("socket_timeout", "socket_connect_timeout", "socket_keepalive", "health_check_interval", "timeout")
_OWN_CONNECTIONS = ("max_connections", "retry_on_timeout", "retry_on_error", "client_name", "protocol")


def _refused_parameter(name: str, value: str) -> str:
    if name in ("ssl_cert_reqs", "ssl_check_hostname"):
        verify = "false" if value.strip().lower() in _NO_VERIFICATION else "true"
        way_out = f"set REDIS_TLS_VERIFY={verify} instead"
    elif name.startswith("ssl"):
        way_out = "use rediss:// for TLS, and REDIS_TLS_VERIFY=true or false instead"
    elif name in ("username", "password"):
        way_out = "write them before the host instead, redis://username:password@host"
    elif name in _OWN_TIMES or name in _OWN_CONNECTIONS:
        way_out = "leave it out, zexa-sync sets this itself"
    else:
        way_out = "leave it out; only ?db= is read"
    return f"REDIS_URL has the parameter {shown_name(name)}: {way_out}"


def is_on_dyno(environ: Mapping[str, str]) -> bool:
    """Return whether this process runs on Heroku, which sets DYNO."""
    return bool(environ.get("DYNO", "").strip())


def shown_name(name: str) -> str:
    """Return the name of a setting or parameter for a person, or what stands for one that no person would write."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,59}", name) else "of an unusual name"


def read_whole_number(environ: Mapping[str, str], name: str, *, default: int, least: int, most: int) -> int:
    """Return the setting `name`, or `default` where it is unset or blank."""
    given = environ.get(name, "").strip()
    if not given:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 10 and least <= int(given) <= most):
        raise SettingError(f"{name} is not a whole number from {least} to {most}")
    return int(given)


def read_switch(environ: Mapping[str, str], name: str) -> bool:
    """Return whether the setting `name` is 1; 0, unset or blank is off."""
    given = environ.get(name, "").strip() or "0"
    if given not in ("0", "1"):
        raise SettingError(f"{name} is neither 1 nor 0")
    return given == "1"


def read_entries(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return what stands between the commas of the setting `name`, without blanks around; none if it is unset.

    An empty entry among others is a mistake: what was meant to stand there would be missed in silence.
    """
    entries = [entry.strip() for entry in environ.get(name, "").split(",")]
    if entries == [""]:
        return ()
    if not all(entries):
        raise SettingError(f"{name} has an empty entry: there is a comma too many, or something is missing")
    return tuple(entries)


def read_opt_out_failures(environ: Mapping[str, str]) -> frozenset[str]:
    """Return ZEXA_OPT_OUT_FAILURES: codes and reasons of failures, between commas, that say "has opted out"."""
    return frozenset(map(failure_key, read_entries(environ, "ZEXA_OPT_OUT_FAILURES")))


def _required(environ: Mapping[str, str], name: str, hint: str) -> str:
    given = environ.get(name, "").strip()
    if not given:
        raise SettingError(f"{name} is not set: {hint}")
    return given
