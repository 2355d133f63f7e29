"""A fake provider, and the command that asks it."""

from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from redis import Redis
from sqlalchemy import URL

from sync.cli import main
from sync.devtools.dev.embedded import RedisServer
from sync.provider import retries
from tests.integration.provider.asking import KEY, Command
from tests.support.fake_provider import FakeProvider, fake_provider


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProvider]:
    """A fake one, and a client that does not pause for long between its tries."""
    monkeypatch.setattr(retries, "PAUSE_SECONDS", 0.001)
    with fake_provider(key=KEY) as running:
        yield running


@pytest.fixture
def environ(migrated_url: URL, redis: Redis, redis_server: RedisServer, provider: FakeProvider) -> dict[str, str]:
    assert redis.dbsize() == 0
    return {
        "DATABASE_URL": migrated_url.render_as_string(hide_password=False),
        "REDIS_URL": redis_server.url,
        **provider.settings,
    }


@pytest.fixture
def command(environ: dict[str, str]) -> Command:
    """Runs `reconcile` as fast as it can."""

    def run(*arguments: str, **more: str) -> object:
        return CliRunner().invoke(main, ["reconcile", "--rate", "1000", *arguments], env=environ | more)

    return run  # type: ignore[return-value]
