"""Redis dies, stands still, is full, refuses writes, is away for long, forgets. No client notices."""

import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from random import Random

import psutil
import pytest
from sqlalchemy import Engine

from receiver.webhook.intake import JOURNAL_PATIENCE_SECONDS
from sync.queue.connection import open_queue
from tests.faults.load import Load
from tests.faults.servers import OwnRedis, paused
from tests.faults.trial import HANG_SECONDS, SEED, Trial
from tests.support.processes import wait_for

# How much Redis holds when it forgets.
WAITING_EVENTS = 250

pytestmark = pytest.mark.timeout(HANG_SECONDS)


@contextmanager
def killed_and_restarted(redis: OwnRedis) -> Iterator[None]:
    """At three moments, in the middle of whichever step it was at."""
    random = Random(SEED)
    for _ in range(3):
        time.sleep(random.uniform(0, 1))
        with redis.killed():
            time.sleep(random.uniform(0, 1))
    yield


FAULTS = {
    "killed and restarted": (killed_and_restarted, 0),
    "paused": (OwnRedis.paused, 15),
    "full": (OwnRedis.full, 10),
    "without replicas": (OwnRedis.without_replicas, 10),
    "read-only": (OwnRedis.read_only, 10),
    "down": (OwnRedis.killed, 60),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_delivery_is_refused_and_no_event_lost_where_redis_is_away(trial: Trial, fault: str) -> None:
    hurt, seconds = FAULTS[fault]
    trial.platform.start_web()
    trial.platform.start_worker()
    with trial.load() as load, hurt(trial.redis):
        time.sleep(seconds)
    trial.settle(f"Redis {fault}, {seconds} s" if seconds else f"Redis {fault}", load)
    assert "redis.away" in trial.platform.logs()
    require_first_tries(load)


def require_first_tries(load: Load) -> None:
    """The provider has nothing to send again."""
    assert load.kinds.keys() == {"200"}, load.kinds
    assert load.redelivered == 0


def count_waiting(trial: Trial) -> int:
    """How many events stand in the queue."""
    return sum(len(job.args[0]) for job in open_queue(trial.redis.client).get_jobs())


@contextmanager
def paused_between_batches(worker: subprocess.Popen[bytes], reader: Engine) -> Iterator[None]:
    """The worker stands still, and does not hold the lock without which no process writes to a SQLite file."""
    while True:
        with paused([psutil.Process(worker.pid)]):
            if reader.dialect.name != "sqlite" or is_free(str(reader.url.database)):
                yield
                return
        time.sleep(0.01)


def is_free(database: str) -> bool:
    with closing(sqlite3.connect(database, timeout=2, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
        return True


def longest_absence(log: str, store: str) -> float:
    """For how many seconds at a time a process found `store` away, by its own account."""
    longest, away_since = timedelta(0), None
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    for line in [*lines, {"event": f"{store}.back", "timestamp": datetime.now(UTC).isoformat()}]:
        moment = datetime.fromisoformat(line["timestamp"])
        if line["event"] == f"{store}.away":
            away_since = moment
        elif line["event"] == f"{store}.back" and away_since:
            longest, away_since = max(longest, moment - away_since), None
    return longest.total_seconds()


def test_what_redis_forgets_comes_back_from_the_journal(trial: Trial) -> None:
    web = trial.platform.start_web(ZEXA_JOURNAL="1")
    worker = trial.platform.start_worker(ZEXA_JOURNAL="1")
    random = Random(SEED)
    forgotten = 0  # events
    with trial.load() as load:
        for is_waiting in (False, True, False, True, False):
            # Else there is little to forget: at this load a job waits for some milliseconds.
            with paused_between_batches(worker, trial.reader) if is_waiting else nullcontext():
                time.sleep(random.uniform(0.5, 1))
                if is_waiting:
                    wait_for(lambda: count_waiting(trial) >= WAITING_EVENTS, seconds=120, what="events waiting")
                forgotten += count_waiting(trial)
                trial.redis.client.flushall()
    absence = longest_absence(trial.platform.log_of(web), "database")
    if absence >= JOURNAL_PATIENCE_SECONDS:
        pytest.skip(f"this machine kept the journal's database busy for {absence:.0f} s: then Redis alone is promised")
    trial.settle("Redis FLUSHALL, 5 times, journal", load)
    assert forgotten >= WAITING_EVENTS
    if trial.reader.dialect.name == "postgresql":  # a file that is busy for long may have a delivery come again
        require_first_tries(load)


def test_the_journal_holds_nothing_that_was_applied(trial: Trial) -> None:
    trial.platform.start_web(ZEXA_JOURNAL="1")
    worker = trial.platform.start_worker(ZEXA_JOURNAL="1")
    with trial.load() as load:
        for _ in range(3):
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            worker = trial.platform.start_worker(ZEXA_JOURNAL="1")
    trial.settle("worker SIGKILL, 3 times, journal", load)
    require_first_tries(load)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_a_journal_what_redis_forgets_is_missing_and_is_noticed(trial: Trial) -> None:
    """The purpose of the journal; if the comparison were blind, this test would show it."""
    trial.platform.start_web()
    worker = trial.platform.start_worker()
    with trial.load(), paused_between_batches(worker, trial.reader):
        wait_for(lambda: count_waiting(trial) >= WAITING_EVENTS, seconds=120, what="events waiting")
        trial.redis.client.flushall()
    differences = trial.differences(seconds=10)
    assert differences.counts[0] > 100
    # An opt-out whose message was forgotten names no person.
    assert differences.too_many.keys() <= {"nameless_opt_outs"}
