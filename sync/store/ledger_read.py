"""What the ledger holds, read back: every body of a subject, and what it states."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, CompoundSelect, Connection, literal, select, union_all

from models.statements import is_one_of, slices
from models.tables import BODIES, FURTHER_BODIES, LEDGER
from sync.events.event import Event, Unreadable
from sync.events.interpretation import ParseOptions
from sync.events.parse import parse
from sync.events.raw import RawEvent
from sync.events.remains import event_of_remains, is_remains


def read_events(
    connection: Connection, subjects: Sequence[str], options: ParseOptions, parsed: Iterable[Event] = ()
) -> list[Event]:
    """Return what every body of `subjects` states, with its earliest receipt.

    A body that this version refuses, or reads as a fact of another key, is left out. `parsed` are events that need not
    be parsed again.
    """
    parsed_before = {(event.digest, event.received_at): event for event in parsed}
    events: list[Event] = []
    for piece in slices(subjects):

        def is_wanted(subject: Column[str], piece: Sequence[str] = piece) -> ColumnElement[bool]:
            return is_one_of(connection, subject, piece)

        for row in connection.execute(stored_bodies(is_wanted)):
            event = parsed_before.get((row.digest, row.received_at)) or event_of(row.body, row.received_at, options)
            if event is not None and event.key == (row.subject_id, row.event):
                events.append(event)
    return events


def stored_bodies(is_wanted: Callable[[Column[str]], ColumnElement[bool]]) -> CompoundSelect[Any]:
    """Return the query of every body whose subject `is_wanted`, with what the ledger knows of it.

    Columns: subject_id, event, digest, occurred_at, is_dated, received_at, body, and whether it `holds` under its key.
    """
    parts = []
    for table in (LEDGER, FURTHER_BODIES):
        names = ("subject_id", "event", "digest", "occurred_at", "is_dated", "received_at")
        columns = (*(table.c[name] for name in names), BODIES.c.body, literal(table is LEDGER).label("holds"))
        source = table.join(BODIES, BODIES.c.id == table.c.body_id)
        parts.append(select(*columns).select_from(source).where(is_wanted(table.c.subject_id)))
    return union_all(*parts)


def event_of(body: bytes, received_at: datetime, options: ParseOptions) -> Event | None:
    """Return what a stored body states; None if an earlier version read a body that this one refuses."""
    if is_remains(body):
        return event_of_remains(body, received_at)
    try:
        return parse(RawEvent(body=body, received_at=received_at), options)
    except Unreadable:
        return None
