"""One connection of a client, as a protocol of asyncio: requests in, answers out, one after another.

uvicorn's own protocols bound neither heads nor connections, nor how long a client may take. This one has the bounds of
`rooms` and `parser`. It hands a bounded number of bytes at a time to the parser, so that no client keeps others
waiting. The application bounds bodies.
"""

import asyncio
from collections import deque
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import structlog
from uvicorn.config import Config
from uvicorn.server import ServerState

from receiver.server.access_log import log_request
from receiver.server.exchange import STATUS_LINES, Exchange, new_scope
from receiver.server.head import Field, RequestTarget
from receiver.server.parser import RequestParser
from receiver.server.paths import UPLOAD_PATH
from receiver.server.rooms import Room, Rooms

# What is parsed at once, before other connections have their turn.
STEP_BYTES = 16 * 1024
# Answers that a client has not read; beyond that it is sent no others.
UNSENT_BYTES_MAX = 64 * 1024
# What a refused client may still send before the connection is closed, so that it reads the refusal.
LINGER_BYTES_MAX = 1024 * 1024
UNAVAILABLE = (
    STATUS_LINES[503] + b"Retry-After: 30\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)  # a bug of zexa-sync

log = structlog.get_logger()


class Connection(asyncio.Protocol):
    """`rooms` are shared by all connections of the process; the rest is what uvicorn gives to every protocol."""

    def __init__(
        self,
        rooms: Rooms,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002 - of the lifespan, which this application has no use for
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._rooms = rooms
        self._room: Room | None = None
        self._app: Any = config.loaded_app
        self._state = server_state
        self._loop = _loop or asyncio.get_running_loop()
        self._transport: Any = None
        self._parser = RequestParser(self)
        self.unfed = b""
        self._step: asyncio.Handle | None = None
        self._reading: Exchange | None = None  # its body is not whole
        self._waiting: deque[Exchange] = deque()
        self._current: Exchange | None = None
        self._refusal: HTTPStatus | None = None  # of what came after them
        self._has_asked = False
        self._is_last = False  # no request follows
        self._is_ended = False  # the client sends nothing any more
        self._is_closing = False
        self._is_lingering = False
        self._is_paused = False
        self._lingering_bytes = 0
        self._unwritable: asyncio.Future[None] | None = None
        self.is_stopping = False

    # What the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._client = transport.get_extra_info("peername")
        self._transport.set_write_buffer_limits(high=UNSENT_BYTES_MAX)
        self._state.connections.add(self)  # type: ignore[arg-type]
        self._room = self._rooms.opening
        self._rooms.add(self, self._loop)

    def connection_lost(self, _error: Exception | None) -> None:
        self._is_closing = True
        self._state.connections.discard(self)
        if self._room is not None:
            self._room.leave(self)
            self._room = None
        if self._step is not None:
            self._step.cancel()
        self.resume_writing()
        for exchange in filter(None, (self._current, self._reading)):
            exchange.disconnect()
        self._waiting.clear()
        self._parser.close()

    def data_received(self, data: bytes) -> None:
        if not self._is_listening():
            self._discard(len(data))
        elif self.unfed:
            self.unfed += data
        elif len(data) <= STEP_BYTES:
            self._feed(data)
            self._settle()
        else:
            self.unfed = data
            self._take_step()

    def _is_listening(self) -> bool:
        """Return whether what comes now may still be a request, or a part of its body."""
        return not (self._is_closing or self._refusal or (self._is_last and self._reading is None))

    def eof_received(self) -> bool:
        """Return whether somebody still waits for an answer: a client may end its side and read on."""
        self._is_ended = True
        if self._is_lingering:
            return False
        if self._reading is not None and not self.unfed:
            self._break_body()
        return bool(self._current or self._waiting or self.unfed)

    def pause_writing(self) -> None:
        if self._unwritable is None:
            self._unwritable = self._loop.create_future()
            if not self._is_lingering:
                self._enter(self._rooms.writing)

    def resume_writing(self) -> None:
        if self._unwritable is not None:
            if not self._unwritable.done():
                self._unwritable.set_result(None)
            self._unwritable = None
            self._go_on()

    # What uvicorn and the rooms ask for

    def shutdown(self) -> None:
        """Close once what has been asked is answered."""
        self.is_stopping = True
        if self._current is None and self._reading is None:
            self._close()

    def abort(self) -> None:
        self._is_closing = True
        self._transport.abort()

    # What exchanges ask for

    def write(self, data: bytes) -> None:
        if not self._is_closing:
            self._transport.write(data)

    async def drained(self) -> None:
        if self._unwritable is not None:
            await self._unwritable

    def date_line(self) -> bytes:
        """Return the field that uvicorn makes anew every second."""
        return b"".join(b"Date: %b\r\n" % text for name, text in self._state.default_headers if name == b"date")

    def regulate(self) -> None:
        """Read no more than somebody takes."""
        if self._is_closing or self._is_lingering:
            return
        reading = self._reading
        is_full = reading is not None and reading.is_full
        must_pause = bool(self.unfed or self._waiting or self._unwritable or is_full)
        if must_pause is not self._is_paused and not self._is_ended:
            self._is_paused = must_pause
            if must_pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()
        if self.unfed and self._step is None and self._may_feed():
            self._step = self._loop.call_soon(self._take_step)

    def answered(self, exchange: Exchange) -> None:
        """Go on with the next request, or close."""
        log_request(exchange.scope, exchange.status, self._loop.time() - exchange.begun_at)
        self._state.total_requests += 1
        self._current = None
        if not exchange.may_stay:
            is_all_read = exchange.is_whole and not self.unfed and not self._waiting
            self._is_last = True
            self._reading = None
            self._waiting.clear()
            if is_all_read or self._is_ended:
                self._close()
            else:
                self._linger()
        else:
            self._go_on()

    def fail(self, exchange: Exchange) -> None:
        """Answer for an application that did not, or could not go on."""
        exchange.is_answered = True
        exchange.may_stay = False
        if not exchange.is_begun:
            exchange.status = HTTPStatus.SERVICE_UNAVAILABLE.value
            self.write(UNAVAILABLE)
        self.answered(exchange)

    # Requests

    def _go_on(self) -> None:
        """Answer the next request, once the client has read the last answers."""
        if self._is_closing or self._is_lingering or self._current is not None or self._unwritable is not None:
            return
        if self._waiting:
            self._start(self._waiting.popleft())
        elif self._refusal:
            self._refuse(self._refusal)
            return
        elif (self._is_ended and not self.unfed) or (self.is_stopping and self._reading is None):
            self._close()
            return
        self._settle()

    def _start(self, exchange: Exchange) -> None:
        self._current = exchange
        task = self._loop.create_task(exchange.run(self._app))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    def _settle(self) -> None:
        """Enter the room of what is waited for now."""
        if self._is_closing or self._is_lingering:
            return
        rooms = self._rooms
        if self._unwritable is not None:
            self._enter(rooms.writing)
        elif self._current is not None:
            reading = rooms.uploading if self._current.scope["path"] == UPLOAD_PATH else rooms.reading
            self._enter(rooms.busy if self._current.is_whole else reading)
        elif not self._has_asked:
            self._enter(rooms.opening)
        elif self._parser.is_in_head or self.unfed:
            self._enter(rooms.heading)
        else:
            self._enter(rooms.idle)
        if self.unfed or self._waiting or self._is_paused or self._reading is not None:
            self.regulate()

    def _enter(self, room: Room) -> None:
        if room is not self._room:
            if self._room is not None:
                self._room.leave(self)
            self._room = room
            room.enter(self, self._loop.time())

    # Bytes

    def _may_feed(self) -> bool:
        is_full = self._reading is not None and self._reading.is_full
        return not (is_full or self._waiting or self._unwritable)

    def _take_step(self) -> None:
        """Feed the next of what has arrived, in turn with other connections."""
        self._step = None
        if self._is_closing or not self.unfed or not self._may_feed():
            return
        step, self.unfed = self.unfed[:STEP_BYTES], self.unfed[STEP_BYTES:]
        self._feed(step)
        if not self._is_listening():
            self.unfed = b""
        if self._is_ended and not self.unfed and self._reading is not None:
            self._break_body()
        self._go_on()
        self.regulate()

    def _feed(self, data: bytes) -> None:
        status = self._parser.feed(data)
        if status is not None:
            self._stop_parsing(status)

    def _stop_parsing(self, status: HTTPStatus) -> None:
        """Refuse what is no HTTP, once all that came before is answered; what breaks within a body breaks that."""
        if self._reading is not None:
            self._break_body()
        elif not self._is_last:
            self._refusal = status
            if self._current is None and not self._waiting:
                self._refuse(status)

    def _break_body(self) -> None:
        self._is_last = True
        if self._reading is not None:
            self._reading.may_stay = False
            self._reading.break_body()
            self._reading = None

    # What the parser finds

    def begin(self, method: str, version: str, target: RequestTarget, fields: list[Field], *, may_stay: bool) -> None:
        """Take a request whose head is whole; start it if none is before it."""
        self._has_asked = True
        exchange = Exchange(
            self,
            new_scope(method, version, target, fields, self._client),
            may_stay=may_stay,
            expects_continue=any(name == b"expect" for name, _ in fields),
        )
        exchange.begun_at = self._loop.time()
        self._reading = exchange
        self._is_last = not may_stay
        if self._current is None and not self._waiting and self._unwritable is None:
            self._start(exchange)
        else:
            self._waiting.append(exchange)

    def add_body(self, part: bytes) -> None:
        if self._reading is not None and not self._reading.is_answered:
            self._reading.add_body(part)

    def end_body(self) -> None:
        if self._reading is not None:
            self._reading.end_body()
            self._reading = None

    # The end

    def _refuse(self, status: HTTPStatus) -> None:
        log.warning("request.not_http", status=status.value)
        self.write(STATUS_LINES[status.value] + self.date_line() + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        self._linger()

    def _linger(self) -> None:
        """Close, but let the client read the answer first: data that nobody reads would destroy it on its way."""
        self.unfed = b""
        if self._is_ended:
            self._close()
            return
        with suppress(OSError, RuntimeError):
            self._transport.write_eof()
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        self._is_lingering = True
        self._enter(self._rooms.lingering)

    def _discard(self, count: int) -> None:
        self._lingering_bytes += count
        if self._lingering_bytes > LINGER_BYTES_MAX and self._is_lingering:
            self._close()

    def _close(self) -> None:
        """Close once all is written, or the client has had its time to read."""
        self._is_closing = True
        self._enter(self._rooms.writing)
        self._transport.close()
