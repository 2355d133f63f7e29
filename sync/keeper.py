"""Keeps a worker at work in this process: through absences of the database and of Redis, until told to stop."""

import gc
import signal
import time

import redis.exceptions
import structlog
from sqlalchemy.exc import DBAPIError

from models.schema import require_head
from sync.applier import Applier, applier, error_kind
from sync.queue import connect
from sync.settings import WorkerSettings
from sync.stop import PAUSE_SECONDS_MAX, PAUSE_SECONDS_MIN, Stop
from sync.worker import REDIS_SECONDS, EventWorker

REDIS_CONNECTIONS = 2

log = structlog.get_logger()


def work(settings: WorkerSettings, *, burst: bool = False) -> None:
    """Work until SIGTERM or SIGINT, or in a burst until the queue is empty.

    Raises SchemaError where the schema is not at head. RQ's worker ends itself where Redis is away; here the
    next one takes its place, after a growing pause.
    """
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.request)
    _require_schema(applier(), stop)
    # What is loaded now stays: searching all of it for garbage again and again costs a worker a tenth of its time.
    gc.freeze()
    pause = PAUSE_SECONDS_MIN
    while not stop.is_requested:
        begun = time.monotonic()
        if _work_once(settings, stop, burst=burst) and burst:
            return
        pause = PAUSE_SECONDS_MIN if time.monotonic() - begun > PAUSE_SECONDS_MAX else pause
        stop.sleep(pause)
        pause = min(pause * 2, PAUSE_SECONDS_MAX)


def _work_once(settings: WorkerSettings, stop: Stop, *, burst: bool) -> bool:
    """Run one RQ worker to its end; return False where Redis was away."""
    connection = connect(settings.redis, connections=REDIS_CONNECTIONS, seconds=REDIS_SECONDS)
    try:
        worker = EventWorker(connection, applier(), stop)
        log.info("worker.started", worker=worker.name)
        worker.work(burst=burst, logging_level="WARNING")
    except redis.exceptions.RedisError as error:
        log.error("redis.away", error=type(error).__name__)
        return False
    finally:
        connection.connection_pool.disconnect()
    log.info("worker.stopped", worker=worker.name)
    return True


def _require_schema(applier: Applier, stop: Stop) -> None:
    """Wait for the database to answer, then require the schema this code was written for."""
    pause = PAUSE_SECONDS_MIN
    while not stop.is_requested:
        try:
            require_head(applier.engine)
            return
        except DBAPIError as error:
            log.error("database.away", error=error_kind(error))
            stop.sleep(pause)
            pause = min(pause * 2, PAUSE_SECONDS_MAX)
