"""The raw events that wait in Redis, read where they are. Changes nothing."""

from collections.abc import Callable, Iterator
from typing import Any

from rq import Queue
from rq.job import Job

from sync.events.raw import RawEvent
from sync.queue.connection import SERIALIZER, answered
from sync.queue.jobs import raw_events_in
from sync.queue.waiting import WAITING_KEY

JOBS_PER_FETCH = 100


def waiting_job_ids(queue: Queue) -> list[str]:
    """Return the ids of jobs that wait, failed, or are in a worker's hand; some may be gone.

    Raises QueueUnavailable.
    """
    with answered():
        members: Any = queue.connection.zrange(WAITING_KEY, 0, -1)
    return [job_id.decode() for job_id in members]


def jobs_holding(queue: Queue, job_ids: list[str], is_wanted: Callable[[RawEvent], bool]) -> list[str]:
    """Return which of these jobs hold an event that `is_wanted`. Raises QueueUnavailable."""
    holding = []
    for start in range(0, len(job_ids), JOBS_PER_FETCH):
        with answered():
            piece = job_ids[start : start + JOBS_PER_FETCH]
            jobs = Job.fetch_many(piece, connection=queue.connection, serializer=SERIALIZER)
        holding += [job.id for job in jobs if job is not None and any(map(is_wanted, _raw_events(job)))]
    return holding


def jobs_there(queue: Queue, job_ids: list[str]) -> list[str]:
    """Return which of these jobs are still there. Raises QueueUnavailable."""
    with answered(), queue.connection.pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            pipeline.exists(Job.key_for(job_id))
        return [job_id for job_id, is_there in zip(job_ids, pipeline.execute(), strict=True) if is_there]


def raw_events_in_jobs(queue: Queue, job_ids: list[str]) -> Iterator[RawEvent]:
    """Yield the raw events of these jobs; a job that is gone was applied meanwhile. Raises QueueUnavailable."""
    for start in range(0, len(job_ids), JOBS_PER_FETCH):
        with answered():
            piece = job_ids[start : start + JOBS_PER_FETCH]
            jobs = Job.fetch_many(piece, connection=queue.connection, serializer=SERIALIZER)
        for job in jobs:
            if job is not None:
                yield from _raw_events(job)


def _raw_events(job: Job) -> list[RawEvent]:
    try:
        return raw_events_in(job)
    except ValueError:  # a job of another program
        return []
