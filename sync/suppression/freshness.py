"""How fresh the table of opt-outs is: what was acknowledged and is not in it yet.

An opt-out that waits stands in the queue (or a worker's hand, or a failed job), in the inbox, or among the dead
letters. It goes from one to the next or into the table in one transaction, the queue always first. So whoever asks
the queue before the database, and the database for all the rest in one statement, misses none on its way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Label, and_, bindparam, exists, func, select

from sync.queue import WaitingOptOuts
from sync.store import DEAD_LETTERS, INBOX, MESSAGES

# Where a failed opt-out could keep a look-up from an answer for ever, only what is younger counts.
NAMELESS_FOR = timedelta(hours=1)
_ONE = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """`as_of` is the moment up to which every acknowledged opt-out is reflected, None where that cannot be known.

    `held_by` says where an older one waits: `queue`, `inbox`, `dead_letters` or, where its message is to tell whose
    it is, `message`; None where nothing waits. A store that did not answer is named likewise.
    """

    as_of: datetime | None
    held_by: str | None

    def is_within(self, staleness: timedelta, now: datetime) -> bool:
        return self.as_of is not None and now - self.as_of <= staleness


def waiting_columns() -> tuple[Label[Any], ...]:
    """Return what is asked of the database, together with the opt-outs themselves, to know how fresh these are.

    The parameter `nameless_since` is the moment of asking less NAMELESS_FOR.
    """
    is_nameless = and_(
        MESSAGES.c.opted_out_at.is_not(None),
        MESSAGES.c.recipient.is_(None),
        MESSAGES.c.opted_out_at > bindparam("nameless_since", type_=MESSAGES.c.opted_out_at.type),
    )
    return (
        _earliest(INBOX.c.received_at, INBOX.c.may_opt_out).label("in_inbox"),
        _earliest(
            DEAD_LETTERS.c.received_at, and_(DEAD_LETTERS.c.may_opt_out, DEAD_LETTERS.c.resolved_at.is_(None))
        ).label("in_dead_letters"),
        _earliest(MESSAGES.c.opted_out_at, is_nameless).label("nameless"),
        exists(select(INBOX.c.id)).label("is_inbox_used"),
    )


def _earliest(moment: ColumnElement[datetime], condition: ColumnElement[bool]) -> ColumnElement[datetime]:
    return select(func.min(moment)).where(condition).scalar_subquery()


def freshness(begun: datetime, queued: WaitingOptOuts, in_database: "InDatabase") -> Freshness:
    """Return how fresh opt-outs are that were read after `begun`, and after the queue was asked."""
    holders = [("queue", queued.oldest), *in_database.holders(is_queue_used=queued.is_any_waiting)]
    oldest = min(((moment, name) for name, moment in holders if moment), default=None)
    if oldest is None or oldest[0] >= begun:
        return Freshness(as_of=begun, held_by=None)
    # Only what is older than the oldest that waits is surely reflected.
    return Freshness(as_of=oldest[0] - _ONE, held_by=oldest[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class InDatabase:
    """The values of `waiting_columns`."""

    in_inbox: datetime | None
    in_dead_letters: datetime | None
    nameless: datetime | None
    is_inbox_used: bool

    def holders(self, *, is_queue_used: bool) -> Iterator[tuple[str, datetime | None]]:
        yield "inbox", self.in_inbox
        yield "dead_letters", self.in_dead_letters
        # Whose it is may be told by what still waits; where nothing does, all is said that was ever told.
        if is_queue_used or self.is_inbox_used:
            yield "message", self.nameless
