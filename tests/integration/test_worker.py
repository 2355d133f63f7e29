"""The worker's dealings with RQ, against a real Redis and both databases."""

import json
import threading
from datetime import UTC, datetime

import pytest
from redis import Redis
from rq import Queue
from sqlalchemy import Engine, text

from sync.applier import Applier
from sync.queue import enqueue, open_queue
from sync.raw_events import RawEvent
from sync.stop import Stop
from sync.worker import EventWorker


def delivered(number: int) -> RawEvent:
    data = {"message_id": f"msg_{number}", "channel": "sms", "to": "+244912345678"}
    document = {"event": "message.delivered", "timestamp": "2026-06-24T10:05:00Z", "data": data}
    return RawEvent(body=json.dumps(document).encode(), received_at=datetime.now(UTC))


@pytest.fixture
def queue(redis: Redis) -> Queue:
    return open_queue(redis)


def new_worker(redis: Redis, engine: Engine) -> EventWorker:
    return EventWorker(redis, Applier(engine, default_region="AO", batch_size=100), Stop())


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
    assert held == [4]  # 121 events, where a batch is 100


def test_applied_jobs_leave_nothing_in_redis(worker: EventWorker, queue: Queue, redis: Redis) -> None:
    for number in range(10):
        enqueue(queue, [delivered(number)], at_front=False)
    worker.work(burst=True)
    assert queue.is_empty()
    assert keys_of_jobs(redis) == []


def test_a_job_that_holds_no_raw_events_is_found_among_the_failed_and_stops_no_other(
    worker: EventWorker, queue: Queue, engine: Engine, redis: Redis
) -> None:
    enqueue(queue, [delivered(1)], at_front=False)
    foreign = queue.enqueue("builtins.print", "not raw events", retry=None)
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


def test_opt_outs_go_to_the_front_and_stay_there_when_retried(queue: Queue) -> None:
    enqueue(queue, [delivered(1)], at_front=False)
    enqueue(queue, [delivered(2)], at_front=True)
    first, second = queue.get_jobs()
    assert (first.enqueue_at_front_on_retry, second.enqueue_at_front_on_retry) == (True, False)
    assert "msg_2" in json.dumps(first.args)
