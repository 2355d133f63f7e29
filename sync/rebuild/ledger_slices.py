"""Reads the ledger slice by slice, in the order of its keys. A subject's bodies are never split over two slices."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, and_, func, select, text, true

from models.tables import CAMPAIGNS, LEDGER, MESSAGES
from sync.events.event import Event
from sync.events.interpretation import ParseOptions
from sync.store.ledger_read import event_of, stored_bodies

# The tables whose keys begin with a subject: a slice spans a bounded number of rows of each.
_BY_SUBJECT = (LEDGER, MESSAGES, CAMPAIGNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSubjects:
    """What the ledger holds of some subjects: what each body states, by subject, and how many cannot be read.

    `stored` are the rows of `sync.store.ledger.stored_bodies` that were read, in one order with `read`.
    """

    events: dict[str, list[Event]] = field(default_factory=dict, repr=False)
    unreadable: dict[str, int] = field(default_factory=dict)
    stored: list[Any] = field(default_factory=list, repr=False)
    read: list[Event | None] = field(default_factory=list, repr=False)

    @property
    def fact_count(self) -> int:
        return sum(bool(row.holds) for row in self.stored)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Subjects above `after`, or from the first; up to and with `end`, or to the last."""

    after: str | None
    end: str | None

    def holds(self, subject: Column[str]) -> ColumnElement[bool]:
        above = true() if self.after is None else subject > self.after
        return and_(above, true() if self.end is None else subject <= self.end)


def next_range(connection: Connection, after: str | None, rows: int) -> Range:
    """Return the range above `after` that holds about `rows` rows of the ledger, and no more of a status table.

    A subject's facts make it a few more. The range without an end is the last one.
    """
    above = Range(after=after, end=None)
    ends = []
    for table in _BY_SUBJECT:
        subject, *_ = table.primary_key
        query = select(subject).where(above.holds(subject)).order_by(*table.primary_key)
        ends.append(connection.execute(query.offset(rows - 1).limit(1)).scalar())
    return Range(after=after, end=min((end for end in ends if end is not None), default=None))


def read_ledger(
    connection: Connection, is_wanted: Callable[[Column[str]], ColumnElement[bool]], options: ParseOptions
) -> KnownSubjects:
    """Return what the ledger holds of the subjects that are wanted.

    A body that this version refuses, or reads as a fact of another key than it was filed under, is unreadable.
    """
    ledger = KnownSubjects()
    for row in connection.execute(stored_bodies(is_wanted, with_ledger_origin=True)):
        event = event_of(row, options)
        if event is not None and event.key == (row.subject_id, row.event):
            ledger.events.setdefault(row.subject_id, []).append(event)
        else:
            event = None
            ledger.unreadable[row.subject_id] = ledger.unreadable.get(row.subject_id, 0) + 1
        ledger.stored.append(row)
        ledger.read.append(event)
    return ledger


def estimate_facts(connection: Connection) -> int:
    """Return about how many facts the ledger holds, without counting them if the database has a figure."""
    if connection.dialect.name == "sqlite":
        figure = text("SELECT coalesce(max(rowid), 0) FROM events")
    else:
        figure = text("SELECT reltuples FROM pg_class WHERE oid = 'events'::regclass")
    estimate = connection.execute(figure).scalar_one()
    return int(estimate) if estimate > 0 else connection.execute(select(func.count()).select_from(LEDGER)).scalar_one()
