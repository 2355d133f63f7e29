"""Opens the database for a command, and says in one line why that cannot be done."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy import URL, Engine
from sqlalchemy.exc import DBAPIError

from models.database import open_database
from models.errors import error_line
from models.schema import require_head
from sync.settings.database_url import read_database_url

STATEMENT_SECONDS = 30
# For what has to be said within seconds.
QUICK_CONNECT_SECONDS = 3
QUICK_STATEMENT_SECONDS = 2.0
QUICK_BUSY_SECONDS = 0.5


@contextmanager
def opened(*, is_read_only: bool = False, statement_seconds: float = STATEMENT_SECONDS) -> Iterator[Engine]:
    """Open the database of DATABASE_URL over one connection. Raises SettingError, and the database's own errors."""
    url = read_database_url(os.environ)
    engine = open_database(url, pool_size=1, statement_seconds=statement_seconds, is_read_only=is_read_only)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def database(*, is_read_only: bool = False, statement_seconds: float = STATEMENT_SECONDS) -> Iterator[Engine]:
    """Open the database of DATABASE_URL; say in one line why that fails. Raises SchemaError and SettingError."""
    try:
        with opened(is_read_only=is_read_only, statement_seconds=statement_seconds) as engine:
            require_head(engine)
            yield engine
    except DBAPIError as error:
        verb = "read" if is_read_only else "used"
        raise click.ClickException(f"the database of DATABASE_URL cannot be {verb}: {error_line(error)}") from None


def open_quickly(url: URL, *, is_read_only: bool = False) -> Engine:
    """Return an engine of one connection that neither waits long to connect nor for a statement or a lock."""
    if url.get_backend_name() != "sqlite":
        url = url.update_query_dict({"connect_timeout": str(QUICK_CONNECT_SECONDS)})
    return open_database(
        url,
        pool_size=1,
        pool_seconds=QUICK_STATEMENT_SECONDS,
        statement_seconds=QUICK_STATEMENT_SECONDS,
        busy_seconds=QUICK_BUSY_SECONDS,
        is_read_only=is_read_only,
    )
