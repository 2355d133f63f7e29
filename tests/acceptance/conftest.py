"""A platform with an empty database of each kind and an empty Redis."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import URL

from sync.devtools.dev.embedded import RedisServer
from tests.support.processes import Platform, platform


@pytest.fixture
def fresh_platform(tmp_path: Path, database_url: URL, redis_server: RedisServer, redis: Redis) -> Iterator[Platform]:
    """Nothing migrated, nothing running."""
    assert redis.dbsize() == 0
    with platform(tmp_path / "logs", database_url, redis_server.url) as started:
        yield started


@pytest.fixture
def migrated_platform(tmp_path: Path, migrated_url: URL, redis_server: RedisServer, redis: Redis) -> Iterator[Platform]:
    """Migrated, nothing running."""
    assert redis.dbsize() == 0
    with platform(tmp_path / "logs", migrated_url, redis_server.url) as started:
        yield started
