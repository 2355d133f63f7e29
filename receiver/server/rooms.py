"""All connections of a process, by what they wait for: none waits for ever, and there are never too many."""

import asyncio
from itertools import chain
from typing import Protocol

# A head is sent in one piece; who needs longer is no provider and no router.
HEAD_SECONDS = 5.0
# Routers keep idle connections for 90 s; if we closed first, a delivery could meet a closing connection.
IDLE_SECONDS = 95.0
# Longer than the application reads a body for: a client that is too slow is to get an answer that says so.
READ_SECONDS = 15.0
# The same for a list that a person uploads: 32 MiB at 1 Mbit/s.
UPLOAD_SECONDS = 315.0
# For how long an answer waits for a client that does not read, and a refused one for the rest of what it sends.
WRITE_SECONDS = 10.0
LINGER_SECONDS = 1.0
SWEEP_SECONDS = 0.25
# When there are too many connections, one that says nothing is closed before one that has rested, after this time.
SILENT_SECONDS = 1.0


class Guest(Protocol):
    """Who waits: a connection."""

    def abort(self) -> None:
        """Close at once."""


class Room:
    """Connections that wait for the same thing, each at most `seconds`. The connection that waits longest is first."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._since: dict[Guest, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def enter(self, connection: Guest, now: float) -> None:
        self._since[connection] = now

    def leave(self, connection: Guest) -> None:
        self._since.pop(connection, None)

    def first(self) -> Guest | None:
        return next(iter(self._since), None)

    def before(self, time: float) -> list[Guest]:
        """Return those that entered before `time`."""
        connections = []
        for connection, since in self._since.items():
            if since > time:
                break
            connections.append(connection)
        return connections


class Rooms:
    """The connections of one process, at most `connections_max`."""

    def __init__(self, connections_max: int) -> None:
        self.connections_max = connections_max
        self.opening = Room(HEAD_SECONDS)  # for the first head of a connection
        self.heading = Room(HEAD_SECONDS)  # for the rest of a further head
        self.idle = Room(IDLE_SECONDS)  # for the next request
        self.reading = Room(READ_SECONDS)  # for the rest of a body
        self.uploading = Room(UPLOAD_SECONDS)  # for the rest of a list
        self.busy = Room(float("inf"))  # for the application, which bounds its own time
        self.writing = Room(WRITE_SECONDS)  # for its client to read
        self.lingering = Room(LINGER_SECONDS)  # for its client to hear that it was refused
        self._rooms = (
            *(self.opening, self.heading, self.idle, self.reading, self.uploading),
            *(self.writing, self.lingering, self.busy),
        )
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return sum(map(len, self._rooms))

    def add(self, connection: Guest, loop: asyncio.AbstractEventLoop) -> None:
        """Take a new connection in. If there are too many, the one that can best be missed is closed."""
        now = loop.time()
        if len(self) >= self.connections_max:
            (self._dispensable(now) or connection).abort()
        self.opening.enter(connection, now)
        if self._timer is None:
            self._timer = loop.call_later(SWEEP_SECONDS, self._sweep, loop)

    def _dispensable(self, now: float) -> Guest | None:
        """Return who said nothing for a while, else who has rested for longest, else who has waited for longest.

        None if the application is at work for all of them.
        """
        silent = next(iter(self.opening.before(now - SILENT_SECONDS)), None)
        rooms = (
            *(self.lingering, self.idle, self.opening, self.heading),
            *(self.writing, self.reading, self.uploading),
        )
        return next(filter(None, chain([silent], (room.first() for room in rooms))), None)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close each connection that has waited for too long."""
        now = loop.time()
        for room in self._rooms:
            for connection in room.before(now - room.seconds):
                connection.abort()
        self._timer = loop.call_later(SWEEP_SECONDS, self._sweep, loop) if len(self) else None
