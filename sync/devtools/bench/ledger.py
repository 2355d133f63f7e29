"""Reads from the ledger how fast events were applied. `applied_at` is when the batch of an event was begun."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine, func, select

from models.tables import LEDGER
from sync.devtools.dev.processes import DevelopmentError


def applied_per_second(engine: Engine, *, events: int, since: datetime | None = None) -> float:
    """Return the events per second from the begin of the first batch to the begin of the last, leaving out the last.

    So the time in which processes start does not count. Batches of before `since` are left out. Raises
    DevelopmentError unless the ledger took exactly `events`, in more than one batch.
    """
    query = select(LEDGER.c.applied_at, func.count()).group_by(LEDGER.c.applied_at).order_by(LEDGER.c.applied_at)
    if since:
        query = query.where(LEDGER.c.applied_at >= since)
    with engine.connect() as connection:
        batches: list[tuple[datetime, int]] = [(row[0], row[1]) for row in connection.execute(query)]
    applied = sum(count for _, count in batches)
    if applied != events:
        raise DevelopmentError(f"{applied:,} of {events:,} events were applied: such a run proves nothing")
    if len(batches) < 2:
        raise DevelopmentError(f"{events:,} events are a single batch, which cannot be timed: give more --events")
    (first, _), (last, in_last) = batches[0], batches[-1]
    seconds: float = (last - first).total_seconds()
    return (applied - in_last) / seconds


class EventTimes:
    """When the events of a ledger were received and applied, in seconds since the first was received."""

    def __init__(self, engine: Engine) -> None:
        with engine.connect() as connection:
            rows = connection.execute(select(LEDGER.c.received_at, LEDGER.c.applied_at)).all()
        begin = min((row.received_at for row in rows), default=None)
        self.received = [_since(begin, row.received_at) for row in rows]
        self.applied = [_since(begin, row.applied_at) for row in rows]

    def waiting_at(self, time: float) -> int:
        """Return how many events were received, and no batch with them begun."""
        return _until(self.received, time) - _until(self.applied, time)

    def applied_between(self, begin: float, end: float) -> int:
        return _until(self.applied, end) - _until(self.applied, begin)

    def received_between(self, begin: float, end: float) -> int:
        return _until(self.received, end) - _until(self.received, begin)


def _since(begin: datetime | None, time: datetime) -> float:
    return (time - begin) / timedelta(seconds=1) if begin else 0.0


def _until(times: Sequence[float], end: float) -> int:
    return sum(time <= end for time in times)
