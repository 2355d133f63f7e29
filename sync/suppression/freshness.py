"""How fresh the table of opt-outs is: what was acknowledged and is not in it yet.

An opt-out that waits stands in the queue (or a worker's hand, or a failed job), in the inbox, or in the dead
letters. It goes from one place to the next or into the table in one transaction, the queue always first. So no
opt-out is missed on its way if the queue is asked before the database, and the database in one statement.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Label, and_, bindparam, func, or_, select, true

from models.tables import DEAD_LETTERS, INBOX, NAMELESS_OPT_OUTS
from sync.queue.waiting import WaitingInRedis

_ONE = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """`as_of` is the time up to which every acknowledged opt-out is reflected, None if that cannot be known.

    `held_by` says where an older opt-out waits: `queue`, `inbox` or `dead_letters`. It is `message` if the opt-out's
    message has to name the person, and None if nothing waits. A store that did not answer is named likewise.
    `clock_offset_seconds` is how far the clock of a store is from ours, that of the store that is farther off.
    """

    as_of: datetime | None
    held_by: str | None
    clock_offset_seconds: float = 0.0

    def is_within(self, staleness: timedelta, now: datetime) -> bool:
        return self.as_of is not None and now - self.as_of <= staleness and self._is_clock_within(staleness)

    def judged(self, staleness: timedelta) -> "Freshness":
        """Return what may be said of this freshness: nothing if clocks differ by more than `staleness`."""
        if self.as_of is None or self._is_clock_within(staleness):
            return self
        return replace(self, as_of=None, held_by="clock")

    def _is_clock_within(self, staleness: timedelta) -> bool:
        return self.clock_offset_seconds <= staleness.total_seconds()


def waiting_columns() -> tuple[Label[Any], ...]:
    """Return what is asked of the database, together with the opt-outs themselves, to know how fresh these are.

    The parameter `oldest_in_queue` is when the oldest event that waits there was received, None if none does.
    """
    holds_until, oldest_in_inbox = NAMELESS_OPT_OUTS.c.holds_until, _earliest(INBOX.c.received_at, true())
    may_be_named = or_(
        holds_until >= bindparam("oldest_in_queue", type_=holds_until.type), holds_until >= oldest_in_inbox
    )
    return (
        _earliest(INBOX.c.received_at, INBOX.c.may_opt_out).label("in_inbox"),
        _earliest(
            DEAD_LETTERS.c.received_at, and_(DEAD_LETTERS.c.may_opt_out, DEAD_LETTERS.c.resolved_at.is_(None))
        ).label("in_dead_letters"),
        _earliest(NAMELESS_OPT_OUTS.c.received_at, may_be_named).label("nameless"),
    )


def _earliest(time: ColumnElement[datetime], condition: ColumnElement[bool]) -> ColumnElement[datetime]:
    return select(func.min(time)).where(condition).scalar_subquery()


def freshness_of(
    begun: datetime, queued: WaitingInRedis, in_database: "WaitingInDatabase", database_offset: float
) -> Freshness:
    """Return how fresh opt-outs are that were read after `begun`, and after the queue was asked.

    `database_offset` is by how many seconds the database's clock is ahead of ours.
    """
    offset = max(abs(queued.clock_offset_seconds), abs(database_offset))
    holders = [
        ("queue", queued.oldest_opt_out),
        ("inbox", in_database.in_inbox),
        ("dead_letters", in_database.in_dead_letters),
        ("message", in_database.nameless),
    ]
    oldest = min(((time, name) for name, time in holders if time), default=None)
    if oldest is None or oldest[0] >= begun:
        return Freshness(as_of=begun, held_by=None, clock_offset_seconds=offset)
    # Only what is older than the oldest that waits is surely reflected.
    return Freshness(as_of=oldest[0] - _ONE, held_by=oldest[1], clock_offset_seconds=offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingInDatabase:
    """The values of `waiting_columns`."""

    in_inbox: datetime | None
    in_dead_letters: datetime | None
    nameless: datetime | None
