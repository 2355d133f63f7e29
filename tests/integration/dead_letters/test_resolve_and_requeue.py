"""`zexa-sync dead-letters resolve` and `requeue`: a person has the last word on a letter, a failed job a second try."""

import os
import pty
import re
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job
from sqlalchemy import Engine

from sync.events.raw import RawEvent, from_json
from sync.queue.jobs import enqueue
from sync.worker.applier import Applier
from sync.worker.rq_worker import EventWorker
from sync.worker.stop import Stop
from tests.conftest import NOW
from tests.integration.dead_letters.letters import (
    DELIVERED,
    STOP,
    UNREADABLE,
    Command,
    active,
    digest,
    fail,
    keep,
    letters,
    raw,
)
from tests.support.events_builder import ANA, AO
from tests.support.forked import run_forked


def waiting(queue: Queue) -> list[list[RawEvent]]:
    return [from_json(job.args[0]) for job in queue.get_jobs()]


# resolve


def test_letters_are_resolved_by_digest_without_being_applied(engine: Engine, command: Command) -> None:
    keep(engine, STOP)
    keep(engine, UNREADABLE)
    result = command("resolve", digest(STOP)[:10])
    assert (result.exit_code, result.stdout) == (0, "Resolved 1 dead letter.\n")
    resolved_at = letters(engine)[STOP]["resolved_at"]
    assert resolved_at > NOW
    assert letters(engine)[UNREADABLE]["resolved_at"] is None
    assert (active(engine), letters(engine)[STOP]["attempts"]) == ([], 1)
    result = command("resolve", digest(STOP), digest(UNREADABLE))
    assert (result.exit_code, result.stdout) == (0, "Resolved 1 dead letter. Resolved before: 1.\n")
    assert letters(engine)[STOP]["resolved_at"] == resolved_at


def test_letters_are_resolved_by_reason(engine: Engine, command: Command) -> None:
    for number in range(3):
        keep(engine, b"%d" % number, reason="not_json" if number else "too_long")
    assert command("resolve", "--reason", "not_json").stdout == "Resolved 2 dead letters.\n"
    assert {letter["reason"] for letter in letters(engine).values() if letter["resolved_at"]} == {"not_json"}


def test_where_one_name_fits_no_letter_none_is_resolved(engine: Engine, command: Command) -> None:
    keep(engine, STOP)
    result = command("resolve", digest(STOP), "f" * 64)
    assert (result.exit_code, result.stderr) == (1, f"Error: {'f' * 64} fits no dead letter\n")
    assert letters(engine)[STOP]["resolved_at"] is None


def test_all_letters_are_resolved_only_with_a_yes(engine: Engine, command: Command) -> None:
    keep(engine, STOP)
    keep(engine, UNREADABLE)
    result = command("resolve", "--all")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert [letter["resolved_at"] for letter in letters(engine).values()] == [None, None]
    assert command("resolve", "--all", "--yes").stdout == "Resolved 2 dead letters.\n"
    assert None not in [letter["resolved_at"] for letter in letters(engine).values()]


@pytest.mark.usefixtures("command")
@pytest.mark.parametrize(("answer", "status"), [(b"n\n", 1), (b"y\n", 0)])
def test_on_a_terminal_resolving_all_is_asked_for(engine: Engine, answer: bytes, status: int) -> None:
    keep(engine, STOP)
    terminal, end = pty.openpty()
    try:
        os.write(terminal, answer)
        asked = run_forked(["python", "-m", "sync", "dead-letters", "resolve", "--all"], env=os.environ, stdin=end)
    finally:
        os.close(terminal)
        os.close(end)
    assert "Resolve 1 dead letter without applying them? [y/N]" in asked.stdout + asked.stderr
    assert asked.returncode == status
    assert (letters(engine)[STOP]["resolved_at"] is not None) == (status == 0)


# requeue


def test_a_failed_job_goes_back_to_its_end_of_the_queue_and_is_gone_from_the_failed_ones(
    command: Command, queue: Queue, redis: Redis
) -> None:
    enqueue(queue, [raw(b"waits")], at_front=False)
    front = fail(queue, [raw(STOP)], "stuck", at_front=True)
    back = fail(queue, [raw(DELIVERED), raw(b"\xff\x00")], "stuck")
    result = command("requeue", front, back)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"requeued  {front}  1 raw event",
        f"requeued  {back}  2 raw events",
    ]
    assert waiting(queue) == [[raw(STOP)], [raw(b"waits")], [raw(DELIVERED), raw(b"\xff\x00")]]
    assert [job.enqueue_at_front_on_retry for job in queue.get_jobs()] == [True, False, False]
    assert not {front, back} & set(queue.get_job_ids())
    assert queue.failed_job_registry.get_job_ids(cleanup=False) == []
    assert sorted(redis.keys("rq:job:*")) == sorted(f"rq:job:{job_id}".encode() for job_id in queue.get_job_ids())
    assert redis.keys("rq:results:*") == []


def test_all_failed_jobs_are_requeued_but_those_that_hold_no_raw_events(
    engine: Engine, command: Command, queue: Queue, redis: Redis
) -> None:
    ours = fail(queue, [raw(STOP)], "stuck")
    foreign = queue.enqueue("builtins.print", f"not raw events {ANA}", retry=None)
    worker = EventWorker(redis, Applier(engine, options=AO, batch_size=1), Stop())
    worker.work(burst=True)
    redis.zadd(queue.failed_job_registry.key, {"gone": -1})
    result = command("requeue", "--all")
    assert result.exit_code == 1
    assert sorted(result.stdout.splitlines()) == sorted(
        [
            f"requeued  {ours}  1 raw event",
            f"not touched  {foreign.id}  it holds no raw events",
            "not touched  gone  it holds no raw events",
        ]
    )
    assert waiting(queue) == [[raw(STOP)]]
    assert sorted(queue.failed_job_registry.get_job_ids(cleanup=False)) == sorted([foreign.id, "gone"])
    assert Job.exists(foreign.id, redis)

    worker = EventWorker(redis, Applier(engine, options=AO, batch_size=1), Stop())
    worker.work(burst=True)
    assert active(engine) == [ANA]


@pytest.mark.parametrize("held", [[5], [[]], [{}], [[["2026-06-24T12:00:00+00:00", 5]]], [[["never", "{"]]], []])
def test_a_job_of_any_other_shape_is_not_touched(command: Command, queue: Queue, held: list[Any]) -> None:
    job = queue.enqueue("builtins.print", *held)
    queue.connection.lrem(queue.key, 1, job.id)
    queue.failed_job_registry.add(job, ttl=-1, exc_string="")
    result = command("requeue", job.id)
    assert (result.exit_code, result.stdout) == (1, f"not touched  {job.id}  it holds no raw events\n")
    assert queue.failed_job_registry.get_job_ids(cleanup=False) == [job.id]
    assert waiting(queue) == []


def test_a_job_that_has_not_failed_is_not_requeued(command: Command, queue: Queue) -> None:
    enqueue(queue, [raw(STOP)], at_front=False)
    (job_id,) = queue.get_job_ids()
    result = command("requeue", job_id, "a\x1b[2J")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"not touched  {job_id}  no failed job has this id",
        "not touched  a\\x1b[2J  no failed job has this id",
    ]
    assert queue.get_job_ids() == [job_id]


def test_where_the_new_job_is_not_confirmed_the_failed_one_stays(command: Command, queue: Queue, redis: Redis) -> None:
    job_id = fail(queue, [raw(STOP)], "stuck")
    redis.config_set("maxmemory", 1)
    try:
        result = command("requeue", "--all")
    finally:
        redis.config_set("maxmemory", 0)
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch(r"Error: the Redis of REDIS_URL did not answer \(\w+\)\n", result.stderr)
    assert queue.failed_job_registry.get_job_ids(cleanup=False) == [job_id]
    assert command("requeue", "--all").exit_code == 0
    assert waiting(queue) == [[raw(STOP)]]
    assert command("requeue", "--all").stdout == "No failed jobs.\n"
