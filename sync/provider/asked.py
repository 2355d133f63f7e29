"""Which messages were asked for, and when: so that none is asked for twice, and a stopped run goes on."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, delete, or_, select

from models.statements import bulk_insert
from models.tables import ASKED_MESSAGES, MESSAGES
from sync.events.statuses import FINAL

# Nobody asks again sooner, whatever the answer was: not the next run, nor another one beside this.
AGAIN = timedelta(hours=1)
# Of a message that the provider does not know nothing is kept for longer.
FORGOTTEN_AFTER = timedelta(days=30)


class Due(NamedTuple):
    """A message to ask for, and when it was asked for before."""

    message_id: str
    asked_at: datetime | None = None


def claim(connection: Connection, due: Due, now: datetime) -> bool:
    """Note that the message is asked for now; return False if somebody else has just done so.

    It is noted before the request: a process that is killed behind it asks for no message twice.
    """
    row = {"message_id": due.message_id, "asked_at": now, "times": 1}
    insert, parameters = bulk_insert(connection, ASKED_MESSAGES, [row])
    again = insert.on_conflict_do_update(
        index_elements=[ASKED_MESSAGES.c.message_id],
        set_={"asked_at": insert.excluded.asked_at, "times": ASKED_MESSAGES.c.times + 1},
        where=ASKED_MESSAGES.c.asked_at <= now - AGAIN,
    )
    claimed = again.returning(ASKED_MESSAGES.c.message_id)
    single = parameters[0] if isinstance(parameters, list) else parameters
    return connection.execute(claimed, single).first() is not None


def release(connection: Connection, due: Due) -> None:
    """Take back that the message was asked for: there was no answer."""
    is_row = ASKED_MESSAGES.c.message_id == due.message_id
    if due.asked_at is None:
        connection.execute(delete(ASKED_MESSAGES).where(is_row))
    else:
        before = {"asked_at": due.asked_at, "times": ASKED_MESSAGES.c.times - 1}
        connection.execute(ASKED_MESSAGES.update().where(is_row).values(before))


def tidy(connection: Connection, now: datetime) -> None:
    """Forget of which messages a final status is known, and those that nobody knows."""
    query = select(ASKED_MESSAGES.c.message_id).outerjoin(
        MESSAGES, MESSAGES.c.message_id == ASKED_MESSAGES.c.message_id
    )
    is_over = or_(MESSAGES.c.status.in_(sorted(FINAL)), ASKED_MESSAGES.c.asked_at < now - FORGOTTEN_AFTER)
    over = query.where(is_over).with_for_update(of=ASKED_MESSAGES, skip_locked=True)
    connection.execute(delete(ASKED_MESSAGES).where(ASKED_MESSAGES.c.message_id.in_(over)))
