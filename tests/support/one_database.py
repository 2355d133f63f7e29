"""One database of each kind for all tests of a module, emptied before each, with engines that are opened once.

To copy a database for each test costs PostgreSQL more than most tests do, and a new engine compiles every statement
anew. A folder whose `conftest.py` imports all of `__all__` has them in place of those of `tests/conftest.py`.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from sqlalchemy import URL, Connection, Engine, delete, insert, make_url, select, text
from sqlmodel import SQLModel

from models import all_tables
from models.database import open_database
from models.tables import REPORT_CALENDAR
from tests.conftest import new_database

assert all_tables.__all__  # importing the module fills the metadata

__all__ = [
    "as_migrated",
    "database_url",
    "engine",
    "migrated_url",
    "observer",
    "opened",
    "reader",
    "second_engine",
]

SEEDED = {REPORT_CALENDAR.name, "zexa_sync_compatibility"}


class Opened(Protocol):
    """Returns the module's engine of a name, which is the same at every call."""

    def __call__(self, name: str, *, is_read_only: bool = False) -> Engine: ...


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, databases_folder: Path) -> Iterator[URL]:
    if request.param == "sqlite":
        file = databases_folder / f"{request.node.nodeid.replace('/', '.')}.db"
        shutil.copyfile(request.getfixturevalue("migrated_file"), file)
        yield make_url(f"sqlite:///{file}")
        for left in databases_folder.glob(f"{file.name}*"):
            left.unlink()
        return
    server: URL = request.getfixturevalue("postgres_server")
    template: str = request.getfixturevalue("migrated_template")
    with new_database(request.getfixturevalue("postgres_admin"), template) as name:
        yield server.set(database=name)


@pytest.fixture(scope="module")
def opened(database_url: URL) -> Iterator[Opened]:
    engines: dict[str, Engine] = {}

    def open_once(name: str, *, is_read_only: bool = False) -> Engine:
        if name not in engines:
            engines[name] = open_database(database_url, is_read_only=is_read_only)
        return engines[name]

    yield open_once
    for engine in engines.values():
        engine.dispose()


@pytest.fixture(scope="module")
def as_migrated(opened: Opened) -> Callable[[], None]:
    """Makes the rows those that the migrations leave."""
    engine = opened("as migrated")
    with engine.connect() as connection:
        calendar = _calendar(connection)

    def empty() -> None:
        with engine.begin() as connection:
            _empty(connection)
            if _calendar(connection) != calendar:
                connection.execute(delete(REPORT_CALENDAR))
                connection.execute(insert(REPORT_CALENDAR), calendar)

    return empty


@pytest.fixture
def migrated_url(database_url: URL, as_migrated: Callable[[], None]) -> URL:
    """A database of each kind whose rows are those that the migrations leave."""
    as_migrated()
    return database_url


@pytest.fixture
def engine(migrated_url: URL, opened: Opened) -> Engine:  # noqa: ARG001 - emptied first
    return opened("engine")


@pytest.fixture
def reader(migrated_url: URL, opened: Opened) -> Engine:  # noqa: ARG001
    """An engine that writes nothing, and keeps no other process from writing."""
    return opened("reader", is_read_only=True)


@pytest.fixture
def second_engine(migrated_url: URL, opened: Opened) -> Engine:  # noqa: ARG001
    """Another process's."""
    return opened("second engine")


@pytest.fixture
def observer(migrated_url: URL, opened: Opened) -> Engine:  # noqa: ARG001
    """For who looks at what others wait for."""
    return opened("observer")


def _calendar(connection: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(select(REPORT_CALENDAR)).mappings()]


def _empty(connection: Connection) -> None:
    names = sorted(SQLModel.metadata.tables.keys() - SEEDED)
    if connection.dialect.name == "postgresql":
        # Not TRUNCATE: new files for every table and index take five times as long as these few rows.
        with unguarded(connection):
            connection.execute(text("; ".join(f"DELETE FROM {name}" for name in names)))
        return
    filled = [name for name in names if connection.exec_driver_sql(f"SELECT 1 FROM {name} LIMIT 1").first()]
    if filled:
        with unguarded(connection):
            for name in filled:
                connection.exec_driver_sql(f"DELETE FROM {name}")


@contextmanager
def unguarded(connection: Connection) -> Iterator[None]:
    """Within the block, no trigger refuses what it refuses to everybody, such as deleting rows of the history."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield
        connection.execute(text("SET LOCAL session_replication_role = origin"))
        return
    triggers = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
    for name, _ in triggers:
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
    yield
    for _, definition in triggers:
        connection.exec_driver_sql(definition)
