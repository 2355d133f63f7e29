"""Fixtures that the tests of several rooms share."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import Redis
from sqlalchemy import URL, Connection, Engine, make_url, text

from models.database import open_database
from sync.cli import main
from sync.devtools.dev.embedded import RedisServer
from sync.queue.connection import open_queue
from sync.suppression import Lookup
from tests.conftest import new_database
from tests.support.events_builder import REFUSED
from tests.support.one_dialect import share_dialects


@pytest.fixture(scope="session", autouse=True)
def _one_dialect() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        share_dialects(patch)
        yield


@pytest.fixture
def both_engines(
    tmp_path: Path, migrated_file: Path, postgres_server: URL, postgres_admin: Connection, migrated_template: str
) -> Iterator[list[Engine]]:
    """A database of each kind at the newest schema."""
    with new_database(postgres_admin, migrated_template) as name:
        file = shutil.copyfile(migrated_file, tmp_path / "zexa.db")
        engines = [open_database(url) for url in (make_url(f"sqlite:///{file}"), postgres_server.set(database=name))]
        yield engines
        for engine in engines:
            engine.dispose()


@pytest.fixture
def second_engine(migrated_url: URL) -> Iterator[Engine]:
    """Another process's."""
    engine = open_database(migrated_url)
    yield engine
    engine.dispose()


@pytest.fixture
def observer(migrated_url: URL) -> Iterator[Engine]:
    """For who looks at what others wait for."""
    engine = open_database(migrated_url)
    yield engine
    engine.dispose()


@pytest.fixture
def refusing(engine: Engine) -> Engine:
    """A database that refuses one message, as one does that has a rule of the customer's own."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            rule = f"ALTER TABLE message_status ADD CONSTRAINT own_rule CHECK (message_id <> '{REFUSED}')"
        else:
            rule = (
                "CREATE TRIGGER own_rule BEFORE INSERT ON message_status "
                f"WHEN NEW.message_id = '{REFUSED}' BEGIN SELECT RAISE(ABORT, 'own rule'); END"
            )
        connection.execute(text(rule))
    return engine


@pytest.fixture
def lookup(reader: Engine, redis: Redis) -> Lookup:
    return Lookup(reader, open_queue(redis), default_region="AO")


@pytest.fixture
def command_line(
    migrated_url: URL, redis: Redis, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Runs a command on the test's database and an empty Redis."""
    assert redis.dbsize() == 0
    monkeypatch.setenv("DATABASE_URL", migrated_url.render_as_string(hide_password=False))
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    for name in ("ZEXA_DEFAULT_REGION", "REDIS_TLS_VERIFY", "DYNO"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str, **options: Any) -> Result:
        return CliRunner().invoke(main, list(words), catch_exceptions=False, **options)

    return run
