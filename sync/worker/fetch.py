"""Fetches jobs one by one, so that no more of them is in memory than the largest and a few megabytes of others."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import MsgspecError
from msgspec.json import decode
from redis import Redis
from rq.job import Job

from sync.events.raw import RawEvent, from_json
from sync.queue.connection import SERIALIZER
from sync.queue.jobs import raw_events_in

# Jobs that are fetched together take at most this in Redis, where they are compressed, unless one alone takes more.
FETCH_BYTES = 2 * 1024 * 1024


def fetch_jobs(job_ids: Sequence[str], connection: Redis) -> Iterator[tuple[str, Job | None]]:
    """Yield each job under its id, None for one that is gone.

    Without a transaction, in which a Redis at its `maxmemory` does not even let anybody read.
    """
    for some_ids in _slices(job_ids, connection):
        with connection.pipeline(transaction=False) as pipeline:
            for job_id in some_ids:
                pipeline.hgetall(Job.key_for(job_id))
            replies = pipeline.execute()
        # The last first and with its fields, so that each can go before the next is unpacked.
        replies.reverse()
        for job_id in some_ids:
            yield job_id, _restored(job_id, replies.pop(), connection)


def raw_events_held(job: Job | None) -> list[RawEvent]:
    """Return the raw events that `job` holds; raise ValueError if it is a job of another program."""
    if not job:
        return []  # one that is gone was applied, by a worker that was believed dead
    try:
        # As RQ's serializer would, in a third of the time.
        _function, _instance, (entries,), _named = decode(job.data)
    except (MsgspecError, TypeError, ValueError):
        return raw_events_in(job)  # which says what is wrong
    return from_json(entries)


def body_bytes(raw_events: Iterable[RawEvent]) -> int:
    """Return how many bytes the bodies have together."""
    return sum(len(raw.body) for raw in raw_events)


def _slices(job_ids: Sequence[str], connection: Redis) -> Iterator[list[str]]:
    with connection.pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            pipeline.hstrlen(Job.key_for(job_id), "data")
        sizes = pipeline.execute()
    some_ids: list[str] = []
    taken = 0
    for job_id, size in zip(job_ids, sizes, strict=True):
        if some_ids and taken + size > FETCH_BYTES:
            yield some_ids
            some_ids, taken = [], 0
        some_ids.append(job_id)
        taken += size
    if some_ids:
        yield some_ids


def _restored(job_id: str, fields: dict[bytes, bytes], connection: Redis) -> Job | None:
    if not fields:
        return None
    job = Job(job_id, connection=connection, serializer=SERIALIZER)
    job.restore(fields)
    return job
