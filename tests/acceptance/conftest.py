"""A platform with an empty database of each kind and an empty Redis."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import URL

from sync.devtools.dev.embedded import RedisServer
from tests.support.processes import Platform, platform


@pytest.fixture
def forks(request: pytest.FixtureRequest) -> bool:
    """Whether the processes of the test's platform are forked, unless the test is of the start itself (`executed`)."""
    return request.node.get_closest_marker("executed") is None


@pytest.fixture
def fresh_platform(
    tmp_path: Path, database_url: URL, redis_server: RedisServer, redis: Redis, forks: bool
) -> Iterator[Platform]:
    """Nothing migrated, nothing running."""
    assert redis.dbsize() == 0
    with platform(tmp_path / "logs", database_url, redis_server.url, forks=forks) as started:
        yield started


@pytest.fixture
def migrated_platform(
    tmp_path: Path, migrated_url: URL, redis_server: RedisServer, redis: Redis, forks: bool
) -> Iterator[Platform]:
    """Migrated, nothing running."""
    assert redis.dbsize() == 0
    with platform(tmp_path / "logs", migrated_url, redis_server.url, forks=forks) as started:
        yield started
