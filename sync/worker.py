"""The worker: takes jobs of raw events from RQ and applies them. The one module that knows RQ's worker side.

RQ calls the job function by its name in this process, so the database a job is applied to is opened once per
process, from the environment.
"""

import os
import random
import time
from datetime import UTC, datetime
from functools import cache
from types import FrameType

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.job import Job
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from models.database import open_database
from models.schema import require_head
from sync.apply import Tally, apply
from sync.queue import SERIALIZER, connect, open_queue
from sync.raw_events import RawEvent, from_json
from sync.settings import WorkerSettings

# A worker that dies holding a job is noticed when its last heartbeat is this old; the job is then put back
# by the next maintenance of any worker: within two minutes in all.
HEARTBEAT_SECONDS = 60
MAINTENANCE_SECONDS = 30
WORKER_TTL_SECONDS = 45  # RQ waits for a job 15 s less than this at a time

REDIS_SECONDS = 5
REDIS_CONNECTIONS = 4
STATEMENT_SECONDS = 60
PAUSE_SECONDS_MIN = 0.5
PAUSE_SECONDS_MAX = 30.0

log = structlog.get_logger()


class ApplyFailed(Exception):  # noqa: N818 - what RQ records of a failed job
    """Raw events were not applied; the text is the kind of the error, because its own may quote them."""


class Applier:
    """Applies raw events to one database, in transactions of at most `batch_size` events."""

    def __init__(self, engine: Engine, *, default_region: str, batch_size: int) -> None:
        self.engine = engine
        self.default_region = default_region
        self.batch_size = batch_size
        self.is_database_away = False

    def apply(self, raw_events: list[RawEvent]) -> None:
        """Raise ApplyFailed where the database is away; events of batches before are applied already."""
        for start in range(0, len(raw_events), self.batch_size):
            self._apply_batch(raw_events[start : start + self.batch_size])

    def _apply_batch(self, batch: list[RawEvent]) -> None:
        begun = time.monotonic()
        now = datetime.now(UTC)
        try:
            tally = apply(self.engine, batch, default_region=self.default_region, now=now)
        except Exception as error:
            self.is_database_away = isinstance(error, DBAPIError)
            raise ApplyFailed(_kind(error)) from None
        _log_batch(tally, batch, now, time.monotonic() - begun)


def _log_batch(tally: Tally, batch: list[RawEvent], now: datetime, seconds: float) -> None:
    log.info(
        "batch.applied",
        received=tally.received,
        applied=tally.applied,
        ignored=tally.ignored,
        unchanged=tally.unchanged,
        dead=tally.dead,
        milliseconds=round(seconds * 1000, 1),
        waited_milliseconds=round((now - min(raw.received_at for raw in batch)).total_seconds() * 1000, 1),
    )


def _kind(error: Exception) -> str:
    return type(error.orig if isinstance(error, DBAPIError) and error.orig else error).__name__


@cache
def applier() -> Applier:
    """Return this process's applier, opened on first use with the settings of the environment."""
    settings = WorkerSettings.read(os.environ)
    engine = open_database(settings.database_url, pool_size=1, statement_seconds=STATEMENT_SECONDS)
    return Applier(engine, default_region=settings.default_region, batch_size=settings.batch_size)


def apply_job(pairs: list[list[str]]) -> None:
    """Apply one job; RQ calls this by name (`sync.queue.JOB_FUNCTION`)."""
    applier().apply(from_json(pairs))


class EventWorker(SimpleWorker):
    """RQ's worker, in one process, with two differences.

    While the database is away it takes no further job, so that jobs keep their retries. And it finishes the
    job in hand on SIGTERM, as SimpleWorker does, but remembers being asked, so that its keeper ends too.
    """

    was_asked_to_stop = False

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        self.was_asked_to_stop = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:  # noqa: ARG002
        """Our jobs have no timeout, from which RQ would derive this."""
        return HEARTBEAT_SECONDS

    def execute_job(self, job: Job, queue: Queue) -> None:
        super().execute_job(job, queue)
        if applier().is_database_away:
            self._wait_for_database()

    def _wait_for_database(self) -> None:
        log.error("database.away")
        pause = PAUSE_SECONDS_MIN
        while not self._stop_requested:
            self.heartbeat()
            pause = _sleep(pause)
            try:
                require_head(applier().engine)
            except DBAPIError:
                continue
            applier().is_database_away = False
            log.info("database.back")
            return


def work(settings: WorkerSettings, *, burst: bool = False) -> None:
    """Work until SIGTERM or SIGINT, or in a burst until the queue is empty.

    Raises SchemaError where the schema is not at head. RQ's worker ends itself on errors of Redis; here the
    next one takes its place, after a growing pause.
    """
    _require_schema(applier())
    pause = PAUSE_SECONDS_MIN
    while True:
        begun = time.monotonic()
        try:
            if _work_once(settings, burst=burst):
                return
            if time.monotonic() - begun > PAUSE_SECONDS_MAX:
                pause = PAUSE_SECONDS_MIN
            pause = _sleep(pause)
        except StopRequested:  # a signal, while its handler belonged to a worker that had ended itself
            return


def _work_once(settings: WorkerSettings, *, burst: bool) -> bool:
    """Run one RQ worker to its end; return whether that was meant to be the end of the process too."""
    try:
        worker = _worker(connect(settings.redis, connections=REDIS_CONNECTIONS, seconds=REDIS_SECONDS))
        log.info("worker.started", worker=worker.name)
        worker.work(burst=burst, logging_level="WARNING")
    except RedisError as error:
        log.error("redis.away", error=type(error).__name__)
        return False
    log.info("worker.stopped", worker=worker.name)
    return burst or worker.was_asked_to_stop


def _sleep(pause: float) -> float:
    """Sleep about `pause` seconds, not in step with other workers; return the next pause."""
    time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
    return min(pause * 2, PAUSE_SECONDS_MAX)


def _worker(connection: Redis) -> EventWorker:
    return EventWorker(
        [open_queue(connection)],
        connection=connection,
        serializer=SERIALIZER,
        maintenance_interval=MAINTENANCE_SECONDS,
        worker_ttl=WORKER_TTL_SECONDS,
        log_job_description=False,
        default_result_ttl=0,
    )


def _require_schema(applier: Applier) -> None:
    """Wait for the database to answer, then require the schema this code was written for."""
    pause = PAUSE_SECONDS_MIN
    while True:
        try:
            require_head(applier.engine)
            return
        except DBAPIError as error:
            log.error("database.away", error=_kind(error))
            pause = _sleep(pause)
