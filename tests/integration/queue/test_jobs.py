"""A job of ours is the one that RQ itself would store, and costs no question."""

import socket
from datetime import UTC, datetime
from typing import Any

import pytest
from redis import Redis
from rq import Retry
from rq.job import Job

from sync.events.raw import RawEvent, to_json
from sync.queue.connection import SERIALIZER, open_queue
from sync.queue.jobs import JOB_FUNCTION, RETRIES_MAX, enqueue, enqueue_commands, raw_events_in

RAW_EVENTS = [
    RawEvent(body=bytes(range(256)), received_at=datetime(2026, 6, 24, 10, 5, 0, 123456, tzinfo=UTC)),
    RawEvent(body=b"{}", received_at=datetime(2026, 6, 24, 10, 5, tzinfo=UTC), inbox_id=7, request_id="a1"),
]
# What differs between two jobs. RQ compresses `data` more.
OWN_FIELDS = {b"created_at", b"enqueued_at", b"data"}


def fields(redis: Redis, job_id: str) -> dict[bytes, bytes]:
    stored: Any = redis.hgetall(Job.key_for(job_id))
    return {name: value for name, value in stored.items() if name not in OWN_FIELDS}


@pytest.mark.parametrize("at_front", [False, True])
def test_a_job_has_the_fields_that_rq_gives_it(redis: Redis, *, at_front: bool) -> None:
    queue = open_queue(redis)
    theirs = queue.enqueue(
        JOB_FUNCTION,
        to_json(RAW_EVENTS),
        job_timeout=-1,
        result_ttl=0,
        failure_ttl=-1,
        description="2 raw event(s)",
        retry=Retry(max=RETRIES_MAX, enqueue_at_front=at_front),
    )
    enqueue(queue, RAW_EVENTS, at_front=at_front)
    (job_id,) = set(queue.job_ids) - {theirs.id}
    assert queue.job_ids.index(job_id) == (0 if at_front else 1)
    assert fields(redis, job_id) == fields(redis, theirs.id)
    job, other = Job.fetch_many([job_id, theirs.id], connection=redis, serializer=SERIALIZER)
    assert job is not None
    assert other is not None
    assert (job.func_name, job.args, job.kwargs) == (other.func_name, other.args, other.kwargs)
    assert raw_events_in(job) == RAW_EVENTS
    assert job.created_at.tzinfo is not None
    assert abs((datetime.now(UTC) - job.created_at).total_seconds()) < 60
    assert job.enqueued_at == job.created_at


def test_the_commands_of_a_job_are_made_without_asking_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    commands = enqueue_commands(RAW_EVENTS, at_front=True)
    assert [command[0] for command in commands] == ["SADD", "HSET", "HSET", "LPUSH", "ZADD", "ZADD"]
