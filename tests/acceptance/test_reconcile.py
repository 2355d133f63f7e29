"""Web is away for longer than the provider retries; asking makes the statuses those of a twin that was never away."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from redis import Redis
from sqlalchemy import Engine, make_url

from models.database import open_database
from sync.cli import main
from sync.devtools.fake_provider.account import FakeWebhook
from sync.events.raw import RawEvent
from sync.queue.connection import open_queue
from sync.queue.counted import read_counts
from sync.store.apply import apply
from tests.integration.provider.asking import ids_file, message_answer, statuses
from tests.support.events_builder import ANA, AO, body, minute, raw
from tests.support.fake_provider import FakeProvider, fake_provider
from tests.support.processes import SECRET, Platform, wait_for

# The provider retries after 1, 5 and 30 minutes; here that are 36 minutes in 1.1 s.
RETRY_SCALE = 0.0005
ENDS = ("delivered", "failed", "undeliverable", "delivered")


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider(secret=SECRET.encode(), retry_scale=RETRY_SCALE) as running:
        yield running


@pytest.fixture
def twin(migrated_file: Path, tmp_path: Path) -> Iterator[Engine]:
    """A database to which everything was delivered."""
    file = tmp_path / "twin.db"
    shutil.copyfile(migrated_file, file)
    engine = open_database(make_url(f"sqlite:///{file}"))
    yield engine
    engine.dispose()


def ended(name: str, number: int) -> bytes:
    """How a message ended. When it is asked, the provider answers what its event says of it."""
    status, at = ENDS[number % len(ENDS)], minute(number / 10)
    more = {"status": status, f"{status}_at": at.isoformat()}
    return body(f"message.{status}", at, message_id=name, to=ANA, channel="sms", **more)


def test_after_an_outage_asking_leaves_what_a_twin_has_that_was_never_away(
    migrated_platform: Platform,
    provider: FakeProvider,
    engine: Engine,
    twin: Engine,
    redis: Redis,
    tmp_path: Path,
) -> None:
    names = [f"msg_{number}" for number in range(40)]
    bodies = [ended(name, number) for number, name in enumerate(names)]
    account, deliveries = provider.account, provider.counts
    account.messages["silent"] = message_answer("silent", "delivered", 9)
    # Heard of two hours ago, and not since: a worker asks for such a message by itself.
    then = datetime.now(UTC) - timedelta(hours=2)
    stop = RawEvent(body=body("message.optout", minute(1), message_id="silent", to=ANA), received_at=then)
    apply(engine, [stop], options=AO, now=then)

    web = migrated_platform.start_web()
    url = f"http://127.0.0.1:{migrated_platform.port}/webhooks/zexa"
    account.webhooks.append(FakeWebhook(id="wh_1", url=url, events=("*",), created_at="2026-06-24T10:00:00Z"))
    migrated_platform.start_worker(ZEXA_RECONCILE="1", **provider.settings)
    provider.tell(bodies[:15])
    wait_for(lambda: len(statuses(engine)) == 16, seconds=20, what="what came before the outage")
    wait_for(lambda: account.asked_ids == ["silent"], seconds=20, what="the worker to ask for what is silent")
    web.terminate()
    web.wait()
    provider.tell(bodies[15:])
    wait_for(lambda: deliveries.given_up == 25, seconds=30, what="the provider to give up what it could not deliver")
    assert len(statuses(engine)) == 16

    environ = migrated_platform.environ | provider.settings
    words = ["reconcile", "--ids", ids_file(tmp_path, *names), "--rate", "1000"]
    result = CliRunner().invoke(main, words, env=environ)
    assert result.exit_code == 0, result.output
    apply(twin, [stop, *map(raw, bodies)], options=AO, now=datetime.now(UTC))
    assert {name: row for name, row in statuses(engine).items() if name != "silent"} == {
        name: row for name, row in statuses(twin).items() if name != "silent"
    }
    assert statuses(engine)["silent"] == ("delivered", minute(9))
    assert sorted(account.asked_ids) == sorted(["silent", *names[15:]])
    counted = wait_for(lambda: _reconciled(redis) == 26, seconds=20, what="both to be counted")
    assert counted
    assert account.key not in result.output + migrated_platform.logs()
    assert ANA not in result.output + migrated_platform.logs()


def _reconciled(redis: Redis) -> int:
    return read_counts(open_queue(redis)).totals["reconciled"]
