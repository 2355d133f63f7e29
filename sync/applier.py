"""Applies raw events to the database of this process, opened once from the environment.

RQ calls `apply_job` by its name, so it cannot be handed a database; our own worker uses the same applier.
"""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from models.database import open_database
from models.errors import error_line
from sync.apply import Read, Tally, drain, merge, read
from sync.raw_events import RawEvent, from_json
from sync.reading import Reading
from sync.reports.compacting import DELTAS_PER_TRANSACTION, compact
from sync.settings import WorkerSettings

STATEMENT_SECONDS = 60
CONNECTIONS = 2  # one applies what comes from the queue, one drains the inbox and compacts

log = structlog.get_logger()


class DatabaseAway(Exception):  # noqa: N818 - a state, not a mistake
    """The database could not take a batch now; the text is one line that quotes nothing of it."""


class Applier:
    """Applies raw events to one database, in transactions of at most `batch_size` events.

    `read`, `apply` and `drain` may run at the same time, in a thread each; `compact` in that of `drain`.
    """

    def __init__(self, engine: Engine, *, reading: Reading, batch_size: int) -> None:
        self.engine = engine
        self.reading = reading
        self.batch_size = batch_size
        self._is_away = False

    def read(self, raw_events: Iterable[RawEvent]) -> list[Read]:
        """Return what each of `raw_events` states; the database is not asked."""
        return read(raw_events, self.reading)

    def apply(self, events: Sequence[Read]) -> None:
        """Merge `events`; raise DatabaseAway where some were not applied: all may be given again."""
        for start in range(0, len(events), self.batch_size):
            self._apply_batch(events[start : start + self.batch_size])

    def _apply_batch(self, batch: Sequence[Read]) -> None:
        begun = time.monotonic()
        now = datetime.now(UTC)
        try:
            tally = merge(self.engine, batch, reading=self.reading, now=now)
        except DBAPIError as error:
            raise self._away(error) from None
        self._back()
        waited = now - min(raw.received_at for raw, _ in batch)
        _log("batch.applied", tally, begun, waited_milliseconds=round(waited.total_seconds() * 1000, 1))

    def drain(self) -> bool:
        """Merge a batch of what is due of the inbox; return whether more may be. Raises DatabaseAway."""
        begun = time.monotonic()
        try:
            tally = drain(self.engine, self.batch_size, reading=self.reading, now=datetime.now(UTC))
        except DBAPIError as error:
            raise self._away(error) from None
        if tally.received:
            self._back()
            _log("inbox.drained", tally, begun)
        return tally.received == self.batch_size

    def compact(self) -> bool:
        """Fold what waits for it into the roll-ups; return whether more may. Raises DatabaseAway."""
        try:
            return compact(self.engine) == DELTAS_PER_TRANSACTION
        except DBAPIError as error:
            raise DatabaseAway(error_line(error)) from None

    def _away(self, error: DBAPIError) -> DatabaseAway:
        if not self._is_away:
            log.error("database.away", error=error_line(error))
        self._is_away = True
        return DatabaseAway(error_line(error))

    def _back(self) -> None:
        if self._is_away:
            log.info("database.back")
        self._is_away = False


def _log(event: str, tally: Tally, begun: float, **more: float) -> None:
    log.info(event, **asdict(tally), milliseconds=round((time.monotonic() - begun) * 1000, 1), **more)


@cache
def applier() -> Applier:
    """Return this process's applier, opened on first use with the settings of the environment."""
    settings = WorkerSettings.read(os.environ)
    engine = open_database(settings.database_url, pool_size=CONNECTIONS, statement_seconds=STATEMENT_SECONDS)
    return Applier(engine, reading=settings.reading, batch_size=settings.batch_size)


def apply_job(pairs: list[list[str]]) -> None:
    """Apply one job; RQ calls this by name (`sync.queue.JOB_FUNCTION`)."""
    ours = applier()
    ours.apply(ours.read(from_json(pairs)))
