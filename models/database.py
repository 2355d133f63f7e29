"""The connection to the customer's database. Nothing here knows what the tables mean."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from models.sessions import Sessions

CONNECT_SECONDS = 5
BUSY_SECONDS = 20
POOL_SECONDS = 30
# How a URL names the schema of our tables in `options`, and the execution option that holds it.
SEARCH_PATH = "-csearch_path="
SCHEMA = "zexa_schema"

# Unless the URL says otherwise.
_CONNECT = {
    "connect_timeout": CONNECT_SECONDS,
    "application_name": "zexa-sync",
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
# These override the URL. Poolers refuse a connection with `options`, even with the options of PGOPTIONS.
_ALWAYS = {"client_encoding": "UTF8", "options": ""}
WAL_BYTES_MAX = 16 * 1024 * 1024


def open_database(
    url: URL,
    *,
    pool_size: int = 2,
    pool_seconds: float = POOL_SECONDS,
    statement_seconds: float = 0,
    busy_seconds: float = BUSY_SECONDS,
    is_read_only: bool = False,
    is_tested_first: bool = True,
) -> Engine:
    """Return an engine for `url` (`postgresql+psycopg` or `sqlite`); nothing is connected yet.

    On PostgreSQL a caller waits up to `pool_seconds` for a free connection. A statement may take `statement_seconds`
    (0: any time), waits for locks included. A server that vanished without a word is noticed within about a minute. A
    connection that rested is tested before it is used, which costs a round trip. Without `is_tested_first` the first
    statement after a restart of the server fails, and the caller has to repeat it.

    Every transaction has the settings of `models.sessions` and works in the schema that `url` names, also behind a
    pooler. Statements under the isolation level AUTOCOMMIT have these on a direct connection only.

    Errors of this engine never quote parameters, which may be phone numbers. On SQLite every transaction is `BEGIN
    IMMEDIATE` in WAL mode and waits up to `busy_seconds` for another writer, so that several processes may write. A
    commit is on disk before it returns. With `is_read_only` nothing can be written, and on SQLite no other process is
    kept from writing.
    """
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": busy_seconds})
        event.listen(engine, "connect", partial(_prepare_sqlite, busy_seconds))
        event.listen(engine, "begin", _begin if is_read_only else _begin_immediate)
        return engine
    schema = schema_of(url)
    engine = create_engine(
        url,
        hide_parameters=True,
        isolation_level="AUTOCOMMIT",  # what begins transactions is `Sessions`
        pool_size=pool_size,
        pool_timeout=pool_seconds,
        max_overflow=0,
        pool_pre_ping=is_tested_first,
        connect_args={name: value for name, value in _CONNECT.items() if name not in url.query} | _ALWAYS,
        execution_options={SCHEMA: schema},
    )
    Sessions(schema=schema, statement_seconds=statement_seconds, is_read_only=is_read_only).listen(engine)
    return engine


@contextmanager
def disposing(engine: Engine) -> Iterator[Engine]:
    """Yield `engine`, and leave no connection of it open at the end."""
    try:
        yield engine
    finally:
        engine.dispose()


def schema_of(url: URL) -> str | None:
    """Return the schema that `url` names for our tables; None for the one the database chooses.

    `sync.settings.database_url` writes it so into every URL it reads. The server is never sent it like this: poolers
    take no options.
    """
    options = url.query.get("options", SEARCH_PATH)
    if not isinstance(options, str) or not options.startswith(SEARCH_PATH) or '"' in options:
        raise ValueError("the options of a database URL may name one schema, and nothing else")
    return options.removeprefix(SEARCH_PATH) or None


def _prepare_sqlite(busy_seconds: float, connection: Any, _record: Any) -> None:
    # The driver would otherwise begin transactions by its own rules, and never before a DDL statement.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {int(busy_seconds * 1000)}")
    _use_write_ahead_log(connection, busy_seconds)
    connection.execute("PRAGMA synchronous = FULL")
    # What is deleted is gone from the file: a person may have been forgotten.
    connection.execute("PRAGMA secure_delete = ON")
    # Else the log stays as long as the longest transaction ever was.
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")


def _use_write_ahead_log(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """Switch to WAL. The busy timeout does not cover this switch, so two first starts at once try again."""
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("PRAGMA query_only = ON")
    connection.exec_driver_sql("BEGIN")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
