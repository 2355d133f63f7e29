"""Deploys: processes that start before the migration, after a rollback, and stop while the database holds them up."""

import base64
import json
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from redis import Redis
from sqlalchemy import Engine, text

from models.schema import COMPATIBILITY_TABLE, VERSION_TABLE
from sync.events.raw import BODY_BYTES_MAX, RawEvent
from sync.queue.connection import open_queue
from sync.queue.jobs import enqueue
from sync.worker.applier import BATCH_BYTES
from tests.acceptance.test_nothing_lost import body, is_job_taken, locked_ledger, message_ids, stop, wait_for_all
from tests.conftest import NOW
from tests.support.processes import START_SECONDS, Platform, wait_for

on_postgres = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
# Seconds, of which the batch in hand has five to end by itself.
STOP_SECONDS = 15
WORKER_BYTES_MAX = 200 * 1024 * 1024
EVENTS_OF_A_KIND = 8 * BATCH_BYTES // BODY_BYTES_MAX


def readiness(hosted: Platform) -> tuple[int, object]:
    status, _, content = hosted.request("GET", "/readyz")
    return status, json.loads(content)


# Before the migration


def test_web_and_worker_wait_for_the_migration_that_runs_beside_them(fresh_platform: Platform) -> None:
    web, worker = fresh_platform.start("web"), fresh_platform.start("worker")
    for process in (web, worker):
        wait_for(
            lambda process=process: "schema.awaited" in fresh_platform.log_of(process),
            seconds=START_SECONDS,
            what="the process waiting for the schema",
        )
    assert fresh_platform.run("release")[0] == 0
    wait_for(lambda: fresh_platform.is_serving(web), seconds=START_SECONDS, what="web serving")
    wait_for(lambda: "worker.started" in fresh_platform.log_of(worker), seconds=START_SECONDS, what="the worker")
    assert fresh_platform.deliver(body(1)) == 200
    assert readiness(fresh_platform) == (200, {"redis": True, "database": True, "schema": True})
    for process in (web, worker):
        assert fresh_platform.log_of(process).count("schema.awaited") == 1


@on_sqlite
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_waits_for_the_schema_ends_at_once_if_asked_to(
    fresh_platform: Platform, how: signal.Signals
) -> None:
    processes = [fresh_platform.start("web"), fresh_platform.start("worker")]
    for process in processes:
        wait_for(
            lambda process=process: "schema.awaited" in fresh_platform.log_of(process),
            seconds=START_SECONDS,
            what="the process waiting for the schema",
        )
    checkers = [child for process in processes for child in psutil.Process(process.pid).children(recursive=True)]
    for process in processes:
        process.send_signal(how)
    for process in processes:
        process.wait(10)
        assert "Traceback" not in fresh_platform.log_of(process)
    _, alive = psutil.wait_procs(checkers, timeout=10)
    assert alive == []


# After a rollback


def migrated_ahead(engine: Engine, *, oldest: str) -> None:
    """Leave the schema as a newer version's migration does, on which code of `oldest` can run."""
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '0007'"))
        connection.execute(text(f"UPDATE {COMPATIBILITY_TABLE} SET oldest_revision = :oldest"), {"oldest": oldest})


@on_postgres
def test_after_a_rollback_everything_runs_on_a_schema_that_is_ahead_and_compatible(
    migrated_platform: Platform, engine: Engine, reader: Engine
) -> None:
    migrated_ahead(engine, oldest="0001")
    assert migrated_platform.run("release")[0] == 0
    migrated_platform.start_web()
    migrated_platform.start_worker()
    assert migrated_platform.deliver(body(1)) == 200
    wait_for_all(reader, [1])
    assert readiness(migrated_platform) == (200, {"redis": True, "database": True, "schema": True})


@on_sqlite
def test_a_schema_that_is_ahead_and_incompatible_stops_every_process_with_advice_that_works(
    migrated_platform: Platform, engine: Engine
) -> None:
    migrated_ahead(engine, oldest="0003")
    processes = {name: migrated_platform.start(name) for name in ("release", "web", "worker")}
    for name, process in processes.items():
        assert process.wait(60) == 1
        log = migrated_platform.log_of(process)
        (line,) = [line for line in log.splitlines() if "schema" in line]
        speaker = "Error: " if name == "worker" else "zexa-sync: "
        assert line.startswith(f"{speaker}the database schema is at 0007")
        assert "deploy the newer version again" in line
        assert "alembic upgrade head" not in log
        assert "Traceback" not in log


# While the database holds a worker up


def test_a_worker_at_a_locked_table_stops_in_time_and_gives_its_jobs_back(
    migrated_platform: Platform, engine: Engine, reader: Engine, redis: Redis
) -> None:
    migrated_platform.start_web()
    worker = migrated_platform.start_worker()
    queue = open_queue(redis)
    with locked_ledger(engine):
        assert migrated_platform.deliver(body(1)) == 200
        wait_for(lambda: is_job_taken(queue), seconds=10, what="the worker being in its transaction")
        begun = time.monotonic()
        assert stop(worker, signal.SIGTERM) == 0
        assert time.monotonic() - begun < STOP_SECONDS
        assert (len(queue), redis.llen(queue.intermediate_queue_key)) == (1, 0)
    log = migrated_platform.log_of(worker)
    assert "batch.given_back" in log
    if engine.dialect.name == "postgresql":  # there the statement was cancelled; on SQLite the wait was over
        assert "database.away" not in log
    migrated_platform.start_worker()
    wait_for_all(reader, [1])


@on_postgres
def test_a_worker_at_a_locked_inbox_stops_in_time(migrated_platform: Platform, engine: Engine) -> None:
    worker = migrated_platform.start_worker()
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE"))
        wait_for(lambda: waits_for_a_lock(engine), seconds=20, what="the worker waiting for the inbox")
        begun = time.monotonic()
        assert stop(worker, signal.SIGTERM) == 0
        assert time.monotonic() - begun < STOP_SECONDS


def waits_for_a_lock(engine: Engine) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with engine.connect() as connection:
        return bool(connection.execute(text(query)).scalar())


# Memory


def plain(number: int, size: int) -> bytes:
    """A body of `size` bytes whose text no compression makes small."""
    return _padded(number, size, lambda room: random_text(number, room))


def repetitive(number: int, size: int) -> bytes:
    """A body of `size` bytes that takes next to nothing in the queue."""
    return _padded(number, size, lambda room: b"a" * room)


def beyond_ascii(number: int, size: int) -> bytes:
    """A body of `size` bytes each of which the queue's JSON spells with six."""
    return _padded(number, size, lambda room: "é".encode() * (room // 2))


def _padded(number: int, size: int, text_of: Callable[[int], bytes]) -> bytes:
    begin = body(number)[:-1] + b', "more": "'
    return begin + text_of(size - len(begin) - 2) + b'"}'


def random_text(seed: int, length: int) -> bytes:
    return base64.b64encode(random.Random(seed).randbytes(length))[:length]


# The inbox holds the bytes themselves, so there it makes no difference how well they are compressed.
@pytest.mark.slow
@pytest.mark.executed
@pytest.mark.parametrize(
    ("journalled", "kinds"),
    [(False, [plain, repetitive, beyond_ascii]), (True, [plain, beyond_ascii])],
    ids=["queue", "inbox"],
)
def test_a_worker_with_a_queue_of_the_largest_bodies_stays_small(
    migrated_platform: Platform,
    engine: Engine,
    reader: Engine,
    redis: Redis,
    kinds: list[Callable[[int, int], bytes]],
    journalled: bool,
) -> None:
    numbers = list(range(1, 1 + len(kinds) * EVENTS_OF_A_KIND))
    for place, body_of in enumerate(kinds):
        of_kind = numbers[place * EVENTS_OF_A_KIND :][:EVENTS_OF_A_KIND]
        events = [RawEvent(body=body_of(number, BODY_BYTES_MAX), received_at=NOW) for number in of_kind]
        small = [RawEvent(body=body(number), received_at=NOW) for number in range(1000, 1100)]
        if journalled:
            put_into_inbox(engine, events)
        else:
            queue = open_queue(redis)
            for event in small:  # by these a worker takes the others for small as well
                enqueue(queue, [event], at_front=False)
            for start in range(0, len(events), 4):
                enqueue(queue, events[start : start + 4], at_front=False)
    del events
    worker = migrated_platform.start("worker")
    largest = 0

    def is_done() -> bool:
        nonlocal largest
        assert worker.poll() is None, migrated_platform.log_of(worker)
        largest = max(largest, peak_bytes(worker))
        return {f"msg_{number}" for number in numbers} <= message_ids(reader)

    wait_for(is_done, seconds=120, what="every event being applied")
    assert largest < WORKER_BYTES_MAX, f"{largest / 1024 / 1024:.0f} MB"


def put_into_inbox(engine: Engine, events: list[RawEvent]) -> None:
    with engine.begin() as connection:
        for event in events:
            connection.execute(
                text("INSERT INTO inbox (body, received_at, due_at) VALUES (:body, :at, :at)"),
                {"body": event.body, "at": "2026-06-24 10:00:00"},
            )


def peak_bytes(process: subprocess.Popen[bytes]) -> int:
    """The most that the process ever had in memory, as the kernel counts it."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel does not tell")
