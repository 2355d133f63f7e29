"""The connections of an engine that are in use, so that what runs on them can be cancelled from another thread."""

import sqlite3
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine, event

# To reach the server for that. What it then does about the statement takes no time worth a bound.
CANCEL_SECONDS = 2


class RunningStatements:
    """Knows, from its creation on, which connections of `engine` are in use."""

    def __init__(self, engine: Engine) -> None:
        self._connections: dict[int, Any] = {}
        event.listen(engine, "checkout", self._take)
        event.listen(engine, "checkin", self._give_back)

    def cancel(self) -> None:
        """Cancel what runs now. On SQLite, waiting for another writer cannot be cancelled: that has its own bound."""
        for connection in list(self._connections.values()):
            # The connection may be given back or broken at any moment, which is as good.
            with suppress(Exception):
                if isinstance(connection, sqlite3.Connection):
                    connection.interrupt()
                else:
                    connection.cancel_safe(timeout=CANCEL_SECONDS)

    def _take(self, connection: Any, record: Any, _proxy: Any) -> None:
        self._connections[id(record)] = connection

    def _give_back(self, _connection: Any, record: Any) -> None:
        self._connections.pop(id(record), None)
