"""What the ledger holds, read back: every body of a subject, and what it states."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, CompoundSelect, Connection, literal, select, union_all

from models.statements import is_one_of, slices
from models.tables import BODIES, FURTHER_BODIES, LEDGER
from sync.events.event import Event, Origin, Unreadable
from sync.events.interpretation import ParseOptions
from sync.events.parse import parse
from sync.events.polled import parse_answer
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
            event = parsed_before.get((row.digest, row.received_at)) or event_of(row, options)
            if event is not None and event.key == (row.subject_id, row.event):
                events.append(event)
    return events


def stored_bodies(
    is_wanted: Callable[[Column[str]], ColumnElement[bool]], *, with_ledger_origin: bool = False
) -> CompoundSelect[Any]:
    """Return the query of every body whose subject `is_wanted`, with what the ledger knows of it.

    Columns: subject_id, event, digest, occurred_at, is_dated, received_at, body, origin, and whether it `holds` under
    its key. The origin is that of the body; `ledger_origin`, if asked for, what the ledger says of it.
    """
    parts = []
    for table in (LEDGER, FURTHER_BODIES):
        names = ("subject_id", "event", "digest", "occurred_at", "is_dated", "received_at")
        of_body = (BODIES.c.body, BODIES.c.origin, literal(table is LEDGER).label("holds"))
        columns = (*(table.c[name] for name in names), *of_body)
        if with_ledger_origin:
            columns = (*columns, table.c.origin.label("ledger_origin"))
        source = table.join(BODIES, BODIES.c.id == table.c.body_id)
        parts.append(select(*columns).select_from(source).where(is_wanted(table.c.subject_id)))
    return union_all(*parts)


def event_of(row: Any, options: ParseOptions) -> Event | None:
    """Return what the body in `row`, of `stored_bodies`, states; None if only an earlier version could read it.

    The one place where bodies of both origins are read. What is polled was never signed, and the other way round.
    """
    if is_remains(row.body):
        return event_of_remains(row.body, row.received_at)
    if row.origin == Origin.POLLED:
        return parse_answer(row.body, row.received_at, options)
    try:
        return parse(RawEvent(body=row.body, received_at=row.received_at), options)
    except Unreadable:
        return None
