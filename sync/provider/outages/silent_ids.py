"""Which of the messages that the customer sent have no final status, and may have lost it in an outage."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from models.statements import is_one_of, slices
from models.tables import MESSAGES
from sync.events.statuses import Status
from sync.terminal.sent_ids import SentMessage

_FINAL = (Status.DELIVERED, Status.FAILED, Status.UNDELIVERABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentIds:
    """Of the `given` ids, those without a final status that were sent before `before`, in the order of the file.

    `sent_later` have none either, and were sent too late to have lost it. `unreadable_rows` name no id.
    """

    given: int
    with_status: int
    sent_later: int
    unreadable_rows: int
    without_status: tuple[str, ...]
    before: datetime | None


def find_silent(connection: Connection, rows: Iterable[SentMessage | None], before: datetime | None) -> SilentIds:
    """Ask for the status of each message of `rows`. One whose time nobody says may have been sent at any time.

    Without `before` no event was lost, and no message can have lost its status.
    """
    sent: dict[str, SentMessage] = {}
    unreadable = 0
    for row in rows:
        if row is None:
            unreadable += 1
        else:
            sent.setdefault(row.message_id, row)
    ended_ids = _ended(connection, sent)
    silent = [message for message in sent.values() if message.message_id not in ended_ids]
    candidates = [message.message_id for message in silent if before and (message.sent_at or before) <= before]
    return SilentIds(
        given=len(sent),
        with_status=len(sent) - len(silent),
        sent_later=len(silent) - len(candidates),
        unreadable_rows=unreadable,
        without_status=tuple(candidates),
        before=before,
    )


def _ended(connection: Connection, message_ids: Collection[str]) -> set[str]:
    """Return which of these messages have a final status."""
    ended_ids: set[str] = set()
    for piece in slices(sorted(message_ids)):
        query = select(MESSAGES.c.message_id).where(
            is_one_of(connection, MESSAGES.c.message_id, piece), MESSAGES.c.status.in_(_FINAL)
        )
        ended_ids.update(connection.execute(query).scalars())
    return ended_ids
