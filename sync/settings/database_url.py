"""Reads DATABASE_URL and the schema of the tables: what it says is done, or refused by name."""

import re
from collections.abc import Mapping

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from sync.settings.environment import SettingError, _required, is_on_dyno

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


def read_database_url(environ: Mapping[str, str]) -> URL:
    """Return DATABASE_URL with its driver: psycopg 3 for PostgreSQL, the standard library's for SQLite."""
    text = _required(environ, "DATABASE_URL", "for example postgres://user:password@host/name or sqlite:///zexa.db")
    try:
        url = make_url(text)
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
    schema_of_url = _schema_of_options(url)
    schema = environ.get("ZEXA_DATABASE_SCHEMA", "").strip()
    if schema and not _is_schema(schema):
        raise SettingError(f"ZEXA_DATABASE_SCHEMA is no name of a schema: {_SCHEMA_HINT}")
    if schema and schema_of_url and schema != schema_of_url:
        raise SettingError("ZEXA_DATABASE_SCHEMA and the search_path in DATABASE_URL name different schemas")
    url = url.difference_update_query(["options"])
    return (
        url.update_query_dict({"options": f"-csearch_path={schema or schema_of_url}"})
        if schema or schema_of_url
        else url
    )


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
