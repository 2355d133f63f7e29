"""Applies raw events to the database of this process, opened once from the environment.

RQ calls `apply_job` by its name, so it cannot be handed a database; our own worker uses the same applier.
"""

import os
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from models.database import open_database
from sync.apply import Parsed, Tally, merge, read
from sync.raw_events import RawEvent, from_json
from sync.settings import WorkerSettings

STATEMENT_SECONDS = 60

log = structlog.get_logger()


class DatabaseAway(Exception):  # noqa: N818 - a state, not a mistake
    """The database could not take a batch now; the text is the kind of error, because its own may quote it."""


class Applier:
    """Applies raw events to one database, in transactions of at most `batch_size` events.

    `read` and `apply` may run in different threads, but each in one only.
    """

    def __init__(self, engine: Engine, *, default_region: str, batch_size: int) -> None:
        self.engine = engine
        self.default_region = default_region
        self.batch_size = batch_size

    def read(self, raw_events: Iterable[RawEvent]) -> list[Parsed]:
        """Return what each of `raw_events` states; the database is not asked."""
        return read(raw_events, self.default_region)

    def apply(self, parsed: Sequence[Parsed]) -> None:
        """Merge `parsed`; raise DatabaseAway where some were not applied: all may be given again."""
        for start in range(0, len(parsed), self.batch_size):
            self._apply_batch(parsed[start : start + self.batch_size])

    def _apply_batch(self, batch: Sequence[Parsed]) -> None:
        begun = time.monotonic()
        now = datetime.now(UTC)
        try:
            tally = merge(self.engine, batch, default_region=self.default_region, now=now)
        except DBAPIError as error:
            raise DatabaseAway(error_kind(error)) from None
        _log_batch(tally, batch, now, time.monotonic() - begun)


def _log_batch(tally: Tally, batch: Sequence[Parsed], now: datetime, seconds: float) -> None:
    log.info(
        "batch.applied",
        received=tally.received,
        applied=tally.applied,
        ignored=tally.ignored,
        unchanged=tally.unchanged,
        dead=tally.dead,
        milliseconds=round(seconds * 1000, 1),
        waited_milliseconds=round((now - min(one.received_at for one in batch)).total_seconds() * 1000, 1),
    )


def error_kind(error: DBAPIError) -> str:
    """Return the name of the driver's error, which says enough and quotes nothing."""
    return type(error.orig or error).__name__


@cache
def applier() -> Applier:
    """Return this process's applier, opened on first use with the settings of the environment."""
    settings = WorkerSettings.read(os.environ)
    engine = open_database(settings.database_url, pool_size=1, statement_seconds=STATEMENT_SECONDS)
    return Applier(engine, default_region=settings.default_region, batch_size=settings.batch_size)


def apply_job(pairs: list[list[str]]) -> None:
    """Apply one job; RQ calls this by name (`sync.queue.JOB_FUNCTION`)."""
    ours = applier()
    ours.apply(ours.read(from_json(pairs)))
