"""Where jobs are while a worker has them in hand: RQ's queue and its intermediate list, and how they move between.

Killed at any moment, a worker leaves the id of each job in one of the two.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue
from rq.intermediate_queue import IntermediateQueue
from rq.job import Job
from rq.results import Result

from sync.queue.counts import Counts
from sync.queue.waiting import forget_waiting

# RQ's maintenance puts back what a dead worker held: what it sees in the intermediate list twice, this long
# apart. A batch that takes longer is applied twice. RQ's own figures make it 10 to 25 minutes.
MAINTENANCE_SECONDS = 10
STRANDED_SECONDS = 20


class EventIntermediateQueue(IntermediateQueue):
    """RQ's list of jobs in hand, with a shorter wait until it counts one as stranded."""

    def should_be_cleaned_up(self, job_id: str) -> bool:
        first_seen = self.get_first_seen(job_id)
        return first_seen is not None and datetime.now(UTC) - first_seen > timedelta(seconds=STRANDED_SECONDS)


class EventQueue(Queue):
    """RQ's queue, kept in order more often, by a lock that does not outlive a killed worker by 15 minutes."""

    @property
    def intermediate_queue(self) -> EventIntermediateQueue:
        return EventIntermediateQueue(self.key, connection=self.connection)

    def acquire_maintenance_lock(self) -> bool:
        return bool(self.connection.set(self.registry_cleaning_key, 1, nx=True, ex=MAINTENANCE_SECONDS))


def take(queue: Queue, most: int) -> list[str]:
    """Take at most `most` jobs: what is taken beyond a batch would keep an opt-out waiting behind it."""
    with queue.connection.pipeline(transaction=False) as pipeline:
        for _ in range(most):
            pipeline.lmove(queue.key, queue.intermediate_queue_key)
        return [moved.decode() for moved in pipeline.execute() if moved]


def give_back(queue: Queue, job_ids: Sequence[str]) -> None:
    """Put the jobs back to the front of the queue, in their order."""
    with queue.connection.pipeline() as pipeline:
        _forget(queue, job_ids, pipeline)
        pipeline.lpush(queue.key, *reversed(job_ids))
        pipeline.execute()


def show_in_hand(queue: Queue, job_ids: Sequence[str]) -> None:
    """Let maintenance, which puts back what it saw in the intermediate list before, forget having seen these."""
    queue.connection.delete(*(queue.intermediate_queue.get_first_seen_key(job_id) for job_id in job_ids))


def finish(queue: Queue, job_ids: Sequence[str], *, worker_key: str, counts: Counts) -> None:
    """Remove jobs whose events are committed, and send what was counted of them.

    First what says that they wait, then the jobs, then their ids: killed in between, an id without a job is
    left, which maintenance removes. The other way round a job without an id would stay in Redis for ever.
    """
    with queue.connection.pipeline(transaction=False) as pipeline:
        forget_waiting(pipeline, job_ids)
        keys = [key for job_id in job_ids for key in (Job.key_for(job_id), Result.get_key(job_id))]
        pipeline.delete(*keys)
        _forget(queue, job_ids, pipeline)
        pipeline.hincrby(worker_key, "successful_job_count", len(job_ids))
        send_counts(pipeline, counts)


def send_counts(pipeline: Pipeline, counts: Counts) -> None:
    """Send what is counted with the commands of `pipeline`. What Redis says of counts stops no worker."""
    commands = len(pipeline.command_stack)
    pending = counts.take()
    is_sent = False
    try:
        for command in pending.commands(time.time()):
            pipeline.execute_command(*command)
        results = pipeline.execute(raise_on_error=False)
        is_sent = True
    finally:
        if not is_sent:
            counts.restore(pending)
    for result in results[:commands]:
        if isinstance(result, RedisError):
            raise result


def _forget(queue: Queue, job_ids: Sequence[str], pipeline: Pipeline) -> None:
    for job_id in job_ids:
        pipeline.lrem(queue.intermediate_queue_key, 1, job_id)
    pipeline.delete(*(queue.intermediate_queue.get_first_seen_key(job_id) for job_id in job_ids))
