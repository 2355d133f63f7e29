"""The worker: takes what waits in the queue into one batch and applies it in one transaction.

A job's id stands in the queue, then in RQ's intermediate list until its events are committed and the job is removed. If
it is killed at any moment in between, the id is still in one of the two lists. RQ's maintenance finds it stranded there
and puts it back within a minute. Applying it twice changes nothing.
"""

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import redis.exceptions
import structlog
from redis import Redis
from redis.client import Pipeline
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.job import Job
from rq.worker import WorkerStatus

from sync.queue.backoff import Backoff
from sync.queue.connection import QUEUE_NAME, SERIALIZER
from sync.queue.counts import given_forget_keys
from sync.worker.applier import Applier, NotApplied
from sync.worker.batch import Batch
from sync.worker.fetch import body_bytes, fetch_jobs, raw_events_held
from sync.worker.job_lists import MAINTENANCE_SECONDS, EventQueue, finish, give_back, send_counts, show_in_hand, take
from sync.worker.pace import pause_seconds
from sync.worker.stop import Stop
from sync.worker.usual_gaps import learn_usual_gaps

WORKER_TTL_SECONDS = 60
# How long the worker waits for a job at a time; also how soon an idle worker notices that it shall stop.
WAIT_SECONDS = 1

# How often a worker that waits for the database says that it still holds its jobs.
HOLD_SECONDS = 5

REDIS_SECONDS = 2

log = structlog.get_logger()


class EventWorker(SimpleWorker):
    """RQ's worker, in one process, that coalesces jobs and waits if the database is away.

    It differs from SimpleWorker in what it does with a job, and no signal interrupts it. RQ raises an exception at
    whatever point the code is, which may lose the answer of a command that took a job. This worker takes no
    commands over Redis either, which would cost one more connection a worker.
    """

    queue_class = EventQueue

    def __init__(self, connection: Redis, applier: Applier, stop: Stop) -> None:
        self.applier = applier
        self.stop = stop
        self._given = given_forget_keys("worker", [key.key_id for key in applier.options.forget_keys])
        self._begun = 0.0  # when the last batch began, on the monotonic clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        super().__init__(
            [EventQueue(QUEUE_NAME, connection=connection, serializer=SERIALIZER)],
            connection=connection,
            serializer=SERIALIZER,
            maintenance_interval=MAINTENANCE_SECONDS,
            worker_ttl=WORKER_TTL_SECONDS,
            log_job_description=False,
            default_result_ttl=0,
        )

    @property
    def dequeue_timeout(self) -> int:
        return WAIT_SECONDS

    @property
    def connection_timeout(self) -> int:
        return WAIT_SECONDS + REDIS_SECONDS

    def _install_signal_handlers(self) -> None:
        """Leave signals to `work`, which outlives this worker."""

    def subscribe(self) -> None:
        """Take no commands."""

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """End if Redis is away, instead of trying again without a look at whether to stop."""
        for seen in ("worker", self._given):
            self.applier.counts.see(seen, at=time.time())
        try:
            super().heartbeat(timeout, pipeline)
            if pipeline is None:
                with self.connection.pipeline(transaction=False) as counting:
                    send_counts(counting, self.applier.counts)
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
            raise StopRequested from None

    @property
    def should_run_maintenance_tasks(self) -> bool:
        """RQ asks this before it takes a job, when none is in hand: the moment to stop."""
        if self.stop.is_requested:
            raise StopRequested
        return bool(super().should_run_maintenance_tasks)

    def run_maintenance_tasks(self) -> None:
        super().run_maintenance_tasks()  # type: ignore[no-untyped-call]
        learn_usual_gaps(self.connection)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Apply `job` and what waits behind it, batch by batch, and remove the jobs of each.

        While the database is busy with a full batch, the next batch is taken and read. After a batch that is not full,
        events gather before the next batch, the longer the more come. Ends when the queue is empty, or when something
        else is due.
        """
        self.set_state(WorkerStatus.BUSY)
        batch = Batch(self.applier.batch_size)
        self._read(job.id, job.data, batch, queue)
        self._take(batch, queue)
        while batch.job_ids:
            gathered = time.monotonic() - self._begun
            self._begun += gathered
            next_batch = Batch(self.applier.batch_size)
            if not self._apply(batch, next_batch, queue):
                self._stop_with(batch.job_ids + next_batch.job_ids, queue)
                break
            finish(queue, batch.job_ids, worker_key=self.key, counts=self.applier.counts)
            if next_batch.job_ids and self.stop.is_requested:
                self._stop_with(next_batch.job_ids, queue)
                break
            self._let_gather(self.applier.batch_size if batch.is_full else len(batch.events), gathered)
            if next_batch.job_ids or self._may_go_on:
                self._take(next_batch, queue)  # what came since
            batch = next_batch
        self.set_state(WorkerStatus.IDLE)

    def _let_gather(self, events: int, gathered_seconds: float) -> None:
        """Pause as `sync.worker.pace` says. A signal waits until then: the pause is short, and nothing is in hand."""
        seconds = time.monotonic() - self._begun
        size = self.applier.batch_size
        time.sleep(pause_seconds(events, size, gathered_seconds=gathered_seconds, taken_seconds=seconds))

    def _take(self, batch: Batch, queue: Queue) -> None:
        """Take jobs until `batch` is a full batch or the queue is empty.

        The queue was empty if it gives fewer jobs than it was asked for. Jobs that come while these are read are left
        for the next batch. A steady stream would otherwise always bring one more, and `batch` would never be applied.
        """
        is_empty = False
        while not is_empty and not batch.is_full:
            most = batch.most_that_fit
            job_ids = take(queue, most)
            is_empty = len(job_ids) < most
            remaining_ids = deque(job_ids)
            for job_id, data in fetch_jobs(job_ids, self.connection):
                remaining_ids.popleft()
                self._read(job_id, data, batch, queue)
                if batch.is_full:
                    break
            if remaining_ids:
                give_back(queue, list(remaining_ids))
                return

    def _read(self, job_id: str, data: bytes | None, batch: Batch, queue: Queue) -> None:
        """Add a job, which is in the intermediate list and holds `data`, to `batch`."""
        try:
            raw_events = raw_events_held(data)
        except ValueError:
            self._reject(job_id, queue)
            return
        batch.events += self.applier.read(raw_events)
        batch.job_ids.append(job_id)
        batch.body_bytes += body_bytes(raw_events)

    def _reject(self, job_id: str, queue: Queue) -> None:
        """Put a job that no worker can apply into RQ's failed jobs, where a person finds it."""
        log.error("job.unreadable", job_id=job_id)
        if job := queue.fetch_job(job_id):
            job.retries_left = 0
            self.handle_job_failure(job, queue, exc_string="The job does not hold raw events.")
        self.connection.lrem(queue.intermediate_queue_key, 1, job_id)

    def _apply(self, batch: Batch, next_batch: Batch, queue: Queue) -> bool:
        """Apply `batch`, however long that is impossible, and meanwhile take what comes next into `next_batch`.

        Only behind a full batch: any other left next to nothing in the queue. Return False if asked to stop before the
        database is back.
        """
        backoff = Backoff()
        is_away = False
        is_full = batch.is_full
        while True:
            applied = self._thread.submit(self.applier.apply, batch.events)
            try:
                if is_full and not next_batch.job_ids and not is_away and self._may_go_on:
                    self._take(next_batch, queue)
            finally:
                # Also if Redis is away: a batch is never left to a thread that no code waits for.
                is_away = not self._is_applied(applied, batch, next_batch, queue)
            if not is_away:
                return True
            if not self._pause(backoff.next_seconds(), batch, next_batch, queue):
                return False

    @property
    def _may_go_on(self) -> bool:
        return not self.stop.is_requested and not super().should_run_maintenance_tasks

    def _is_applied(self, applied: Future[None], batch: Batch, next_batch: Batch, queue: Queue) -> bool:
        """Wait for `applied`, visibly alive; return False if the batch must be given again."""
        while True:
            try:
                applied.result(HOLD_SECONDS)
            except TimeoutError:
                # If Redis is away too, the loop still waits for the batch.
                with suppress(StopRequested, redis.exceptions.RedisError):
                    self._hold(batch, next_batch, queue)
            except NotApplied:
                return False
            else:
                return True

    def _pause(self, seconds: float, batch: Batch, next_batch: Batch, queue: Queue) -> bool:
        """Wait about `seconds`, visibly alive and holding on to the jobs; return False if asked to stop."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self.stop.is_requested:
            self._hold(batch, next_batch, queue)
            self.stop.sleep(min(left, HOLD_SECONDS))
        return not self.stop.is_requested

    def _hold(self, batch: Batch, next_batch: Batch, queue: Queue) -> None:
        """Show that this worker lives, and that the jobs in hand are not stranded."""
        self.heartbeat()
        show_in_hand(queue, (*batch.job_ids, *next_batch.job_ids))

    def _stop_with(self, job_ids: Sequence[str], queue: Queue) -> None:
        give_back(queue, job_ids)
        log.info("batch.given_back", jobs=len(job_ids))
