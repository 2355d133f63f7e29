"""Jobs that failed and wait for a person."""

import re
from dataclasses import dataclass
from datetime import datetime

from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.results import Result

from sync.events.raw import RawEvent
from sync.queue.connection import SERIALIZER, answered
from sync.queue.jobs import enqueue, raw_events_in
from sync.queue.waiting import forget_waiting

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

    `raw_events` is how many it holds: 0 if it is not one of ours, or is gone. `why` quotes nothing of an event.
    """

    job_id: str
    raw_events: int
    failed_at: datetime | None
    why: str
    is_at_front: bool


def failed_job_ids(queue: Queue) -> list[str]:
    """Return the ids of all failed jobs. Raises QueueUnavailable."""
    with answered():
        # RQ's own cleanup would remove those whose time is over.
        return list(queue.failed_job_registry.get_job_ids(cleanup=False))


def find_failed_job(queue: Queue, job_id: str) -> FailedJob:
    """Return what is known of a failed job. Raises QueueUnavailable."""
    with answered():
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
    """Return the raw events a job holds, none if the job is of another program or is gone. Raises QueueUnavailable."""
    with answered():
        return _raw_events(_fetch(queue, job_id))


def requeue(queue: Queue, job_id: str) -> int:
    """Put the raw events of a failed job on the queue as a new job; return how many it held.

    The failed job is removed only once the new one is confirmed, and stays if it holds no raw events. Stopped
    in between, both are there, which merging absorbs. Raises QueueUnavailable.
    """
    with answered():
        job = _fetch(queue, job_id)
    raw_events = _raw_events(job)
    if job is None or not raw_events:
        return 0
    enqueue(queue, raw_events, at_front=job.enqueue_at_front_on_retry)
    remove_failed(queue, job_id)
    return len(raw_events)


def remove_failed(queue: Queue, job_id: str) -> None:
    """Remove a failed job, whose events the caller has seen to. Raises QueueUnavailable."""
    with answered(), queue.connection.pipeline() as pipeline:
        pipeline.zrem(queue.failed_job_registry.key, job_id)
        pipeline.delete(Job.key_for(job_id), Result.get_key(job_id))
        forget_waiting(pipeline, [job_id])
        pipeline.execute()


def _fetch(queue: Queue, job_id: str) -> Job | None:
    try:
        return Job.fetch(job_id, connection=queue.connection, serializer=SERIALIZER)
    except NoSuchJobError:
        return None


def _raw_events(job: Job | None) -> list[RawEvent]:
    try:
        return raw_events_in(job) if job else []
    except ValueError:
        return []


def _why(error_text: str) -> str:
    """Return what RQ kept of a failure if that is a known text, else at most the class of what was raised."""
    raised = _RAISED.match(error_text)
    reasons = (reason for reason in _KNOWN_REASONS if error_text.startswith(reason))
    return next(reasons, raised[1] if raised else "unknown")
