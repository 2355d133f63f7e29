"""Makes room in a Redis that is at its `maxmemory`, in which no worker could so much as begin."""

import structlog
from redis import Redis
from rq.job import Job
from rq.results import Result
from rq.utils import as_text

from sync.queue.connection import OpenQueue, open_queue
from sync.queue.waiting import forget_waiting
from sync.store.apply import Read
from sync.worker.applier import BATCH_BYTES, Applier
from sync.worker.fetch import body_bytes, fetch_jobs, raw_events_held
from sync.worker.stop import Stop

# How many jobs are applied at a time while Redis is full, and how full it may be afterwards.
RELIEF_JOBS = 50
RELIEF_SHARE = 0.9

log = structlog.get_logger()


def relieve(connection: Redis, applier: Applier, stop: Stop) -> None:
    """Apply and remove what waits in a Redis that is at its `maxmemory`, until a tenth of that is free.

    There a job can be read and removed, but not moved into the intermediate list. So jobs stay in the queue until
    they are applied; workers that do this at once apply some jobs twice, which changes nothing. Raises NotApplied.
    """
    queue = open_queue(connection)
    log.warning("redis.full", jobs=connection.llen(queue.key))
    passed_over = 0
    while not stop.is_requested and _is_full(connection):
        ids = [as_text(job_id) for job_id in connection.lrange(queue.key, passed_over, passed_over + RELIEF_JOBS - 1)]
        if not ids:
            return
        passed_over += _apply_some(ids, queue, applier)


def _apply_some(ids: list[str], queue: OpenQueue, applier: Applier) -> int:
    """Apply the first of these jobs, as many as make a batch, and remove them; return how many hold no raw events."""
    connection = queue.connection
    events: list[Read] = []
    applied: list[str] = []
    unreadable = bytes_taken = 0
    for job_id, data in fetch_jobs(ids, connection):
        try:
            raw_events = raw_events_held(data)
        except ValueError:
            unreadable += 1  # it is set aside once there is room to say so
            continue
        events += applier.read(raw_events)
        applied.append(job_id)
        bytes_taken += body_bytes(raw_events)
        if bytes_taken >= BATCH_BYTES:
            break
    applier.apply(events)
    with connection.pipeline(transaction=False) as pipeline:
        if applied:
            forget_waiting(pipeline, applied)
        for job_id in applied:
            pipeline.delete(Job.key_for(job_id), Result.get_key(job_id))
            pipeline.lrem(queue.key, 1, job_id)
        pipeline.execute()
    return unreadable


def _is_full(connection: Redis) -> bool:
    memory = connection.info("memory")
    return bool(memory["used_memory"] > memory["maxmemory"] * RELIEF_SHARE)
