"""The inbox: what the receiver stores there while Redis cannot take it, and how workers drain it."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job
from sqlalchemy import URL, Connection, Engine, text

from receiver.webhook import circuit
from receiver.webhook import intake as module
from receiver.webhook.groups import STORE_SECONDS, StoreUnavailable
from receiver.webhook.inbox import InboxUnavailable, InboxWriter
from sync.devtools.dev.embedded import RedisServer, free_port, private_redis
from sync.events.raw import RawEvent, from_json
from sync.queue.connection import open_queue, opened_queue
from sync.queue.jobs import enqueue
from sync.settings.environment import RedisSettings
from sync.store import apply
from sync.store.apply import drain
from sync.store.tally import Tally
from sync.worker import full_redis
from sync.worker.applier import Applier, NotApplied
from sync.worker.fetch import fetch_jobs, raw_events_held
from sync.worker.full_redis import relieve
from sync.worker.rq_worker import EventWorker
from sync.worker.stop import Stop
from tests.support.events_builder import AO, body, minute, raw
from tests.support.intakes import DrivenIntake, driven_intake

pytestmark = pytest.mark.every_redis


def delivered(number: int) -> bytes:
    return body("message.delivered", minute(1), id=f"msg_{number}", to="+244912345678", channel="sms")


REFUSED = b'{"event": "message.delivered", "data": {"id": "msg_refused"}}'


@pytest.fixture
def inbox(migrated_url: URL) -> Iterator[InboxWriter]:
    inbox = InboxWriter(migrated_url)
    yield inbox
    inbox.close()


def count(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def drained(engine: Engine, limit: int = 100, *, after: timedelta = timedelta(0)) -> Tally:
    return drain(engine, limit, options=AO, now=datetime.now(UTC) + after)


def put(inbox: InboxWriter, *bodies: bytes, due_after: timedelta = timedelta(0)) -> list[int]:
    raw_events = [raw(content, datetime.now(UTC)) for content in bodies]
    return asyncio.run(inbox.put(raw_events, due_after=due_after, may_opt_out=False))


def test_what_was_put_is_applied_and_gone(inbox: InboxWriter, engine: Engine) -> None:
    put(inbox, *(delivered(number) for number in range(5)))
    assert drained(engine) == Tally(received=5, applied=5)
    assert (count(engine, "events"), count(engine, "inbox")) == (5, 0)
    assert drained(engine) == Tally()


def test_an_opt_out_overtakes_what_waits_in_the_inbox(inbox: InboxWriter, engine: Engine) -> None:
    put(inbox, *(delivered(number) for number in range(5)))
    stop = body("message.optout", minute(1), id="msg_stop", to="+244912345678")
    asyncio.run(inbox.put([raw(stop, datetime.now(UTC))], due_after=timedelta(0), may_opt_out=True))
    assert drained(engine, 2) == Tally(received=2, applied=2)
    with engine.connect() as connection:
        taken = set(connection.execute(text("SELECT subject_id FROM events")).scalars())
    assert taken == {"msg_stop", "msg_0"}
    assert count(engine, "opt_outs") == 1


def test_any_bytes_come_back_as_they_were_with_the_time_they_were_received(inbox: InboxWriter, engine: Engine) -> None:
    odd = bytes(range(256))
    received_at = datetime(2026, 6, 24, 10, 5, 0, 123456, tzinfo=UTC)
    raw_events = [RawEvent(body=odd, received_at=received_at)]
    asyncio.run(inbox.put(raw_events, due_after=timedelta(0), may_opt_out=False))
    assert drained(engine) == Tally(received=1, dead=1)
    with engine.connect() as connection:
        content = connection.execute(text("SELECT body FROM dead_letters")).scalar_one()
    assert bytes(content) == odd
    assert count(engine, "inbox") == 0


def test_no_more_is_taken_at_once_than_asked_for_and_the_oldest_first(inbox: InboxWriter, engine: Engine) -> None:
    put(inbox, *(delivered(number) for number in range(5)))
    assert drained(engine, 2).received == 2
    with engine.connect() as connection:
        ids = connection.execute(text("SELECT subject_id FROM events ORDER BY subject_id")).scalars().all()
    assert ids == ["msg_0", "msg_1"]
    assert count(engine, "inbox") == 3


def test_what_is_not_due_is_left(inbox: InboxWriter, engine: Engine) -> None:
    ids = put(inbox, delivered(1), due_after=timedelta(minutes=1))
    assert drained(engine) == Tally()
    asyncio.run(inbox.make_due(ids))
    assert drained(engine).applied == 1


def test_what_the_database_refuses_stops_nothing_and_is_buried(
    inbox: InboxWriter, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge = apply.merge_ledger

    def refuse(connection: Connection, events: Any, now: datetime) -> Any:
        events = list(events)
        if any(event.body == REFUSED for event in events):
            raise ValueError("quotes the event")
        return merge(connection, events, now)

    monkeypatch.setattr(apply, "merge_ledger", refuse)
    put(inbox, delivered(1), REFUSED, delivered(2))
    assert drained(engine) == Tally(received=3, applied=2, dead=1)
    assert (count(engine, "events"), count(engine, "dead_letters"), count(engine, "inbox")) == (2, 1, 0)


def test_several_workers_share_the_inbox(inbox: InboxWriter, engine: Engine) -> None:
    put(inbox, *(delivered(number) for number in range(300)))
    tallies: list[Tally] = []

    def work() -> None:
        while (tally := drained(engine, 20)).received:
            tallies.append(tally)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # No worker took what another had in hand, though all is well if one does.
    assert sum(tally.applied for tally in tallies) == 300
    assert sum(tally.received for tally in tallies) == 300
    assert count(engine, "inbox") == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_one_worker_has_in_hand_no_other_waits_for(inbox: InboxWriter, engine: Engine) -> None:
    put(inbox, *(delivered(number) for number in range(4)))
    with engine.begin() as connection:
        connection.execute(text("SELECT id FROM inbox ORDER BY id LIMIT 2 FOR UPDATE"))
        assert drained(engine).received == 2


def test_ids_are_never_used_again(inbox: InboxWriter, engine: Engine) -> None:
    """A job may name the row that held its event long after that row is gone."""
    first = put(inbox, delivered(1), delivered(2))
    drained(engine)
    assert not set(first) & set(put(inbox, delivered(3), delivered(4)))


def test_ids_are_in_the_order_of_the_events(inbox: InboxWriter, engine: Engine) -> None:
    bodies = [delivered(number) for number in range(50)]
    ids = put(inbox, *bodies)
    with engine.connect() as connection:
        body_of_id = dict(connection.execute(text("SELECT id, body FROM inbox")).all())  # type: ignore[arg-type]
    assert [bytes(body_of_id[number]) for number in ids] == bodies


def test_a_job_takes_its_events_out_of_the_inbox_as_it_is_applied(
    inbox: InboxWriter, engine: Engine, redis: Redis
) -> None:
    (journalled, other) = put(inbox, delivered(1), delivered(2), due_after=timedelta(minutes=1))
    queue = open_queue(redis)
    at = datetime.now(UTC)
    enqueue(queue, [RawEvent(body=delivered(1), received_at=at, inbox_id=journalled)], at_front=False)
    new_worker(redis, engine).work(burst=True)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT id FROM inbox")).scalars().all() == [other]
    assert count(engine, "events") == 1


def new_worker(redis: Redis, engine: Engine) -> EventWorker:
    return EventWorker(redis, Applier(engine, options=AO, batch_size=100), Stop())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_inbox_that_is_locked_is_told_of_soon(inbox: InboxWriter, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM inbox"))
        with pytest.raises(InboxUnavailable, match="database is locked"):
            put(inbox, delivered(1))
    assert len(put(inbox, delivered(1))) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_inbox_that_does_not_answer_is_told_of_soon(inbox: InboxWriter, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(InboxUnavailable, match=r"statement timeout|Timeout|locked"):
            put(inbox, delivered(1))
    assert len(put(inbox, delivered(1))) == 1


# The intake, with both stores.


Opener = Callable[..., DrivenIntake]


@pytest.fixture
def open_intake(inbox: InboxWriter) -> Iterator[Opener]:
    with ExitStack() as stack:
        yield lambda url, **options: stack.enter_context(driven_intake(url, inbox, **options))


def bodies_in(engine: Engine) -> list[bytes]:
    with engine.connect() as connection:
        return [bytes(content) for content in connection.execute(text("SELECT body FROM inbox ORDER BY id")).scalars()]


def queued(redis: Redis) -> list[RawEvent]:
    return [raw_event for job in open_queue(redis).get_jobs() for raw_event in from_json(job.args[0])]


def test_where_redis_refuses_connections_the_inbox_takes_the_group(open_intake: Opener, engine: Engine) -> None:
    intake = open_intake(f"redis://127.0.0.1:{free_port()}/0")
    assert intake.store_all(b"%d" % number for number in range(20)) == [None] * 20
    assert bodies_in(engine) == [b"%d" % number for number in range(20)]


@pytest.mark.parametrize(
    "break_it",
    [
        lambda redis: redis.config_set("maxmemory", 1),
        lambda redis: redis.config_set("min-replicas-to-write", 1),
        lambda redis: redis.replicaof("127.0.0.1", free_port()),
    ],
    ids=["out of memory", "too few replicas", "read-only"],
)
def test_where_redis_refuses_to_write_the_inbox_takes_it_and_redis_takes_the_next_once_it_can(
    break_it: Callable[[Redis], Any],
    open_intake: Opener,
    engine: Engine,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("receiver.webhook.circuit.PAUSE_SECONDS_MIN", 0.05)
    with private_redis(tmp_path / "redis", is_durable=False) as server, Redis.from_url(server.url) as redis:
        intake = open_intake(server.url)
        intake.store(b'"before"')
        break_it(redis)
        intake.store(b'"meanwhile"')
        intake.store(b'"meanwhile, too"')
        redis.replicaof("NO", "ONE")
        redis.config_set("maxmemory", 0)
        redis.config_set("min-replicas-to-write", 0)
        time.sleep(0.2)
        intake.store(b'"after"')
        assert [event.body for event in queued(redis)] == [b'"before"', b'"after"']
        assert bodies_in(engine) == [b'"meanwhile"', b'"meanwhile, too"']


def test_a_redis_that_does_not_answer_is_waited_for_once(
    open_intake: Opener, engine: Engine, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit, "PAUSE_SECONDS_MIN", 60.0)  # however slow this machine is, the next try is later
    monkeypatch.setattr(circuit, "PAUSE_SECONDS_MAX", 60.0)
    with private_redis(tmp_path / "redis", is_durable=False) as server:
        intake = open_intake(server.url)
        server.process.send_signal(signal.SIGSTOP)
        try:
            waited = []
            for number in range(11):
                begun = time.monotonic()
                intake.store(b"%d" % number)
                waited.append(time.monotonic() - begun)
            assert module.QUEUE_SECONDS / 2 < waited[0] < STORE_SECONDS
            assert max(waited[1:]) < module.QUEUE_SECONDS / 2
        finally:
            server.process.send_signal(signal.SIGCONT)
    assert len(bodies_in(engine)) == 11


def test_as_a_journal_the_inbox_holds_what_the_queue_has_too(
    open_intake: Opener, engine: Engine, redis: Redis, redis_server: RedisServer
) -> None:
    intake = open_intake(redis_server.url, is_journalled=True)
    assert intake.store_all(delivered(number) for number in range(10)) == [None] * 10
    raw_events = queued(redis)
    assert [event.body for event in raw_events] == bodies_in(engine)
    assert drained(engine) == Tally()  # the queue has its time
    new_worker(redis, engine).work(burst=True)
    assert (count(engine, "events"), count(engine, "inbox")) == (10, 0)


def test_what_the_queue_forgot_the_journal_gives_back(
    open_intake: Opener, engine: Engine, redis: Redis, redis_server: RedisServer
) -> None:
    intake = open_intake(redis_server.url, is_journalled=True)
    intake.store(delivered(1))
    redis.flushall()
    assert drained(engine, after=module.JOURNAL_DUE_AFTER).applied == 1


def test_what_is_journalled_and_cannot_be_queued_is_due_at_once(open_intake: Opener, engine: Engine) -> None:
    intake = open_intake(f"redis://127.0.0.1:{free_port()}/0", is_journalled=True)
    intake.store(delivered(1))
    intake.store(delivered(2))  # with the circuit open
    assert drained(engine).applied == 2


def test_a_journal_that_cannot_be_written_acknowledges_nothing(
    open_intake: Opener, engine: Engine, redis: Redis, redis_server: RedisServer
) -> None:
    intake = open_intake(redis_server.url, is_journalled=True)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE inbox RENAME TO inbox_away"))
    with pytest.raises(StoreUnavailable):
        intake.store(delivered(1))
    assert queued(redis) == []


def test_a_journal_whose_database_is_away_for_long_leaves_it_to_redis(
    open_intake: Opener,
    engine: Engine,
    redis: Redis,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "JOURNAL_PATIENCE_SECONDS", 0)
    intake = open_intake(redis_server.url, is_journalled=True)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE inbox RENAME TO inbox_away"))
    intake.store(delivered(1))
    assert [event.inbox_id for event in queued(redis)] == [None]


def test_where_neither_takes_it_the_delivery_is_told_so(open_intake: Opener, engine: Engine) -> None:
    intake = open_intake(f"redis://127.0.0.1:{free_port()}/0")
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE inbox RENAME TO inbox_away"))
    with pytest.raises(StoreUnavailable):
        intake.store(delivered(1))


# A Redis that is full.


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_full_redis_is_relieved_of_what_waits_in_it_once_that_is_applied(
    engine: Engine, reader: Engine, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full_redis, "BATCH_BYTES", 100_000)  # less than the jobs have that are looked at together
    with private_redis(tmp_path / "redis", is_durable=False) as server, Redis.from_url(server.url) as redis:
        queue = open_queue(redis)
        fill(queue, jobs=2000)  # so that a tenth of it is room for a batch
        unreadable = queue.get_job_ids()[0]
        redis.hset(Job.key_for(unreadable), "data", b"no events")
        redis.config_set("maxmemory", redis.info("memory")["used_memory"])
        with opened_queue(RedisSettings(url=server.url, verify_tls=True), seconds=2) as opened:
            with pytest.raises(NotApplied):
                relieve(opened.connection, Applier(reader, options=AO, batch_size=100), Stop())
            assert raw_events_waiting(queue) == 39_980
            relieve(opened.connection, Applier(engine, options=AO, batch_size=100), Stop())
        memory = redis.info("memory")
        assert memory["used_memory"] < 0.9 * memory["maxmemory"] or queue.is_empty()
        applied = count(engine, "events")
        assert applied > 0
        assert applied + raw_events_waiting(queue) == 39_980  # none is lost and none is left behind
        redis.config_set("maxmemory", 0)
        new_worker(redis, engine).work(burst=True)
        assert queue.failed_job_registry.get_job_ids() == [unreadable]
    assert count(engine, "events") == 39_980


def raw_events_waiting(queue: Queue) -> int:
    """How many there are in jobs, of which the first cannot be read."""
    return sum(len(raw_events_held(data)) for _, data in fetch_jobs(queue.get_job_ids()[1:], queue.connection))


def fill(queue: Queue, *, jobs: int) -> None:
    at = datetime.now(UTC)
    for job in range(jobs):
        events = [RawEvent(body=delivered(20 * job + number), received_at=at) for number in range(20)]
        enqueue(queue, events, at_front=False)
