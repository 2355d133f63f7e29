"""Applies raw events to the database of this process, opened once from the environment.

RQ calls `apply_job` by its name, so it cannot be handed a database; our own worker uses the same applier.
"""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from models.database import open_database
from models.errors import Fault, error_line, error_reason, fault_of
from sync.events.interpretation import ParseOptions
from sync.events.raw import BODY_BYTES_MAX, RawEvent, from_json
from sync.queue.counts import Counts
from sync.rollups.compact import DELTAS_PER_TRANSACTION, compact
from sync.settings.sentry_client import report
from sync.settings.worker import WorkerSettings
from sync.store.apply import Read, drain, merge, read
from sync.store.singly import ItemsHeld
from sync.worker.counting import count
from sync.worker.running_statements import RunningStatements

STATEMENT_SECONDS = 60
# SQLite's wait for another writer cannot be cancelled, so it is short enough for a worker that was asked to stop.
BUSY_SECONDS = 5
# A worker that began a batch this long ago applies events; work that people ask for then takes a third of its time.
BUSY_FOR_SECONDS = 0.5
CONNECTIONS = 2  # one applies what comes from the queue, one drains the inbox and compacts

# Bodies of a batch in hand, unless one job or row alone has more. It is a hundred times what a full batch usually has.
# The largest bodies allowed, read, merged and sent, take several times their size in memory, for two batches at once.
BATCH_BYTES = 8 * 1024 * 1024
# So many requests a line about a batch names: enough for a batch that somebody looks for.
REQUEST_IDS_LOGGED = 20
# How often a batch is given to the database before its events are looked at one by one, if the error may pass.
TRIES = 3

log = structlog.get_logger()


class NotApplied(Exception):  # noqa: N818 - a state, not a mistake
    """A batch could not be applied now; the text is one line that quotes nothing of it."""


@dataclass(slots=True)
class _Lane:
    """The source of batches, the queue or the inbox, and what became of the latest batch."""

    source: str
    tries: int = 0
    is_held: bool = False


class Applier:
    """Applies raw events to one database, in transactions of at most `batch_size` events.

    `read`, `apply` and `drain` may run at the same time, in a thread each; `compact` in that of `drain`.
    """

    def __init__(self, engine: Engine, *, options: ParseOptions, batch_size: int) -> None:
        self.engine = engine
        self.counts = Counts()
        self.options = options
        self.batch_size = batch_size
        self._running = RunningStatements(engine)
        self._queue, self._inbox = _Lane("queue"), _Lane("inbox")
        self._is_away = False
        self._is_cancelled = False
        self._applied_at = -BUSY_FOR_SECONDS

    def read(self, raw_events: Iterable[RawEvent]) -> list[Read]:
        """Return what each of `raw_events` states; the database is not asked."""
        return read(raw_events, self.options)

    def apply(self, events: Sequence[Read]) -> None:
        """Merge `events`; raise NotApplied if some were not applied: all may be given again."""
        try:
            for start in range(0, len(events), self.batch_size):
                self._apply_batch(events[start : start + self.batch_size])
        except Exception as error:
            raise self._not_applied(self._queue, error) from None
        self._applied(self._queue)

    def _apply_batch(self, batch: Sequence[Read]) -> None:
        begun = self._applied_at = time.monotonic()
        now = datetime.now(UTC)
        tally = merge(self.engine, batch, options=self.options, now=now, is_patient=_is_patient(self._queue))
        count(tally, self.counts)
        waited = now - min(item.raw.received_at for item in batch)
        log.info(
            "batch.applied",
            **tally.logged(),
            milliseconds=_milliseconds_since(begun),
            waited_milliseconds=round(waited.total_seconds() * 1000, 1),
            request_ids=[item.raw.request_id for item in batch[:REQUEST_IDS_LOGGED] if item.raw.request_id],
        )

    @property
    def is_busy(self) -> bool:
        """Return whether events came from the queue just now."""
        return time.monotonic() - self._applied_at < BUSY_FOR_SECONDS

    def drain(self) -> bool:
        """Merge a batch of what is due of the inbox; return whether more may be. Raises NotApplied."""
        begun = time.monotonic()
        try:
            tally = drain(
                self.engine,
                self.batch_size,
                options=self.options,
                now=datetime.now(UTC),
                bytes_max=BATCH_BYTES,
                is_patient=_is_patient(self._inbox),
            )
        except Exception as error:
            raise self._not_applied(self._inbox, error) from None
        if tally.received or self._inbox.is_held:
            self._applied(self._inbox)
        if tally.received:
            count(tally, self.counts)
            log.info("inbox.drained", **tally.logged(), milliseconds=_milliseconds_since(begun))
        # A batch that was bounded by its bytes has room for no further body of the largest size.
        return tally.received == self.batch_size or tally.body_bytes > BATCH_BYTES - BODY_BYTES_MAX

    def compact(self) -> bool:
        """Fold what waits for it into the roll-ups; return whether more may. Raises NotApplied."""
        try:
            return compact(self.engine) == DELTAS_PER_TRANSACTION
        except DBAPIError as error:
            raise NotApplied(error_line(error)) from None

    def cancel(self) -> None:
        """Cancel what the database is busy with, as this process shall end: it raises NotApplied."""
        self._is_cancelled = True
        self._running.cancel()

    def _not_applied(self, lane: _Lane, error: Exception) -> NotApplied:
        """Say what keeps a batch from being applied, once for as long as it lasts."""
        reason = error_reason(error)
        fault = fault_of(error)
        if fault is Fault.ABSENCE:
            if not self._is_away and not self._is_cancelled:
                log.error("database.away", error=reason)
                report("database.away", reason, error)
            self._is_away = True
        elif fault is Fault.UNCERTAIN and _is_patient(lane):
            lane.tries += 1
            log.warning("batch.failed", source=lane.source, error=reason, tries=lane.tries)
            report("batch.failed", reason, error, source=lane.source)
        elif not lane.is_held:
            lane.is_held = True
            why = str(error) if isinstance(error, ItemsHeld) else reason
            log.error("batch.held", source=lane.source, error=why)
            report("batch.held", why, error, source=lane.source)
        return NotApplied(reason)

    def _applied(self, lane: _Lane) -> None:
        if self._is_away:
            log.info("database.back")
        if lane.is_held:
            log.info("batch.released", source=lane.source)
        self._is_away = lane.is_held = False
        lane.tries = 0


def _is_patient(lane: _Lane) -> bool:
    return lane.tries < TRIES - 1


def _milliseconds_since(begun: float) -> float:
    return round((time.monotonic() - begun) * 1000, 1)


@cache
def applier() -> Applier:
    """Return this process's applier, opened on first use with the settings of the environment."""
    settings = WorkerSettings.read(os.environ)
    engine = open_database(
        settings.database_url,
        pool_size=CONNECTIONS,
        statement_seconds=STATEMENT_SECONDS,
        busy_seconds=BUSY_SECONDS,
    )
    return Applier(engine, options=settings.parse_options, batch_size=settings.batch_size)


def apply_job(pairs: list[list[str]]) -> None:
    """Apply one job; RQ calls this by name (`sync.queue.jobs.JOB_FUNCTION`)."""
    ours = applier()
    ours.apply(ours.read(from_json(pairs)))
