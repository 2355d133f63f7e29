"""ZEXA_RECONCILE=1: one worker at a time asks for what is silent, less often the longer it is."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from sqlalchemy import Engine, text
from structlog.testing import capture_logs

from sync.events.raw import RawEvent
from sync.provider.ask import AskingFailed
from sync.provider.reconcile_chore import LOCK_KEY, Reconciliation
from sync.provider.silent_messages import TIMES_MAX, find_silent
from sync.queue.counts import RECONCILED, Counts
from sync.settings.worker import WorkerSettings
from sync.store.apply import apply
from tests.integration.provider.asking import message_answer, statuses
from tests.support.events_builder import ANA, AO, body, minute
from tests.support.fake_provider import FakeProvider

HOUR = timedelta(hours=1)
Turn = Callable[[], Reconciliation]


@pytest.fixture
def worker(environ: dict[str, str]) -> Turn:
    """Makes what a worker of its own would run."""
    settings = WorkerSettings.read(environ | {"ZEXA_RECONCILE": "1"})
    assert settings.provider is not None

    def make() -> Reconciliation:
        assert settings.provider is not None
        return Reconciliation(
            provider=settings.provider,
            database_url=settings.database_url,
            redis=settings.redis,
            options=settings.parse_options,
            counts=Counts(),
            is_stop_asked=lambda: False,
        )

    return make


def hear(engine: Engine, message_id: str, ago: timedelta) -> None:
    """An opt-out is all that was heard of a message."""
    then = datetime.now(UTC) - ago
    content = body("message.optout", minute(1), message_id=message_id, to=ANA)
    apply(engine, [RawEvent(body=content, received_at=then)], options=AO, now=then)


def test_messages_that_were_silent_for_an_hour_are_asked_for_by_one_worker_at_a_time(
    engine: Engine, worker: Turn, provider: FakeProvider, redis: Redis
) -> None:
    hear(engine, "silent", 2 * HOUR)
    hear(engine, "fresh", HOUR / 2)
    provider.account.messages = {name: message_answer(name, "delivered", 5) for name in ("silent", "fresh")}
    first, second = worker(), worker()
    with capture_logs() as logs:
        first.take_turn(engine)
        second.take_turn(engine)
    assert provider.account.asked_ids == ["silent"]
    assert statuses(engine) == {"silent": ("delivered", minute(5)), "fresh": (None, None)}
    (line,) = [line for line in logs if line["event"] == "reconcile.asked"]
    assert (line["asked"], line["repaired"], line["failed"]) == (1, 1, 0)
    (counted,) = first.counts.take().minutes.values()
    assert counted == {RECONCILED: 1}
    assert not second.counts
    assert 0 < redis.ttl(LOCK_KEY) <= 60


def test_a_silent_message_is_asked_for_less_and_less_often_and_then_no_more(engine: Engine) -> None:
    hear(engine, "silent", 100 * HOUR)
    now = datetime.now(UTC)
    for times in range(1, TIMES_MAX + 1):
        pause = HOUR * 2 ** (times - 1)
        for ago, is_due in ((pause - HOUR / 60, False), (pause + HOUR / 60, times < TIMES_MAX)):
            with engine.begin() as connection:
                connection.execute(text("DELETE FROM asked_messages"))
                then = (now - ago).replace(tzinfo=None).isoformat(sep=" ")
                insert = text("INSERT INTO asked_messages (message_id, asked_at, times) VALUES ('silent', :at, :times)")
                connection.execute(insert, {"at": then if engine.name == "sqlite" else now - ago, "times": times})
            assert bool(find_silent(engine, now, 10)) == is_due, (times, ago)


def test_a_provider_that_refuses_the_key_ends_the_turn_and_nothing_was_asked_for(
    engine: Engine, worker: Turn, provider: FakeProvider, redis: Redis
) -> None:
    hear(engine, "silent", 2 * HOUR)
    provider.account.messages = {"silent": message_answer("silent", "delivered", 5)}
    provider.account.fail("GET /messages/{id}", 401)
    with pytest.raises(AskingFailed):
        worker().take_turn(engine)
    redis.delete(LOCK_KEY)
    worker().take_turn(engine)
    assert provider.account.asked_ids == ["silent"]


def test_without_redis_nobody_asks(engine: Engine, environ: dict[str, str], provider: FakeProvider) -> None:
    hear(engine, "silent", 2 * HOUR)
    settings = WorkerSettings.read(environ | {"ZEXA_RECONCILE": "1", "REDIS_URL": "redis://127.0.0.1:1/0"})
    assert settings.provider is not None
    Reconciliation(
        provider=settings.provider,
        database_url=settings.database_url,
        redis=settings.redis,
        options=AO,
        counts=Counts(),
        is_stop_asked=lambda: False,
    ).take_turn(engine)
    assert not provider.account.requests


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_asking_that_the_database_ends_is_told(engine: Engine, worker: Turn, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_arguments: object) -> None:
        with engine.connect() as connection:
            connection.execute(text("SELECT no_such_column FROM message_status"))

    asked = iter((False, True))
    monkeypatch.setattr(Reconciliation, "take_turn", end)
    with capture_logs() as logs:
        replace(worker(), is_stop_asked=lambda: next(asked)).run(lambda _seconds: None)
    assert [(line["event"], line["log_level"]) for line in logs] == [("reconcile.failed", "error")]
