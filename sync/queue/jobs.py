"""The hand-off: puts raw events on the queue. The one module that knows RQ's producer side.

A job is one or more raw events, as JSON. Nothing of an event stands in the job's description, which RQ
shows and logs.
"""

import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum, auto
from functools import cache
from uuid import uuid4

from msgspec.json import encode
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Retry
from rq.exceptions import DeserializationError
from rq.job import Job

from sync.events.raw import RawEvent, from_json, to_json
from sync.queue.connection import QueueUnavailable, open_queue
from sync.queue.counts import Command
from sync.queue.waiting import OPT_OUTS_KEY, WAITING_KEY

JOB_FUNCTION = "sync.worker.applier.apply_job"  # by name: the web process does not load the worker


# How often a job is taken again after the worker that held it died. Without an interval between tries RQ
# moves the job in one step; with one there is a moment in which it is in no list.
RETRIES_MAX = 25
# RQ would ask the server for its version, which matters for nothing that is done here.
_REDIS_VERSION_MIN = (6, 2, 0)


# RQ's own level takes twice as long for a tenth less.
_COMPRESSION_LEVEL = 3


def enqueue(queue: Queue, raw_events: Sequence[RawEvent], *, at_front: bool) -> None:
    """Put `raw_events` on the queue as one job, in one round trip; return once Redis confirmed it.

    `at_front` is for what may opt out: it is taken before everything that waits.
    Raises QueueUnavailable.
    """
    try:
        with queue.connection.pipeline() as pipeline:
            for command in enqueue_commands(raw_events, at_front=at_front):
                pipeline.execute_command(*command)
            pipeline.execute()
    except RedisError as error:
        raise QueueUnavailable(type(error).__name__) from None


def enqueue_commands(raw_events: Sequence[RawEvent], *, at_front: bool) -> list[Command]:
    """Return the commands that store `raw_events` as one job, to be sent as one transaction. Asks nobody.

    They are those of RQ, which makes them once: it takes 40 microseconds for each job, and the hand-off makes
    thousands a second.
    """
    job_id, now = str(uuid4()), datetime.now(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
    content = {
        _Blank.ID: job_id,
        _Blank.KEY: Job.key_for(job_id),
        _Blank.NOW: now,
        _Blank.DATA: zlib.compress(encode([JOB_FUNCTION, None, [to_json(raw_events)], {}]), _COMPRESSION_LEVEL),
        _Blank.DESCRIPTION: f"{len(raw_events)} raw event(s)",
    }
    commands: list[Command] = [
        tuple(content.get(part, part) for part in command) for command in _template(at_front=at_front)
    ]
    earliest = min(raw.received_at for raw in raw_events).timestamp()
    commands.append(("ZADD", WAITING_KEY, earliest, job_id))
    if at_front:
        commands.append(("ZADD", OPT_OUTS_KEY, earliest, job_id))
    return commands


class _Blank(Enum):
    """What differs from job to job."""

    ID = auto()
    KEY = auto()
    NOW = auto()
    DATA = auto()
    DESCRIPTION = auto()


_BLANK_FIELDS = {
    "created_at": _Blank.NOW,
    "enqueued_at": _Blank.NOW,
    "data": _Blank.DATA,
    "description": _Blank.DESCRIPTION,
}


@cache
def _template(*, at_front: bool) -> tuple[Command, ...]:
    """Return the commands by which RQ stores a job of ours, with blanks."""
    job_id = str(uuid4())
    queue = open_queue(Redis())  # which is never asked
    queue.redis_server_version = _REDIS_VERSION_MIN
    job = Queue.prepare_data(
        JOB_FUNCTION,
        timeout=-1,  # the worker bounds its own time; an alarm in the middle of a transaction helps nobody
        result_ttl=0,
        failure_ttl=-1,  # a failed job waits for a person, however long
        description="",
        job_id=job_id,
        at_front=at_front,
        retry=Retry(max=RETRIES_MAX, enqueue_at_front=at_front),
    )
    with queue.connection.pipeline() as pipeline:
        queue.enqueue_many([job], pipeline=pipeline)
        commands = [command[0] if isinstance(command, tuple) else command.args for command in pipeline.command_stack]
        pipeline.reset()
    ids = {job_id: _Blank.ID, Job.key_for(job_id): _Blank.KEY}
    return tuple(_with_blanks(command, ids) for command in commands)


def _with_blanks(command: Command, ids: Mapping[str, _Blank]) -> Command:
    """Return `command` with blanks for what follows the name of such a field, and for `ids`, as plain values."""
    names = (None, *command)
    return tuple(
        _BLANK_FIELDS.get(name) or ids.get(part) or (part.value if isinstance(part, Enum) else part)
        for name, part in zip(names, command, strict=False)
    )


def raw_events_in(job: Job) -> list[RawEvent]:
    """Return the raw events that `job` holds; raise ValueError if it is a job of another program."""
    try:
        (entries,) = job.args
    except (AttributeError, DeserializationError, TypeError):
        raise ValueError("no arguments") from None
    return from_json(entries)
