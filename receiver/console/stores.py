"""The stores of the console's pages, over connections of their own, with a bound on every statement.

No page keeps a delivery or a look-up waiting for a connection.
"""

import time
from dataclasses import dataclass
from threading import local
from typing import Any

from sqlalchemy import Engine, event

from models.database import open_database
from receiver.server.sockets import OpenSockets
from sync.events.interpretation import ParseOptions
from sync.queue.connection import OpenQueue, connect, open_queue
from sync.settings.console import ConsoleSettings
from sync.settings.web import ReceiverSettings

# So many pages are made at once; each may read, and few write.
PAGES_AT_ONCE = 2
STATEMENT_SECONDS = 5.0
BUSY_SECONDS = 2.0
REDIS_SECONDS = 0.5
# SQLite asks so often whether a statement has taken too long; a step takes well under a microsecond.
STEPS_BETWEEN_LOOKS = 50_000

_begun = local()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What pages read from and write to. Nothing is connected before a page needs it."""

    reader: Engine
    writer: Engine
    queue: OpenQueue
    options: ParseOptions
    secrets: tuple[bytes, ...]
    is_journalled: bool
    sockets: tuple[OpenSockets, ...]

    def give_up(self) -> None:
        """Free every page that waits for a database which does not answer."""
        for sockets in self.sockets:
            sockets.shut()

    @property
    def region(self) -> str:
        return self.options.default_region


def open_stores(settings: ReceiverSettings, console: ConsoleSettings) -> Stores:
    url = settings.database_url
    reader, writer = (
        open_database(
            url,
            pool_size=size,
            pool_seconds=STATEMENT_SECONDS,
            statement_seconds=STATEMENT_SECONDS,
            busy_seconds=BUSY_SECONDS,
            is_read_only=is_read_only,
        )
        for size, is_read_only in ((PAGES_AT_ONCE, True), (1, False))
    )
    if url.get_backend_name() == "sqlite":
        event.listen(reader, "connect", _bound_statements)
    return Stores(
        reader=reader,
        writer=writer,
        queue=open_queue(connect(settings.redis, connections=PAGES_AT_ONCE, seconds=REDIS_SECONDS)),
        options=console.parse_options,
        secrets=settings.secrets,
        is_journalled=settings.is_journalled,
        sockets=(OpenSockets(reader), OpenSockets(writer)),
    )


def begin_page() -> None:
    """Say that this thread makes a page from now on: what SQLite reads for it ends after STATEMENT_SECONDS."""
    _begun.at = time.monotonic()


def _bound_statements(connection: Any, _record: Any) -> None:
    connection.set_progress_handler(_is_late, STEPS_BETWEEN_LOOKS)


def _is_late() -> bool:
    begun: float | None = getattr(_begun, "at", None)
    return begun is not None and time.monotonic() - begun > STATEMENT_SECONDS
