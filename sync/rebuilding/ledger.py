"""Reads the ledger slice by slice, in the order of its keys. A subject's facts are never split over two slices."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Column, ColumnElement, Connection, and_, func, select, text, true

from sync.events import Event
from sync.reading import Reading
from sync.store import CAMPAIGNS, LEDGER, MESSAGES, fact_of

# The tables whose keys begin with a subject: a slice spans a bounded number of rows of each.
_BY_SUBJECT = (LEDGER, MESSAGES, CAMPAIGNS)
_NOTHING: Mapping[str, list[Event]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the ledger holds of some subjects: facts by subject, and how many bodies of each cannot be read."""

    facts: dict[str, list[Event]] = field(default_factory=dict, repr=False)
    unreadable: dict[str, int] = field(default_factory=dict)

    @property
    def fact_count(self) -> int:
        return sum(map(len, self.facts.values())) + sum(self.unreadable.values())


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
    connection: Connection,
    condition: ColumnElement[bool],
    reading: Reading,
    before: Mapping[str, list[Event]] = _NOTHING,
) -> Known:
    """Return what the ledger holds where `condition` is true.

    A body that this version refuses, or reads as a fact of another key than it was filed under, is unreadable.
    Facts read `before`, by subject, are taken from there where the ledger still has the same bodies.
    """
    known = Known()
    read = {fact.key: fact for facts in before.values() for fact in facts}
    query = select(LEDGER.c.subject_id, LEDGER.c.event, LEDGER.c.received_at, LEDGER.c.body).where(condition)
    for subject, name, received_at, body in connection.execute(query):
        fact = read.get((subject, name))
        if fact is None or fact.body != body or fact.received_at != received_at:
            fact = fact_of(body, received_at, reading)
        if fact is not None and fact.key == (subject, name):
            known.facts.setdefault(subject, []).append(fact)
        else:
            known.unreadable[subject] = known.unreadable.get(subject, 0) + 1
    return known


def estimate_facts(connection: Connection) -> int:
    """Return about how many facts the ledger holds, without counting them where the database has a figure."""
    if connection.dialect.name == "sqlite":
        figure = text("SELECT coalesce(max(rowid), 0) FROM events")
    else:
        figure = text("SELECT reltuples FROM pg_class WHERE oid = 'events'::regclass")
    found = connection.execute(figure).scalar_one()
    return int(found) if found > 0 else connection.execute(select(func.count()).select_from(LEDGER)).scalar_one()
