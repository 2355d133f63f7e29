"""Writes marks and outages into the database. Every function works in the caller's transaction.

The process that records holds the row of `last_reachable`, so that one outage is recorded once,
however many processes find it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Insert, delete, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from models.tables import LAST_REACHABLE, OUTAGES
from sync.provider.outages.marks import (
    GAP_SECONDS,
    DatabaseMark,
    Gap,
    OutageKind,
    RedisMarks,
    Span,
    believed,
    unreachable_since,
)

_ONLY = 1  # the id of the one row


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOutage:
    """An outage that was recorded just now, or whose end was: for the log. Epoch seconds; no end while it lasts."""

    began: float
    ended: float | None
    kind: OutageKind

    def logged(self) -> dict[str, str | None]:
        return {
            "began_at": time_of(self.began).isoformat(),
            "ended_at": None if self.ended is None else time_of(self.ended).isoformat(),
            "kind": self.kind,
        }


def record_span(
    connection: Connection, span: Span, *, gaps: Sequence[Gap], due_seconds: float, gap_seconds: float = GAP_SECONDS
) -> list[NewOutage]:
    """Mark the end of `span`, and record the outages that end with it and with `gaps`; return those.

    For `due_seconds` there may be marks in Redis only.
    """
    mark = _locked_mark(connection)
    recorded = _record_gaps(connection, gaps, mark, span.at, gap_seconds)
    ours = Gap(began=believed(span.before, span.at), ended=span.since, kind=span.kind)
    _remove_mistaken(connection, span.since, gap_seconds)
    outages = _end_open(connection, ours, gap_seconds)
    if not outages and not span.is_recorded:
        outages = _fill(connection, ours, mark, span.at, gap_seconds)
    _write_mark(connection, mark, span.at, due_seconds)
    return recorded + outages


def record_gaps(
    connection: Connection, gaps: Sequence[Gap], *, now: float, gap_seconds: float = GAP_SECONDS
) -> list[NewOutage]:
    """Record the outages that `gaps` are, unless they are recorded; return those. For who leaves no marks."""
    return _record_gaps(connection, gaps, _locked_mark(connection), now, gap_seconds)


def begin_outage(connection: Connection, now: float, redis: RedisMarks | None) -> list[NewOutage]:
    """Record that an outage lasts, if it does and that is not recorded; return it.

    `redis` is what Redis said a moment ago, None if it did not answer.
    """
    since = unreachable_since(now, redis, _locked_mark(connection))
    if since is None or _open_rows(connection):
        return []
    new = NewOutage(began=since, ended=None, kind=OutageKind.NO_PROCESS)
    _insert(connection, new)
    return [new]


def read_mark(connection: Connection) -> DatabaseMark | None:
    """Return the latest mark in the database, None if no web process ever left one."""
    row = connection.execute(select(LAST_REACHABLE.c.marked_at, LAST_REACHABLE.c.due_at)).first()
    return row and DatabaseMark(at=row.marked_at.timestamp(), due=row.due_at.timestamp())


def time_of(epoch: float) -> datetime:
    """Return epoch seconds as an aware time."""
    return datetime.fromtimestamp(epoch, UTC)


def _locked_mark(connection: Connection) -> DatabaseMark | None:
    """Return the mark, once no other transaction records. On SQLite every transaction waits for the one before."""
    query = select(LAST_REACHABLE.c.marked_at, LAST_REACHABLE.c.due_at).with_for_update()
    row = connection.execute(query).first()
    return row and DatabaseMark(at=row.marked_at.timestamp(), due=row.due_at.timestamp())


def _record_gaps(
    connection: Connection, gaps: Sequence[Gap], mark: DatabaseMark | None, now: float, gap_seconds: float
) -> list[NewOutage]:
    recorded = []
    for gap in sorted(gaps, key=lambda gap: gap.ended):
        recorded += _end_open(connection, gap, gap_seconds) or _fill(connection, gap, mark, now, gap_seconds)
    return recorded


def _remove_mistaken(connection: Connection, since: float, gap_seconds: float) -> None:
    """Remove an outage that lasts, and in which a process could acknowledge deliveries all the time, `since` before."""
    mistaken = OUTAGES.c.ended_at.is_(None) & (OUTAGES.c.began_at >= time_of(since - gap_seconds))
    connection.execute(delete(OUTAGES).where(mistaken))


def _end_open(connection: Connection, gap: Gap, gap_seconds: float) -> list[NewOutage]:
    """End the outage that lasts when `gap` ends."""
    outages = []
    for row in _open_rows(connection):
        began = row.began_at.timestamp()
        if gap.ended - began > gap_seconds:
            outages.append(NewOutage(began=began, ended=gap.ended, kind=gap.kind))
            values = {"ended_at": time_of(gap.ended), "kind": gap.kind}
            connection.execute(update(OUTAGES).where(OUTAGES.c.id == row.id).values(values))
    return outages


def _fill(
    connection: Connection, gap: Gap, mark: DatabaseMark | None, now: float, gap_seconds: float
) -> list[NewOutage]:
    """Record `gap` unless it is too short, or there is an outage in it already."""
    began = late_from = gap.began
    marked = believed(mark.at, now) if mark else None
    if mark and marked is not None and (began or 0.0) < marked < gap.ended:
        began, late_from = marked, mark.due
    if began is None or late_from is None or gap.ended - late_from <= gap_seconds:
        return []
    within = [OUTAGES.c.began_at < time_of(gap.ended)]
    within.append(or_(OUTAGES.c.ended_at.is_(None), OUTAGES.c.ended_at > time_of(began)))
    if connection.execute(select(OUTAGES.c.id).where(*within).limit(1)).first():
        return []
    new = NewOutage(began=began, ended=gap.ended, kind=gap.kind)
    _insert(connection, new)
    return [new]


def _open_rows(connection: Connection) -> Sequence[Any]:
    query = select(OUTAGES.c.id, OUTAGES.c.began_at).where(OUTAGES.c.ended_at.is_(None))
    return connection.execute(query).all()


def _insert(connection: Connection, new: NewOutage) -> None:
    ended_at = None if new.ended is None else time_of(new.ended)
    values = {"began_at": time_of(new.began), "ended_at": ended_at, "kind": new.kind}
    connection.execute(insert(OUTAGES).values(values))


def _write_mark(connection: Connection, mark: DatabaseMark | None, at: float, due_seconds: float) -> None:
    latest, due = at, at + due_seconds
    if mark is not None and believed(mark.at, at) is not None:
        latest, due = max(latest, mark.at), max(due, mark.due)
    values = {"marked_at": time_of(latest), "due_at": time_of(due)}
    statement = _upsert(connection).values(values | {"id": _ONLY})
    connection.execute(statement.on_conflict_do_update(index_elements=[LAST_REACHABLE.c.id], set_=values))


def _upsert(connection: Connection) -> Any:
    dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement: Insert = dialect.insert(LAST_REACHABLE)
    return statement
