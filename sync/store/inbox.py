"""Takes events out of the inbox, in the transaction that applies them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, not_, select

from models.tables import INBOX
from sync.raw_events import RawEvent
from sync.statements import slices


def take_inbox(connection: Connection, limit: int, now: datetime) -> list[RawEvent]:
    """Return at most `limit` events of the inbox that are due, locked, without those that another worker has.

    What may opt out comes first, however much waits before it.
    """
    query = select(INBOX.c.id, INBOX.c.body, INBOX.c.received_at).where(INBOX.c.due_at <= now)
    query = query.with_for_update(skip_locked=True)
    first = query.where(INBOX.c.may_opt_out).order_by(INBOX.c.received_at).limit(limit)
    rows = list(connection.execute(first).all())
    if len(rows) < limit:
        rest = query.where(not_(INBOX.c.may_opt_out)).order_by(INBOX.c.due_at, INBOX.c.id).limit(limit - len(rows))
        rows += connection.execute(rest).all()
    return [RawEvent(body=row.body, received_at=row.received_at, inbox_id=row.id) for row in rows]


def remove_from_inbox(connection: Connection, ids: Sequence[int]) -> None:
    """Remove these rows of the inbox, those of them that are still there."""
    for some in slices(ids):
        connection.execute(delete(INBOX).where(INBOX.c.id.in_(some)))
