"""Reads the settings that every process shares from environment variables.

A wrong one raises SettingError whose text is one line naming the setting, never a secret's value.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from sync.reading import failure_key
from sync.redis_url import RedisUrlError, read_redis_url

# What a URL may say to libpq. Not `replication` and `client_encoding`, which we could not live with.
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
LIBPQ_PARAMETERS = frozenset(
    re.findall(
        r"\w+",
        """
        application_name channel_binding connect_timeout dbname fallback_application_name gssdelegation gssencmode
        gsslib host hostaddr keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname
        load_balance_hosts max_protocol_version min_protocol_version oauth_client_id oauth_client_secret oauth_issuer
        oauth_scope passfile password port require_auth requirepeer scram_client_key scram_server_key service
        ssl_max_protocol_version ssl_min_protocol_version sslcert sslcertmode sslcompression sslcrl sslcrldir sslkey
        sslkeylogfile sslmode sslnegotiation sslpassword sslrootcert sslsni target_session_attrs tcp_user_timeout user
        """,
    )
)
_SCHEMA_HINT = "use lower-case letters, digits, _ and -"
_SEARCH_PATH = re.compile(r"""(?:-c\s*|--)search[_-]path\s*=\s*(?:"(?P<quoted>[^"]+)"|(?P<plain>[^"]+))""")


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
        return _postgresql_url(url.set(drivername="postgresql+psycopg"), environ)
    if environ.get("ZEXA_DATABASE_SCHEMA", "").strip():
        raise SettingError("ZEXA_DATABASE_SCHEMA is set, and DATABASE_URL names no PostgreSQL: only that has schemas")
    if url.drivername != "sqlite":
        raise SettingError(f"DATABASE_URL names {url.drivername}: use postgres:// or sqlite:///")
    if not url.database or ":memory:" in url.database or "\0" in url.database or url.query:
        raise SettingError("DATABASE_URL names no SQLite file that processes could share: use sqlite:///path")
    if is_on_dyno(environ):
        raise SettingError(
            "DATABASE_URL names a SQLite file, and a dyno's disk is wiped at least daily: use postgres://"
        )
    return url


def _postgresql_url(url: URL, environ: Mapping[str, str]) -> URL:
    """Return `url` with the schema as its only option, if one is named; refuse what would be ignored."""
    for name, value in url.query.items():
        if name == "options":
            continue
        if name not in LIBPQ_PARAMETERS:
            raise SettingError(f"DATABASE_URL has the parameter {name!a}, which is none of PostgreSQL's: leave it out")
        if not isinstance(value, str) and name not in ("host", "port"):
            raise SettingError(f"DATABASE_URL has the parameter {name} more than once")
    told = _schema_of_options(url)
    schema = environ.get("ZEXA_DATABASE_SCHEMA", "").strip()
    if schema and not _is_schema(schema):
        raise SettingError(f"ZEXA_DATABASE_SCHEMA is no name of a schema: {_SCHEMA_HINT}")
    if schema and told and schema != told:
        raise SettingError("ZEXA_DATABASE_SCHEMA and the search_path in DATABASE_URL name different schemas")
    url = url.difference_update_query(["options"])
    return url.update_query_dict({"options": f"-csearch_path={schema or told}"}) if schema or told else url


def _schema_of_options(url: URL) -> str | None:
    """Return the schema that `options` of `url` names, as the server would read it."""
    options = url.query.get("options", "")
    if not options:
        return None
    match = _SEARCH_PATH.fullmatch(options.strip()) if isinstance(options, str) else None
    if not match:
        raise SettingError("DATABASE_URL has options that are not taken: only -csearch_path=SCHEMA is, with one schema")
    schema = match["quoted"] or match["plain"].lower()
    if not _is_schema(schema):
        raise SettingError(
            "DATABASE_URL has a search_path that is not one schema: use lower-case letters, digits, _ and -"
        )
    return schema


def _is_schema(name: str) -> bool:
    is_reserved = name.startswith("pg_") or name == "information_schema"
    return bool(re.fullmatch("[a-z_][a-z0-9_-]{0,62}", name)) and not is_reserved


def read_redis_settings(environ: Mapping[str, str]) -> RedisSettings:
    """Return REDIS_URL and whether its certificate is verified.

    Hosted Redis on Heroku signs its own certificates, so there verification is off unless asked for.
    """
    try:
        url = read_redis_url(_required(environ, "REDIS_URL", "for example redis://localhost:6379/0"))
    except RedisUrlError as error:
        raise SettingError(f"REDIS_URL {error}") from None
    given = environ.get("REDIS_TLS_VERIFY", "").strip().lower()
    if given not in ("", "true", "false"):
        raise SettingError("REDIS_TLS_VERIFY is neither true nor false")
    if given == "true" and url.startswith("redis://"):
        raise SettingError("REDIS_TLS_VERIFY is true, but REDIS_URL has no TLS: use rediss://")
    return RedisSettings(url=url, verify_tls=given == "true" if given else not is_on_dyno(environ))


def is_on_dyno(environ: Mapping[str, str]) -> bool:
    """Return whether this process runs on Heroku, which sets DYNO."""
    return bool(environ.get("DYNO", "").strip())


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
