"""The hand-off: puts raw events on the queue. The one module that knows RQ's producer side.

A job is one or more raw events, as JSON. Nothing of an event stands in the job's description, which RQ
shows and logs.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.connection import parse_url
from redis.exceptions import RedisError
from redis.retry import Retry as RedisRetry
from rq import Queue, Retry
from rq.exceptions import DeserializationError, NoSuchJobError
from rq.job import Job
from rq.results import Result

from sync.environment import RedisSettings
from sync.raw_events import RawEvent, from_json, to_json

QUEUE_NAME = "zexa"
SERIALIZER = "json"  # never pickle: whoever can write to Redis could run code
JOB_FUNCTION = "sync.worker.applier.apply_job"  # by name: the web process does not load the worker

# Of each job, and of each that may hold opt-outs, when the earliest of its events was received (epoch seconds): so that
# a look-up can tell how fresh it is without a look at the whole queue. A member goes with its job, or after it.
WAITING_KEY = "zexa-sync:waiting"
OPT_OUTS_KEY = "zexa-sync:opt-outs"
MEMBERS_PER_LOOK = 2

# How often a job is taken again after the worker that held it died. Without an interval between tries RQ
# moves the job in one step; with one there is a moment in which it is in no list.
RETRIES_MAX = 25


class QueueUnavailable(Exception):  # noqa: N818 - a state, not a mistake
    """Redis did not confirm the job; it may still have been stored."""


def connect(settings: RedisSettings, *, connections: int, seconds: float) -> Redis:
    """Return a client of at most `connections` connections; nothing is connected yet.

    A command waits `seconds` for a free connection, as long to connect and as long for an answer, and is
    tried once more on a broken connection: five times `seconds` at the worst.
    """
    pool = BlockingConnectionPool(
        **connection_options(settings)
        | {
            "max_connections": connections,
            "timeout": seconds,
            "socket_timeout": seconds,
            "socket_connect_timeout": seconds,
            "retry": RedisRetry(NoBackoff(), 1),
        }
    )
    return Redis(connection_pool=pool)


def connection_options(settings: RedisSettings, *, parse: Callable[[str], Any] = parse_url) -> dict[str, Any]:
    """Return what every connection is opened with: where to, and whether certificates are verified.

    `parse` reads the URL: redis.asyncio has one of its own, which names other classes.
    """
    options: dict[str, Any] = dict(parse(settings.url))
    if settings.url.startswith("rediss://") and not settings.verify_tls:
        options |= {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    return options | {"socket_keepalive": True}


# The name under which other modules take an open queue, so that none of them knows RQ.
OpenQueue = Queue


def open_queue(connection: Redis) -> Queue:
    """Return the one queue, as producers and workers both name it."""
    return Queue(QUEUE_NAME, connection=connection, serializer=SERIALIZER)


def enqueue(queue: Queue, raw_events: Sequence[RawEvent], *, at_front: bool) -> None:
    """Put `raw_events` on the queue as one job, in one round trip; return once Redis confirmed it.

    `at_front` is for what may opt out: it is taken before everything that waits.
    Raises QueueUnavailable.
    """
    try:
        with queue.connection.pipeline() as pipeline:
            _add_job(queue, raw_events, at_front=at_front, pipeline=pipeline)
            pipeline.execute()
    except RedisError as error:
        raise QueueUnavailable(type(error).__name__) from None


def enqueue_commands(queue: Queue, raw_events: Sequence[RawEvent], *, at_front: bool) -> list[tuple[Any, ...]]:
    """Return the commands by which `enqueue` stores its job, to be sent as one transaction. Asks nobody."""
    with queue.connection.pipeline() as pipeline:
        _add_job(queue, raw_events, at_front=at_front, pipeline=pipeline)
        commands = list(pipeline.command_stack)
        pipeline.reset()
    return [command[0] if isinstance(command, tuple) else command.args for command in commands]


def _add_job(queue: Queue, raw_events: Sequence[RawEvent], *, at_front: bool, pipeline: Pipeline) -> None:
    job = Queue.prepare_data(
        JOB_FUNCTION,
        args=(to_json(raw_events),),
        timeout=-1,  # the worker bounds its own time; an alarm in the middle of a transaction helps nobody
        result_ttl=0,
        failure_ttl=-1,  # a failed job waits for a person, however long
        description=f"{len(raw_events)} raw event(s)",
        at_front=at_front,
        retry=Retry(max=RETRIES_MAX, enqueue_at_front=at_front),
    )
    (enqueued,) = queue.enqueue_many([job], pipeline=pipeline)
    earliest = min(raw.received_at for raw in raw_events).timestamp()
    pipeline.zadd(WAITING_KEY, {enqueued.id: earliest})
    if at_front:
        pipeline.zadd(OPT_OUTS_KEY, {enqueued.id: earliest})


def queue_length(queue: Queue) -> int:
    """Return how many jobs wait. Changes nothing, as some of RQ's own counts do. Raises QueueUnavailable."""
    with _answered():
        return int(queue.connection.llen(queue.key))


def failed_job_count(queue: Queue) -> int:
    """Return how many jobs failed and wait for a person. Changes nothing. Raises QueueUnavailable."""
    with _answered():
        return int(queue.connection.zcard(queue.failed_job_registry.key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits in Redis: when the oldest event was received, and the oldest that may opt out; None if none waits.

    An event waits in the queue, is in a worker's hand, or in a failed job.
    """

    oldest: datetime | None
    oldest_opt_out: datetime | None


def waiting(queue: Queue) -> Waiting:
    """Ask what is not applied yet, in one round trip if that is nothing. Raises QueueUnavailable."""
    members = MEMBERS_PER_LOOK
    with _answered():
        while True:
            with queue.connection.pipeline(transaction=False) as pipeline:
                for key in (WAITING_KEY, OPT_OUTS_KEY):
                    pipeline.zrange(key, 0, members - 1, withscores=True)
                noted, opt_outs = pipeline.execute()
            job_ids = list(dict.fromkeys(job_id for job_id, _ in (*noted, *opt_outs)))
            if not job_ids:
                return Waiting(oldest=None, oldest_opt_out=None)
            with queue.connection.pipeline(transaction=False) as pipeline:
                for job_id in job_ids:
                    pipeline.exists(Job.key_for(job_id.decode()))
                there = {job_id for job_id, exists in zip(job_ids, pipeline.execute(), strict=True) if exists}
            oldest, oldest_opt_out = _oldest(noted, there), _oldest(opt_outs, there)
            if (oldest or not noted) and (oldest_opt_out or not opt_outs):
                return Waiting(oldest=oldest, oldest_opt_out=oldest_opt_out)
            # A job that is gone was applied, or removed by a person.
            with queue.connection.pipeline(transaction=False) as pipeline:
                forget_waiting(pipeline, [job_id for job_id in job_ids if job_id not in there])
                pipeline.execute()
            members *= 2


def _oldest(noted: Sequence[tuple[bytes, float]], there: Set[bytes]) -> datetime | None:
    received = next((received for job_id, received in noted if job_id in there), None)
    return None if received is None else datetime.fromtimestamp(received, UTC)


def forget_waiting(pipeline: Pipeline, job_ids: Iterable[str | bytes]) -> None:
    """Note, with the `pipeline` that removes them, that these jobs do not wait any more."""
    job_ids = list(job_ids)
    pipeline.zrem(WAITING_KEY, *job_ids)
    pipeline.zrem(OPT_OUTS_KEY, *job_ids)


# What this project and RQ say of a job that failed, and no event is quoted in.
_KNOWN_REASONS = (
    "The job does not hold raw events.",
    "Job was stuck in intermediate queue.",
    "Moved to FailedJobRegistry, due to AbandonedJobError",
    "Work-horse terminated unexpectedly",
)
# The first line behind a traceback's frames, which are indented, begins with the exception's class.
_RAISED = re.compile(r"Traceback \(most recent call last\):\n(?:[ \t].*\n)*([A-Za-z_][\w.]*)(?::|\n|$)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedJob:
    """A job among RQ's failed ones, where it waits for a person.

    `raw_events` is how many it holds: 0 where it is not one of ours, or is gone. `why` quotes nothing of an event.
    """

    job_id: str
    raw_events: int
    failed_at: datetime | None
    why: str
    is_at_front: bool


@contextmanager
def opened_queue(settings: RedisSettings, *, seconds: float) -> Iterator[Queue]:
    """Open the queue over one connection, and close that; `seconds` are those of `connect`."""
    connection = connect(settings, connections=1, seconds=seconds)
    try:
        yield open_queue(connection)
    finally:
        connection.connection_pool.disconnect()


def failed_job_ids(queue: Queue) -> list[str]:
    """Return the ids of all failed jobs. Raises QueueUnavailable."""
    with _answered():
        # RQ's own cleanup would remove those whose time is over.
        return list(queue.failed_job_registry.get_job_ids(cleanup=False))


def find_failed_job(queue: Queue, job_id: str) -> FailedJob:
    """Return what is known of a failed job. Raises QueueUnavailable."""
    with _answered():
        job = _fetch(queue, job_id)
        result = job and job.latest_result()
    return FailedJob(
        job_id=job_id,
        raw_events=len(_raw_events(job)),
        failed_at=result.created_at if result else None,
        why=_why((result and result.exc_string) or "") if job else "The job itself is gone.",
        is_at_front=job is not None and job.enqueue_at_front_on_retry,
    )


def raw_events_of(queue: Queue, job_id: str) -> list[RawEvent]:
    """Return the raw events a job holds, none where it is not one of ours, or is gone. Raises QueueUnavailable."""
    with _answered():
        return _raw_events(_fetch(queue, job_id))


def requeue(queue: Queue, job_id: str) -> int:
    """Put the raw events of a failed job on the queue as a new job; return how many it held.

    The failed job is removed only once the new one is confirmed, and stays where it holds no raw events. Stopped
    in between, both are there, which merging absorbs. Raises QueueUnavailable.
    """
    with _answered():
        job = _fetch(queue, job_id)
    raw_events = _raw_events(job)
    if job is None or not raw_events:
        return 0
    enqueue(queue, raw_events, at_front=job.enqueue_at_front_on_retry)
    with _answered(), queue.connection.pipeline() as pipeline:
        pipeline.zrem(queue.failed_job_registry.key, job_id)
        pipeline.delete(Job.key_for(job_id), Result.get_key(job_id))
        forget_waiting(pipeline, [job_id])
        pipeline.execute()
    return len(raw_events)


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise QueueUnavailable(type(error).__name__) from None


def _fetch(queue: Queue, job_id: str) -> Job | None:
    try:
        return Job.fetch(job_id, connection=queue.connection, serializer=SERIALIZER)
    except NoSuchJobError:
        return None


def raw_events_in(job: Job) -> list[RawEvent]:
    """Return the raw events that `job` holds; raise ValueError where it is not one of ours."""
    try:
        (entries,) = job.args
    except (AttributeError, DeserializationError, TypeError):
        raise ValueError("no arguments") from None
    return from_json(entries)


def _raw_events(job: Job | None) -> list[RawEvent]:
    try:
        return raw_events_in(job) if job else []
    except ValueError:
        return []


def _why(told: str) -> str:
    """Return what RQ kept of a failure if that is a known text, else at most the class of what was raised."""
    raised = _RAISED.match(told)
    known = (reason for reason in _KNOWN_REASONS if told.startswith(reason))
    return next(known, raised[1] if raised else "unknown")
