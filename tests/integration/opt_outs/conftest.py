"""Fixtures that the tests of opt outs share."""

import pytest
from click.testing import CliRunner
from redis import Redis
from sqlalchemy import URL

from sync.cli import main
from sync.devtools.dev.embedded import RedisServer
from tests.integration.opt_outs.commands import Command


@pytest.fixture
def command(migrated_url: URL, redis: Redis, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `opt-outs` on the test's database and an empty Redis."""
    assert redis.dbsize() == 0
    monkeypatch.setenv("DATABASE_URL", migrated_url.render_as_string(hide_password=False))
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    for name in ("ZEXA_DEFAULT_REGION", "REDIS_TLS_VERIFY", "DYNO"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments, **given: CliRunner().invoke(
        main, ["opt-outs", *arguments], catch_exceptions=False, **given
    )
