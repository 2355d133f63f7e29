"""Fixtures that the tests of suppression share."""

from collections.abc import Iterator

import pytest
from redis import Redis
from sqlalchemy import URL

from models.database import open_database
from sync.queue.connection import open_queue
from sync.suppression import Lookup


@pytest.fixture
def lookup(migrated_url: URL, redis: Redis) -> Iterator[Lookup]:
    reader = open_database(migrated_url, is_read_only=True)
    yield Lookup(reader, open_queue(redis), default_region="AO")
    reader.dispose()
