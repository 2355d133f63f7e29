"""The open connections of an engine, to be shut from outside when their server does not answer."""

import os
import socket
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine, event


class OpenSockets:
    """Knows the socket of each connection to PostgreSQL that `engine` has open. SQLite has none, and bounds its waits.

    A thread that waits for an answer cannot be interrupted. Once its socket is shut it is told that the connection is
    lost, and is free again. A socket is known by a copy of its descriptor, which nobody else closes or uses again.
    """

    def __init__(self, engine: Engine) -> None:
        self.open_copies: dict[int, socket.socket] = {}
        if engine.dialect.name == "postgresql":
            event.listen(engine, "connect", self._opened)
            event.listen(engine, "close", self._closed)
            event.listen(engine, "close_detached", self._closed)

    def shut(self) -> None:
        """End every connection. A thread that uses one gets an error of the database."""
        for connection in list(self.open_copies.values()):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _opened(self, connection: Any, _record: Any) -> None:
        self.open_copies[id(connection)] = socket.socket(fileno=os.dup(connection.fileno()))

    def _closed(self, connection: Any, _record: Any = None) -> None:
        if descriptor := self.open_copies.pop(id(connection), None):
            descriptor.close()
