"""The hand-off to the table `inbox`: what is stored there is taken by workers without any queue."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sqlalchemy import URL, insert, update
from sqlalchemy.exc import SQLAlchemyError

from models.database import open_database
from models.errors import error_reason
from models.tables import INBOX
from receiver.server.sockets import OpenSockets
from receiver.server.threads import Threads, ThreadsBusy
from sync.events.raw import RawEvent

# A bound on one statement and all it waits for.
INBOX_SECONDS = 1.5
BUSY_SECONDS = 1.2
# One for each lane of the intake.
CONNECTIONS = 2
# As many again may still wait for a server that does not answer.
THREADS = 2 * CONNECTIONS

Result = TypeVar("Result")


class InboxUnavailable(Exception):  # noqa: N818 - a state, not a mistake
    """The database did not confirm the events; they may still have been stored."""


class InboxWriter:
    """The inbox as a receiver uses it, in threads of its own. Nothing is connected until something is stored."""

    def __init__(self, url: URL) -> None:
        self._engine = open_database(
            url,
            pool_size=CONNECTIONS,
            pool_seconds=INBOX_SECONDS,
            statement_seconds=INBOX_SECONDS,
            busy_seconds=BUSY_SECONDS,
        )
        self._sockets = OpenSockets(self._engine)
        self._threads = Threads("inbox", most=THREADS)

    async def put(self, raw_events: Sequence[RawEvent], *, due_after: timedelta, may_opt_out: bool) -> list[int]:
        """Store `raw_events`, to be taken from here after `due_after`; return the ids of their rows.

        What `may_opt_out` is taken before the rest.
        Returns once the database confirmed the commit; raises InboxUnavailable within INBOX_SECONDS.
        """
        due_at = datetime.now(UTC) + due_after
        shared_columns = {"due_at": due_at, "may_opt_out": may_opt_out}
        rows = [{"body": raw.body, "received_at": raw.received_at} | shared_columns for raw in raw_events]
        statement = insert(INBOX).returning(INBOX.c.id, sort_by_parameter_order=True)

        def put() -> list[int]:
            with self._engine.begin() as connection:
                return list(connection.execute(statement, rows).scalars().all())

        return await self._in_time(put)

    async def make_due(self, ids: Sequence[int]) -> None:
        """Let these rows be taken now. If that fails they are taken when they would have been."""
        statement = update(INBOX).where(INBOX.c.id.in_(ids)).values(due_at=datetime.now(UTC))

        def make_due() -> None:
            with self._engine.begin() as connection:
                connection.execute(statement)

        await self._in_time(make_due)

    def close(self) -> None:
        self._engine.dispose()

    async def _in_time(self, work: Callable[[], Result]) -> Result:
        try:
            return await self._threads.run(work, seconds=INBOX_SECONDS)
        except TimeoutError:
            self._sockets.shut()  # else the thread waits for as long as the server is silent
            raise InboxUnavailable("Timeout") from None
        except (SQLAlchemyError, ThreadsBusy) as error:
            raise InboxUnavailable(error_reason(error)) from None
