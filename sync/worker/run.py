"""Keeps a worker at work in this process: through absences of the database and of Redis, until asked to stop."""

import gc
import signal
import threading
import time

import redis.exceptions
import structlog
from redis import Redis
from sqlalchemy.exc import DBAPIError

from models.errors import error_line, is_misconfigured
from models.forget_keys import require_forget_keys
from models.refusals import ForgetKeyMissing, SchemaBehind
from models.schema import SCHEMA_PAUSE_SECONDS, SCHEMA_SECONDS, require_head
from sync.queue.backoff import Backoff
from sync.queue.connection import connect
from sync.rollups.recount import stored_timezone
from sync.settings.environment import SettingError
from sync.settings.sentry_client import report
from sync.settings.worker import WorkerSettings
from sync.worker.applier import Applier, NotApplied, applier
from sync.worker.chores import count_failure_codes, reconcile
from sync.worker.full_redis import relieve
from sync.worker.outages import CHORE_SECONDS, notice_outage
from sync.worker.rq_worker import REDIS_SECONDS, EventWorker
from sync.worker.stop import Stop, cancelled_if_late
from sync.worker.tasks import Tasks

REDIS_CONNECTIONS = 2
# How long an event waits in the inbox at the most, while the database is there.
DRAIN_SECONDS = 1.0
# How long deltas wait for it: the views add up what waits, so this is a question of their speed only.
COMPACT_SECONDS = 5.0
# To ask Redis whether web leaves marks.
LOOK_SECONDS = 0.5

# How many objects are made before a search for garbage among them, 700 unless set. A batch makes some thousands that
# live until its end, and hardly any garbage. To search them again and again cost a twentieth of a worker's time.
NEW_OBJECTS = 20_000

log = structlog.get_logger()


def work(settings: WorkerSettings, *, burst: bool = False) -> None:
    """Work until SIGTERM or SIGINT, or in a burst until queue and inbox are empty.

    Raises SchemaError if this code cannot run on the schema; if the schema is behind, only after a while. RQ's worker
    ends itself if Redis is away; here the next worker takes its place, after a growing pause. The inbox is drained
    meanwhile, and tasks are done, in a thread each. A statement that keeps the process from ending in time is
    cancelled.
    """
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.request)
    tasks = Tasks(settings, stop)

    def cancel() -> None:
        applier().cancel()
        tasks.cancel()

    with cancelled_if_late(stop, cancel):
        _work(settings, stop, tasks, burst=burst)


def _work(settings: WorkerSettings, stop: Stop, tasks: Tasks, *, burst: bool) -> None:
    _require_schema(applier(), stop)
    _say_which_timezone(applier(), settings, stop)
    # What is loaded now stays: searching all of it for garbage again and again costs a worker a tenth of its time.
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
    if burst:
        _work_on_queue(settings, stop, burst=True)
        _drain(applier(), stop, burst=True)
        _compact(applier(), stop)
        return
    looker = connect(settings.redis, connections=1, seconds=LOOK_SECONDS)
    threads = [
        threading.Thread(target=_drain, args=(applier(), stop), kwargs={"looker": looker}, name="inbox"),
        threading.Thread(target=tasks.run, name="tasks"),
        threading.Thread(target=count_failure_codes, args=(settings, stop), name="failure codes"),
    ]
    if settings.provider:
        threads.append(threading.Thread(target=reconcile, args=(settings, settings.provider, stop), name="reconcile"))
    for thread in threads:
        thread.start()
    try:
        _work_on_queue(settings, stop)
    finally:
        stop.request()
        for thread in threads:
            thread.join()


def _drain(ours: Applier, stop: Stop, *, looker: Redis | None = None, burst: bool = False) -> None:
    """Drain the inbox until asked to stop, or in a burst until nothing of it is due.

    Over `looker` it sees now and then whether web can acknowledge deliveries.
    """
    backoff = Backoff()
    compacted_at = looked_at = time.monotonic()
    while not stop.is_requested:
        if looker and time.monotonic() - looked_at > CHORE_SECONDS:
            notice_outage(looker, ours.engine)
            looked_at = time.monotonic()
        if time.monotonic() - compacted_at > COMPACT_SECONDS:
            _compact(ours, stop)
            compacted_at = time.monotonic()
        try:
            has_more = ours.drain()
        except NotApplied:
            stop.sleep(backoff.next_seconds())
        except Exception as error:  # a thread that ends would leave the inbox undrained, and say nothing
            log.error("inbox.failed", error=type(error).__name__)
            report("inbox.failed", type(error).__name__, error)
            stop.sleep(backoff.most_seconds)
        else:
            backoff.reset()
            if burst and not has_more:
                return
            if not has_more:
                stop.sleep(DRAIN_SECONDS)


def _compact(ours: Applier, stop: Stop) -> None:
    """Compact the deltas that wait. If that fails they wait longer, and the reports are slower, not wrong."""
    try:
        while ours.compact() and not stop.is_requested:
            pass
    except NotApplied:
        return  # the code that drains or applies says so
    except Exception as error:
        log.error("rollups.failed", error=type(error).__name__)
        report("rollups.failed", type(error).__name__, error)


def _work_on_queue(settings: WorkerSettings, stop: Stop, *, burst: bool = False) -> None:
    backoff = Backoff()
    is_away = False
    while not stop.is_requested:
        begun = time.monotonic()
        error = _work_once(settings, stop, burst=burst, was_away=is_away)
        if error is None and burst:
            return
        if error and not is_away:
            log.error("redis.away", error=error)
            report("redis.away", error)
        is_away = bool(error)
        if time.monotonic() - begun > backoff.most_seconds:
            backoff.reset()
        stop.sleep(backoff.next_seconds())


def _work_once(settings: WorkerSettings, stop: Stop, *, burst: bool, was_away: bool) -> str | None:
    """Run one RQ worker to its end; return the kind of error if Redis was away."""
    connection = connect(settings.redis, connections=REDIS_CONNECTIONS, seconds=REDIS_SECONDS)
    try:
        connection.ping()
        _relieve_if_full(connection, stop)
        worker = EventWorker(connection, applier(), stop)
        if was_away:
            log.info("redis.back")
        log.info("worker.started", worker=worker.name)
        worker.work(burst=burst, logging_level="WARNING")
    except redis.exceptions.RedisError as error:
        return type(error).__name__
    finally:
        connection.connection_pool.disconnect()
    log.info("worker.stopped", worker=worker.name)
    return None


def _relieve_if_full(connection: Redis, stop: Stop) -> None:
    """Make room if Redis is at its `maxmemory`: no worker could so much as begin there."""
    memory = connection.info("memory")
    if memory.get("maxmemory") and memory["used_memory"] >= memory["maxmemory"]:
        try:
            relieve(connection, applier(), stop)
        except NotApplied as error:
            raise redis.exceptions.OutOfMemoryError(str(error)) from None


def _say_which_timezone(applier: Applier, settings: WorkerSettings, stop: Stop) -> None:
    """Log if the roll-ups count by other days than the setting asks for, which is no reason not to work."""
    if stop.is_requested:
        return
    try:
        with applier.engine.connect() as connection:
            stored = stored_timezone(connection)
    except DBAPIError as error:
        log.error("database.away", error=error_line(error))
        return
    if stored != settings.report_timezone:
        log.warning("rollups.other_timezone", stored=stored, setting=settings.report_timezone)


def _require_schema(applier: Applier, stop: Stop) -> None:
    """Wait for the database to answer, and for a while for a schema that is behind: it may be migrated just now.

    Raises SettingError if no waiting helps.
    """
    backoff = Backoff()
    is_away = False
    awaited_since: float | None = None
    while not stop.is_requested:
        try:
            require_head(applier.engine)
            require_forget_keys(applier.engine, {key.key_id for key in applier.options.forget_keys})
            return
        except ForgetKeyMissing as error:
            raise SettingError(str(error)) from None
        except SchemaBehind as error:
            if awaited_since is None:
                awaited_since = time.monotonic()
                log.warning("schema.awaited", reason=str(error), seconds=SCHEMA_SECONDS)
            if time.monotonic() - awaited_since > SCHEMA_SECONDS:
                raise
            stop.sleep(SCHEMA_PAUSE_SECONDS)
        except DBAPIError as error:
            if is_misconfigured(error):
                raise SettingError(f"the database of DATABASE_URL cannot be used: {error_line(error)}") from None
            if not is_away:
                log.error("database.away", error=error_line(error))
                report("database.away", error_line(error), error)
            is_away = True
            stop.sleep(backoff.next_seconds())
