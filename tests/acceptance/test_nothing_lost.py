"""Every acknowledged event ends in the tables, even if processes are killed."""

import json
import random
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from rq.registry import FailedJobRegistry
from sqlalchemy import URL, Engine, make_url, text

from sync.devtools.dev.embedded import RedisServer, free_port, private_redis
from sync.queue.connection import open_queue
from tests.support.processes import Platform, platform, preset, wait_for
from tests.support.wire import Wire

# A dead worker's jobs are put back by maintenance, every 10 s, that has seen them twice, over 20 s apart.
RECOVERY_SECONDS = 90
# The same much sooner, for tests of what is done then. A batch is shown to be in hand every second then.
SOON = (
    *("sync.worker.job_lists.MAINTENANCE_SECONDS = 1", "sync.worker.rq_worker.MAINTENANCE_SECONDS = 1"),
    *("sync.worker.job_lists.STRANDED_SECONDS = 3", "sync.worker.rq_worker.HOLD_SECONDS = 1"),
)


def body(number: int) -> bytes:
    return json.dumps(
        {
            "event": "message.delivered",
            "timestamp": f"2026-06-24T10:{number // 60 % 60:02}:{number % 60:02}Z",
            "data": {"message_id": f"msg_{number}", "channel": "sms", "to": "+244912345678"},
        }
    ).encode()


class Sender(threading.Thread):
    """Delivers an event every few milliseconds until stopped; remembers which were acknowledged."""

    def __init__(self, platform: Platform) -> None:
        super().__init__()
        self.platform = platform
        self.acknowledged: list[int] = []
        self.is_stopping = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.is_stopping.is_set():
            number += 1
            try:
                if self.platform.deliver(body(number)) == 200:
                    self.acknowledged.append(number)
            except OSError:
                self.is_stopping.wait(0.02)
            self.is_stopping.wait(0.003)


@contextmanager
def sending(platform: Platform, *, at_least: int) -> Iterator[Sender]:
    sender = Sender(platform)
    sender.start()
    try:
        wait_for(lambda: len(sender.acknowledged) >= at_least, seconds=30, what="the first deliveries")
        yield sender
    finally:
        sender.is_stopping.set()
        sender.join()


def message_ids(reader: Engine) -> set[str]:
    with reader.connect() as connection:
        return set(connection.execute(text("SELECT message_id FROM message_status")).scalars())


def wait_for_all(reader: Engine, numbers: list[int]) -> None:
    expected = {f"msg_{number}" for number in numbers}
    wait_for(lambda: expected <= message_ids(reader), seconds=RECOVERY_SECONDS, what="every acknowledged event")


def stop(process: subprocess.Popen[bytes], how: signal.Signals) -> int:
    process.send_signal(how)
    return process.wait(30)


def test_a_worker_stopped_under_load_finishes_its_job_and_leaves_the_rest(
    migrated_platform: Platform, reader: Engine
) -> None:
    migrated_platform.start_web()
    with sending(migrated_platform, at_least=20) as sender:
        for _ in range(3):
            worker = migrated_platform.start_worker()
            applied = len(message_ids(reader))
            wait_for(lambda applied=applied: len(message_ids(reader)) > applied, seconds=10, what="work")
            assert stop(worker, signal.SIGTERM) == 0
    migrated_platform.start_worker()
    wait_for_all(reader, sender.acknowledged)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_web_process_stopped_or_killed_under_load_has_handed_over_what_it_acknowledged(
    migrated_platform: Platform, reader: Engine
) -> None:
    migrated_platform.start_worker()
    for how in (signal.SIGTERM, signal.SIGKILL):
        web = migrated_platform.start_web()
        with sending(migrated_platform, at_least=20) as sender:
            if how is signal.SIGKILL:
                kill_children(web)
            stop(web, how)
        wait_for_all(reader, sender.acknowledged)


def kill_children(web: subprocess.Popen[bytes]) -> None:
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(web.pid)], capture_output=True, text=True, check=False)
    for pid in children.stdout.split():
        subprocess.run(["kill", "-9", pid], check=False)


@contextmanager
def locked_ledger(engine: Engine) -> Iterator[None]:
    """Hold every writer of the ledger inside its transaction until the block ends."""
    with engine.connect() as connection:
        transaction = connection.begin()  # on SQLite this alone holds every other writer
        if engine.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE"))
        yield
        transaction.rollback()


def is_job_taken(queue: Queue) -> bool:
    return queue.connection.llen(queue.intermediate_queue_key) == 1


@pytest.mark.slow
def test_a_worker_killed_inside_its_transaction_loses_nothing(
    migrated_platform: Platform, engine: Engine, reader: Engine, redis: Redis, tmp_path: Path
) -> None:
    migrated_platform.start_web()
    worker = migrated_platform.start_worker()
    with locked_ledger(engine):
        assert migrated_platform.deliver(body(1)) == 200
        wait_for(lambda: is_job_taken(open_queue(redis)), seconds=10, what="the worker being in its transaction")
        stop(worker, signal.SIGKILL)
    assert message_ids(reader) == set()
    migrated_platform.start_worker(PYTHONPATH=preset(tmp_path, *SOON))
    wait_for_all(reader, [1])


@pytest.mark.slow
def test_a_worker_killed_between_its_commit_and_the_removal_of_its_jobs_applies_nothing_twice(
    tmp_path: Path, migrated_url: URL, engine: Engine, reader: Engine
) -> None:
    folder, port = tmp_path / "redis", free_port()
    url = f"redis://127.0.0.1:{port}/0"
    with platform(tmp_path / "logs", migrated_url, url, forks=True) as hosted, Redis.from_url(url) as redis:
        with private_redis(folder, port=port) as server:
            hosted.start_web()
            worker = hosted.start_worker()
            with locked_ledger(engine):
                assert hosted.deliver(body(1)) == 200
                wait_for(lambda: is_worker_elsewhere(redis), seconds=10, what="the worker being in its transaction")
                server.process.send_signal(signal.SIGSTOP)
            wait_for_all(reader, [1])
            applied = ledger(reader)
            stop(worker, signal.SIGKILL)
            server.process.kill()  # and with it the commands that Redis had received, but not read
        with private_redis(folder, port=port):
            assert is_job_taken(open_queue(redis))
            hosted.start_worker(PYTHONPATH=preset(tmp_path, *SOON))
            wait_for(lambda: not redis.keys("rq:job:*"), seconds=RECOVERY_SECONDS, what="the job being removed")
            assert ledger(reader) == applied
            hosted.stop_all()


def is_worker_elsewhere(redis: Redis) -> bool:
    """Whether the worker has a job and has asked nothing of Redis for two seconds: it waits for the database."""
    workers = [client for client in redis.client_list() if client["name"]]
    return is_job_taken(open_queue(redis)) and all(int(client["idle"]) >= 2 for client in workers)


def ledger(reader: Engine) -> list[object]:
    with reader.connect() as connection:
        return list(connection.execute(text("SELECT subject_id, event, applied_at FROM events")))


# How many of the commands that remove three jobs Redis gets before the worker is killed: the first, some, all but one.
@pytest.mark.parametrize("commands", [1, 2, 5])
@pytest.mark.slow
def test_a_worker_killed_while_it_removes_its_jobs_leaves_nothing_behind_and_applies_nothing_twice(
    migrated_platform: Platform,
    reader: Engine,
    redis: Redis,
    redis_server: RedisServer,
    commands: int,
    tmp_path: Path,
) -> None:
    migrated_platform.start_web()
    for number in (1, 2, 3):
        assert migrated_platform.deliver(body(number)) == 200
    port = make_url(redis_server.url).port
    assert port
    with closing(Wire(port, commands)) as wire:
        worker = migrated_platform.start_worker(REDIS_URL=wire.url)
        wait_for(wire.is_cut.is_set, seconds=30, what="the worker removing its jobs")
        stop(worker, signal.SIGKILL)
    wait_for_all(reader, [1, 2, 3])
    applied = ledger(reader)
    migrated_platform.start_worker(PYTHONPATH=preset(tmp_path, *SOON))
    assert migrated_platform.deliver(body(4)) == 200
    wait_for_all(reader, [4])
    wait_for(lambda: not left_of_jobs(redis), seconds=RECOVERY_SECONDS, what="the jobs being removed")
    assert [entry for entry in ledger(reader) if entry in applied] == applied


def left_of_jobs(redis: Redis) -> list[object]:
    """Every trace of a job in Redis: itself, and its id on a list or in a registry."""
    queue = open_queue(redis)
    failed = FailedJobRegistry(queue=queue).get_job_count(cleanup=False)
    ids = redis.lrange(queue.key, 0, -1) + redis.lrange(queue.intermediate_queue_key, 0, -1)
    return [*redis.keys("rq:job:*"), *ids, *([failed] if failed else [])]


@pytest.mark.slow
def test_workers_killed_at_random_moments_under_load_lose_nothing(
    migrated_platform: Platform, reader: Engine, tmp_path: Path
) -> None:
    # In one of the two cases with the times that a customer has.
    soon = {"PYTHONPATH": preset(tmp_path, *SOON)} if reader.dialect.name == "sqlite" else {}
    moments = random.Random(20260624)
    migrated_platform.start_web()
    with sending(migrated_platform, at_least=20) as sender:
        for _ in range(3):
            # Two at once, so that one starts, works or is killed beside the other.
            workers = [migrated_platform.start("worker") for _ in range(2)]
            for worker in workers:
                migrated_platform.wait_until_started(worker)
                sender.is_stopping.wait(moments.uniform(0, 0.3))
                stop(worker, signal.SIGKILL)
    migrated_platform.start_worker(**soon)
    wait_for_all(reader, sender.acknowledged)
    assert message_ids(reader) >= {f"msg_{number}" for number in sender.acknowledged}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_worker_stops_in_time_while_redis_is_gone_or_frozen(
    tmp_path: Path, migrated_url: URL, how: signal.Signals
) -> None:
    with (
        private_redis(tmp_path / "redis", is_durable=False) as server,
        platform(tmp_path / "logs", migrated_url, server.url, forks=True) as hosted,
    ):
        worker = hosted.start_worker()
        server.process.send_signal(how)
        try:
            wait_for(lambda: "redis.away" in hosted.log_of(worker), seconds=20, what="the worker noticing")
            assert stop(worker, signal.SIGTERM) == 0
        finally:
            server.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_worker_goes_on_where_redis_comes_back(tmp_path: Path, migrated_url: URL, reader: Engine) -> None:
    url = f"redis://127.0.0.1:{(port := free_port())}/0"
    with platform(tmp_path / "logs", migrated_url, url, forks=True) as hosted:
        with private_redis(tmp_path / "redis", port=port):
            hosted.start_web()
            worker = hosted.start_worker()
            assert hosted.deliver(body(1)) == 200
            wait_for_all(reader, [1])
        wait_for(lambda: "redis.away" in hosted.log_of(worker), seconds=20, what="the worker noticing")
        assert hosted.deliver(body(2)) == 200
        wait_for_all(reader, [1, 2])  # while Redis is still away
        with private_redis(tmp_path / "redis", port=port):
            wait_for(lambda: "redis.back" in hosted.log_of(worker), seconds=40, what="the worker noticing")
            assert hosted.deliver(body(3)) == 200
            wait_for_all(reader, [1, 2, 3])
            assert hosted.logs().count("redis.away") == 2  # one of each process
            hosted.stop_all()
