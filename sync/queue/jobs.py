"""The hand-off: puts raw events on the queue. The one module that knows RQ's producer side.

A job is one or more raw events, as JSON. Nothing of an event stands in the job's description, which RQ
shows and logs.
"""

from collections.abc import Sequence
from typing import Any

from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, Retry
from rq.exceptions import DeserializationError
from rq.job import Job

from sync.events.raw import RawEvent, from_json, to_json
from sync.queue.connection import QueueUnavailable
from sync.queue.waiting import OPT_OUTS_KEY, WAITING_KEY

JOB_FUNCTION = "sync.worker.applier.apply_job"  # by name: the web process does not load the worker


# How often a job is taken again after the worker that held it died. Without an interval between tries RQ
# moves the job in one step; with one there is a moment in which it is in no list.
RETRIES_MAX = 25


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


def raw_events_in(job: Job) -> list[RawEvent]:
    """Return the raw events that `job` holds; raise ValueError if it is a job of another program."""
    try:
        (entries,) = job.args
    except (AttributeError, DeserializationError, TypeError):
        raise ValueError("no arguments") from None
    return from_json(entries)
