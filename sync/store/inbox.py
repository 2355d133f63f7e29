"""Takes events out of the inbox, in the transaction that applies them."""

from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection, delete, func, not_, select

from models.statements import is_one_of, slices
from models.tables import INBOX
from sync.events.raw import RawEvent


def take_inbox(connection: Connection, limit: int, now: datetime, *, bytes_max: int | None = None) -> list[RawEvent]:
    """Return at most `limit` events of the inbox that are due, locked, without those that another worker has.

    What may opt out comes first, however much waits before it. If more than one is returned, their bodies have at
    most `bytes_max` together.
    """
    columns = INBOX.c
    query = select(columns.id, func.length(columns.body).label("body_bytes")).where(columns.due_at <= now)
    query = query.with_for_update(skip_locked=True)
    first = query.where(columns.may_opt_out).order_by(columns.received_at).limit(limit)
    rows = list(connection.execute(first).all())
    if len(rows) < limit:
        rest = query.where(not_(columns.may_opt_out)).order_by(columns.due_at, columns.id).limit(limit - len(rows))
        rows += connection.execute(rest).all()
    return _fetch(connection, _ids_within(rows, bytes_max))


def _ids_within(rows: Sequence[Any], bytes_max: int | None) -> list[int]:
    """Return the ids of the first row and of those behind it whose bodies have at most `bytes_max` with it."""
    if bytes_max is None:
        return [row.id for row in rows]
    totals = accumulate(row.body_bytes for row in rows)
    return [
        row.id for number, (row, total) in enumerate(zip(rows, totals, strict=True)) if not number or total <= bytes_max
    ]


def _fetch(connection: Connection, ids: Sequence[int]) -> list[RawEvent]:
    query = select(INBOX.c.id, INBOX.c.body, INBOX.c.received_at)
    raw_events = {
        row.id: RawEvent(body=row.body, received_at=row.received_at, inbox_id=row.id)
        for piece in slices(ids)
        for row in connection.execute(query.where(is_one_of(connection, INBOX.c.id, piece)))
    }
    return [raw_events[number] for number in ids]


def remove_from_inbox(connection: Connection, ids: Sequence[int]) -> None:
    """Remove these rows of the inbox, those of them that are still there."""
    for piece in slices(ids):
        connection.execute(delete(INBOX).where(INBOX.c.id.in_(piece)))
