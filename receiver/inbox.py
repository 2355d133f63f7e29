"""The hand-off to the table `inbox`: what is stored there is taken by workers without any queue."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import gevent
from sqlalchemy import URL, Table, insert, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from models.database import open_database
from models.errors import error_line
from models.inbox import Inbox as InboxRow
from sync.raw_events import RawEvent

# A bound on one statement and all it waits for. SQLite is waited for without a turn for anybody else.
INBOX_SECONDS = 1.5
BUSY_SECONDS = 1.2
# One for each lane of the intake.
CONNECTIONS = 2

INBOX: Table = InboxRow.__table__  # type: ignore[attr-defined]


class InboxUnavailable(Exception):  # noqa: N818 - a state, not a mistake
    """The database did not confirm the events; they may still have been stored."""


class Inbox:
    """The inbox as a receiver uses it. Nothing is connected until something is stored."""

    def __init__(self, url: URL) -> None:
        self._engine = open_database(
            url, pool_size=CONNECTIONS, statement_seconds=INBOX_SECONDS, busy_seconds=BUSY_SECONDS
        )

    def put(self, raw_events: Sequence[RawEvent], *, due_after: timedelta, may_opt_out: bool) -> list[int]:
        """Store `raw_events`, to be taken from here after `due_after`; return the ids of their rows.

        What `may_opt_out` is taken before the rest.
        Returns once the database confirmed the commit; raises InboxUnavailable within INBOX_SECONDS.
        """
        due_at = datetime.now(UTC) + due_after
        same = {"due_at": due_at, "may_opt_out": may_opt_out}
        rows = [{"body": raw.body, "received_at": raw.received_at} | same for raw in raw_events]
        statement = insert(INBOX).returning(INBOX.c.id, sort_by_parameter_order=True)
        try:
            with gevent.Timeout(INBOX_SECONDS), self._engine.begin() as connection:
                return list(connection.execute(statement, rows).scalars().all())
        except (SQLAlchemyError, gevent.Timeout) as error:
            raise InboxUnavailable(_reason(error)) from None

    def make_due(self, ids: Sequence[int]) -> None:
        """Let these rows be taken now. Where that fails they are taken when they would have been."""
        statement = update(INBOX).where(INBOX.c.id.in_(ids)).values(due_at=datetime.now(UTC))
        try:
            with gevent.Timeout(INBOX_SECONDS), self._engine.begin() as connection:
                connection.execute(statement)
        except (SQLAlchemyError, gevent.Timeout) as error:
            raise InboxUnavailable(_reason(error)) from None


def _reason(error: BaseException) -> str:
    """Return what the error says, and quote nothing."""
    return error_line(error) if isinstance(error, DBAPIError) else type(error).__name__
