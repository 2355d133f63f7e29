"""The tests of a module share a database of each kind."""

from tests.support.one_database import (
    as_migrated,
    database_url,
    engine,
    migrated_url,
    observer,
    opened,
    reader,
    second_engine,
)

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
