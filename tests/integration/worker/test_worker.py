"""The worker's dealings with RQ, against a real Redis and both databases."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice

import pytest
from redis import ConnectionError as RedisAway
from redis import Redis
from rq import Queue
from rq.job import Job
from sqlalchemy import Engine, text

from sync.events.raw import RawEvent
from sync.queue.connection import open_queue
from sync.queue.jobs import enqueue
from sync.queue.waiting import WaitingInRedis, read_waiting
from sync.worker.applier import Applier
from sync.worker.job_lists import take
from sync.worker.rq_worker import EventWorker
from sync.worker.stop import Stop
from tests.support.events_builder import AO
from tests.support.processes import wait_for

pytestmark = pytest.mark.every_redis


def delivered(number: int) -> RawEvent:
    data = {"message_id": f"msg_{number}", "channel": "sms", "to": "+244912345678"}
    document = {"event": "message.delivered", "timestamp": "2026-06-24T10:05:00Z", "data": data}
    return RawEvent(body=json.dumps(document).encode(), received_at=datetime.now(UTC))


@pytest.fixture
def queue(redis: Redis) -> Queue:
    return open_queue(redis)


def new_worker(redis: Redis, engine: Engine) -> EventWorker:
    return EventWorker(redis, Applier(engine, options=AO, batch_size=100), Stop())


@pytest.fixture
def worker(redis: Redis, engine: Engine) -> EventWorker:
    return new_worker(redis, engine)


def batches(engine: Engine) -> list[int]:
    """How many events each transaction applied."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT count(*) FROM events GROUP BY applied_at ORDER BY applied_at"))
        return list(rows.scalars())


def keys_of_jobs(redis: Redis) -> list[bytes]:
    return [key for pattern in ("rq:job:*", "rq:results:*", "*intermediate*") for key in redis.keys(pattern)]


def test_jobs_that_wait_are_applied_in_one_transaction(worker: EventWorker, queue: Queue, engine: Engine) -> None:
    for job in range(30):
        enqueue(queue, [delivered(3 * job), delivered(3 * job + 1), delivered(3 * job + 2)], at_front=False)
    worker.work(burst=True)
    assert batches(engine) == [90]


def test_a_transaction_takes_no_more_events_than_it_may(worker: EventWorker, queue: Queue, engine: Engine) -> None:
    enqueue(queue, [delivered(number) for number in range(250)], at_front=False)
    worker.work(burst=True)
    assert batches(engine) == [100, 100, 50]


def test_a_worker_takes_no_more_jobs_once_its_batch_is_full(worker: EventWorker, queue: Queue, engine: Engine) -> None:
    for job in range(200):
        enqueue(queue, [delivered(2 * job), delivered(2 * job + 1)], at_front=False)
    worker.work(burst=True)
    assert sum(batches(engine)) == 400
    assert max(batches(engine)) <= 100


def test_a_stream_that_never_pauses_keeps_no_batch_from_being_applied(
    worker: EventWorker, queue: Queue, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter(range(1, 60))
    read = worker.applier.read

    def read_while_one_more_comes(raw_events: list[RawEvent]) -> object:
        for number in islice(numbers, 1):
            enqueue(queue, [delivered(number)], at_front=False)
        return read(raw_events)

    monkeypatch.setattr(worker.applier, "read", read_while_one_more_comes)
    enqueue(queue, [delivered(0)], at_front=False)
    worker.work(burst=True)
    assert sum(batches(engine)) == 60
    assert max(batches(engine)) < 10


def test_a_worker_holds_hardly_more_than_a_batch_so_that_an_opt_out_need_not_wait_for_the_rest(
    worker: EventWorker, queue: Queue, engine: Engine, redis: Redis
) -> None:
    enqueue(queue, [delivered(-1)], at_front=True)
    for job in range(20):
        enqueue(queue, [delivered(40 * job + number) for number in range(40)], at_front=False)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE events RENAME TO events_away"))
    held: list[int] = []

    def look_and_stop() -> None:
        held.append(redis.llen(queue.intermediate_queue_key))
        worker.stop.request()

    threading.Timer(1, look_and_stop).start()
    worker.work()
    # 121 events in the first batch, though a batch is 100, and as few in the batch that was taken meanwhile.
    assert held == [7]


def test_applied_jobs_leave_nothing_in_redis(worker: EventWorker, queue: Queue, redis: Redis) -> None:
    for number in range(10):
        enqueue(queue, [delivered(number)], at_front=False)
    worker.work(burst=True)
    assert queue.is_empty()
    assert keys_of_jobs(redis) == []


def test_a_job_waits_until_its_events_are_committed_and_then_no_more(
    worker: EventWorker, queue: Queue, engine: Engine, redis: Redis
) -> None:
    """In a worker's hand it waits as well: a look-up must not take for applied what is not."""
    oldest = [delivered(0), *(delivered(number) for number in range(1, 5))]
    enqueue(queue, oldest, at_front=False)
    enqueue(queue, [delivered(9)], at_front=True)
    noted = read_waiting(queue)
    assert noted.oldest == oldest[0].received_at
    work = threading.Thread(target=worker.work, kwargs={"burst": True})
    with busy(engine):
        work.start()
        wait_for(lambda: redis.llen(queue.intermediate_queue_key) == 2, seconds=10, what="both jobs in hand")
        assert read_waiting(queue) == noted
    work.join(30)
    assert read_waiting(queue) == WaitingInRedis(oldest=None, oldest_opt_out=None)


@pytest.mark.parametrize(
    "arguments",
    [("not raw events",), (), (1, 2), ([["2026-06-24T10:05:00+00:00", 5]],), ([["2026-06-24T10:05:00", "{}"]],)],
    ids=["text", "none", "two", "a number for a body", "no time zone"],
)
def test_a_job_that_holds_no_raw_events_is_found_among_the_failed_and_stops_no_other(
    worker: EventWorker, queue: Queue, engine: Engine, redis: Redis, arguments: tuple[object, ...]
) -> None:
    enqueue(queue, [delivered(1)], at_front=False)
    foreign = queue.enqueue("builtins.print", *arguments, retry=None)
    enqueue(queue, [delivered(2)], at_front=False)
    worker.work(burst=True)
    assert sum(batches(engine)) == 2
    assert queue.failed_job_registry.get_job_ids(cleanup=False) == [foreign.id]
    assert redis.llen(queue.intermediate_queue_key) == 0


def test_a_failed_job_keeps_its_events_and_can_be_requeued(
    worker: EventWorker, queue: Queue, engine: Engine, redis: Redis
) -> None:
    enqueue(queue, [delivered(1)], at_front=False)
    (job,) = queue.get_jobs()
    redis.lrem(queue.key, 1, job.id)
    job.retries_left = 0
    new_worker(redis, engine).handle_job_failure(job, queue, exc_string="killed too often")
    assert queue.failed_job_registry.get_job_ids(cleanup=False) == [job.id]
    assert read_waiting(queue).oldest is not None

    queue.failed_job_registry.requeue(job.id)
    worker.work(burst=True)
    assert batches(engine) == [1]
    assert queue.failed_job_registry.get_job_ids(cleanup=False) == []


def test_an_id_whose_job_is_gone_is_passed_over(
    worker: EventWorker, queue: Queue, engine: Engine, redis: Redis
) -> None:
    enqueue(queue, [delivered(1)], at_front=False)
    redis.rpush(queue.key, "gone-1", "gone-2")
    enqueue(queue, [delivered(2)], at_front=False)
    worker.work(burst=True)
    assert sum(batches(engine)) == 2
    assert redis.llen(queue.intermediate_queue_key) == 0


def test_a_worker_asked_to_stop_while_the_database_is_away_gives_its_jobs_back_in_their_order(
    worker: EventWorker, queue: Queue, engine: Engine, redis: Redis
) -> None:
    for number in range(5):
        enqueue(queue, [delivered(number)], at_front=False)
    waiting = queue.get_job_ids()
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE events RENAME TO events_away"))
    asked = threading.Timer(1, worker.stop.request)
    asked.start()
    worker.work()
    assert queue.get_job_ids() == waiting
    assert redis.llen(queue.intermediate_queue_key) == 0

    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE events_away RENAME TO events"))
    new_worker(redis, engine).work(burst=True)
    assert batches(engine) == [5]


def test_a_database_that_comes_back_is_noticed_and_no_retry_was_used(
    worker: EventWorker, queue: Queue, engine: Engine
) -> None:
    enqueue(queue, [delivered(1)], at_front=False)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE events RENAME TO events_away"))

    def bring_back() -> None:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE events_away RENAME TO events"))

    threading.Timer(1.5, bring_back).start()
    worker.work(burst=True)
    assert batches(engine) == [1]
    assert worker.failed_job_count == 0


@contextmanager
def busy(engine: Engine) -> Iterator[None]:
    """Let no transaction write to the ledger until the block ends."""
    lock = "LOCK TABLE events IN EXCLUSIVE MODE" if engine.dialect.name == "postgresql" else "DELETE FROM events"
    with engine.begin() as connection:
        connection.execute(text(lock))
        yield


def enqueue_two_batches(queue: Queue) -> list[str]:
    """Return the ids of ten jobs of which a batch takes the first five."""
    for job in range(10):
        enqueue(queue, [delivered(20 * job + number) for number in range(20)], at_front=False)
    return queue.get_job_ids()


def test_the_next_batch_is_read_while_the_database_is_busy_with_one(
    worker: EventWorker, queue: Queue, engine: Engine, redis: Redis
) -> None:
    enqueue_two_batches(queue)
    work = threading.Thread(target=worker.work, kwargs={"burst": True})
    with busy(engine):
        work.start()
        wait_for(lambda: redis.llen(queue.intermediate_queue_key) == 10, seconds=10, what="both batches in hand")
    work.join(30)
    assert batches(engine) == [100, 100]


@contextmanager
def at_work(worker: EventWorker) -> Iterator[None]:
    """Let `worker` work in a thread until the block ends."""
    work = threading.Thread(target=worker.work)
    work.start()
    try:
        yield
    finally:
        worker.stop.request()
        work.join(30)


def moves(redis: Redis) -> int:
    """How often a job was asked for so far."""
    stats = redis.info("commandstats")
    return sum(stats[name]["calls"] for name in ("cmdstat_lmove", "cmdstat_blmove") if name in stats)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_under_load_events_gather_before_the_next_batch_and_nobody_asks_for_them_meanwhile(
    worker: EventWorker, queue: Queue, engine: Engine, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.worker.pace.PACE_SECONDS", 2)
    monkeypatch.setattr("sync.worker.pace.FULL_LOAD_EVENTS_PER_SECOND", 1e-9)
    redis.config_resetstat()
    with at_work(worker):
        enqueue(queue, [delivered(number) for number in range(30)], at_front=False)
        wait_for(lambda: batches(engine) == [30], seconds=20, what="the batch that shows load")
        for number in range(30, 35):
            enqueue(queue, [delivered(number)], at_front=False)
        wait_for(lambda: sum(batches(engine)) == 35, seconds=20, what="the events that came since")
        assert batches(engine) == [30, 5]
    assert moves(redis) < 30


def test_a_worker_asked_to_stop_finishes_one_batch_and_gives_back_the_next(
    worker: EventWorker, queue: Queue, engine: Engine, redis: Redis
) -> None:
    waiting = enqueue_two_batches(queue)
    work = threading.Thread(target=worker.work)
    with busy(engine):
        work.start()
        wait_for(lambda: redis.llen(queue.intermediate_queue_key) == 10, seconds=10, what="both batches in hand")
        worker.stop.request()
    work.join(30)
    assert batches(engine) == [100]
    assert queue.get_job_ids() == waiting[5:]
    assert redis.llen(queue.intermediate_queue_key) == 0


def test_a_worker_whose_database_is_busy_is_seen_alive_and_its_jobs_are_not_stranded(
    worker: EventWorker, queue: Queue, engine: Engine, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.worker.rq_worker.HOLD_SECONDS", 0.1)
    (job_id, *_) = enqueue_two_batches(queue)
    first_seen = queue.intermediate_queue.get_first_seen_key(job_id)
    work = threading.Thread(target=worker.work, kwargs={"burst": True})
    with busy(engine):
        work.start()
        wait_for(lambda: redis.llen(queue.intermediate_queue_key) == 10, seconds=10, what="both batches in hand")
        redis.set(first_seen, 1)
        before = redis.hget(worker.key, "last_heartbeat")
        wait_for(lambda: redis.hget(worker.key, "last_heartbeat") != before, seconds=10, what="a heartbeat")
        wait_for(lambda: not redis.exists(first_seen), seconds=10, what="the jobs not counting as stranded")
    work.join(30)
    assert batches(engine) == [100, 100]


def test_a_batch_is_finished_though_redis_goes_away_meanwhile(
    worker: EventWorker, queue: Queue, engine: Engine, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was applied and not removed is applied again later, which changes nothing."""
    enqueue_two_batches(queue)
    taken: list[str] = []

    def take_until_away(queue: Queue, most: int) -> list[str]:
        if len(taken) > 3:
            raise RedisAway
        jobs = take(queue, most)
        taken.extend(jobs)
        return jobs

    worker.run_maintenance_tasks()
    monkeypatch.setattr("sync.worker.rq_worker.take", take_until_away)
    (first,) = Job.fetch_many(
        [worker.connection.lmove(queue.key, queue.intermediate_queue_key).decode()], redis, worker.serializer
    )
    assert first is not None
    with pytest.raises(RedisAway):
        worker.execute_job(first, queue)
    assert sum(batches(engine)) == 100
    assert redis.llen(queue.intermediate_queue_key) == 5


def test_opt_outs_go_to_the_front_and_stay_there_when_retried(queue: Queue) -> None:
    enqueue(queue, [delivered(1)], at_front=False)
    enqueue(queue, [delivered(2)], at_front=True)
    first, second = queue.get_jobs()
    assert (first.enqueue_at_front_on_retry, second.enqueue_at_front_on_retry) == (True, False)
    assert "msg_2" in json.dumps(first.args)
