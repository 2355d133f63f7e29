"""Fixtures that the tests of rebuild share."""

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine

from models.database import open_database


@pytest.fixture
def reader(migrated_url: URL) -> Iterator[Engine]:
    """As the command opens it: nothing can be written."""
    engine = open_database(migrated_url, is_read_only=True)
    yield engine
    engine.dispose()
