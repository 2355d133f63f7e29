"""Fixtures that the tests of dead letters share."""

import pytest
from click.testing import CliRunner
from redis import Redis
from rq import Queue
from sqlalchemy import URL, Engine, text

from sync.cli import main
from sync.devtools.dev.embedded import RedisServer
from sync.queue.connection import open_queue
from tests.integration.dead_letters.letters import REFUSED, Command


@pytest.fixture
def command(migrated_url: URL, redis: Redis, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `dead-letters` on the test's database and an empty Redis."""
    assert redis.dbsize() == 0
    monkeypatch.setenv("DATABASE_URL", migrated_url.render_as_string(hide_password=False))
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    for name in ("ZEXA_DEFAULT_REGION", "REDIS_TLS_VERIFY", "DYNO"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments: CliRunner().invoke(main, ["dead-letters", *arguments], catch_exceptions=False)


@pytest.fixture
def queue(redis: Redis) -> Queue:
    return open_queue(redis)


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
