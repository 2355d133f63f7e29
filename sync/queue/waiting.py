"""What waits in Redis, and since when. Changes nothing that counts."""

import time
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime

from redis.client import Pipeline
from rq import Queue
from rq.job import Job

from sync.queue.clock import clock_offset, epoch_of
from sync.queue.connection import answered

# Of each job, and of each that may hold opt-outs, when the earliest of its events was received (epoch seconds). By this
# a look-up knows how fresh it is without a look at the whole queue. A member goes with its job, or after it.
WAITING_KEY = "zexa-sync:waiting"
OPT_OUTS_KEY = "zexa-sync:opt-outs"

MEMBERS_PER_LOOK = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingInRedis:
    """What waits in Redis: when the oldest event was received, and the oldest that may opt out; None if none waits.

    An event waits in the queue, is in a worker's hand, or in a failed job. `clock_offset_seconds` is the clock of Redis
    minus ours.
    """

    oldest: datetime | None
    oldest_opt_out: datetime | None
    clock_offset_seconds: float = 0.0


def read_waiting(queue: Queue) -> WaitingInRedis:
    """Ask what is not applied yet, in one round trip if that is nothing. Raises QueueUnavailable."""
    members = MEMBERS_PER_LOOK
    with answered():
        while True:
            begun = time.time()
            with queue.connection.pipeline(transaction=False) as pipeline:
                pipeline.time()
                for key in (WAITING_KEY, OPT_OUTS_KEY):
                    pipeline.zrange(key, 0, members - 1, withscores=True)
                redis_time, noted, opt_outs = pipeline.execute()
            offset = clock_offset(begun, epoch_of(redis_time), time.time())
            job_ids = list(dict.fromkeys(job_id for job_id, _ in (*noted, *opt_outs)))
            if not job_ids:
                return WaitingInRedis(oldest=None, oldest_opt_out=None, clock_offset_seconds=offset)
            with queue.connection.pipeline(transaction=False) as pipeline:
                for job_id in job_ids:
                    pipeline.exists(Job.key_for(job_id.decode()))
                existing_ids = {job_id for job_id, exists in zip(job_ids, pipeline.execute(), strict=True) if exists}
            oldest, oldest_opt_out = _oldest(noted, existing_ids), _oldest(opt_outs, existing_ids)
            if (oldest or not noted) and (oldest_opt_out or not opt_outs):
                return WaitingInRedis(oldest=oldest, oldest_opt_out=oldest_opt_out, clock_offset_seconds=offset)
            # A job that is gone was applied, or removed by a person.
            with queue.connection.pipeline(transaction=False) as pipeline:
                forget_waiting(pipeline, [job_id for job_id in job_ids if job_id not in existing_ids])
                pipeline.execute()
            members *= 2


def _oldest(noted: Sequence[tuple[bytes, float]], existing_ids: Set[bytes]) -> datetime | None:
    received = next((received for job_id, received in noted if job_id in existing_ids), None)
    return None if received is None else datetime.fromtimestamp(received, UTC)


def forget_waiting(pipeline: Pipeline, job_ids: Iterable[str | bytes]) -> None:
    """Note, with the `pipeline` that removes them, that these jobs do not wait any more."""
    job_ids = list(job_ids)
    pipeline.zrem(WAITING_KEY, *job_ids)
    pipeline.zrem(OPT_OUTS_KEY, *job_ids)
