"""One connection of a client, as a protocol of asyncio: requests in, answers out, one after another.

uvicorn's own protocols bound neither heads nor connections, nor how long a client may take. This one has the bounds
of `rooms` and `head`, and hands a bounded number of bytes at a time to httptools' parser, so that no client keeps
others waiting. The application bounds bodies.
"""

import asyncio
from collections import deque
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import httptools
import structlog
from uvicorn.config import Config
from uvicorn.server import ServerState

from receiver.server.access_log import log_request
from receiver.server.exchange import STATUS_LINES, Exchange, new_scope
from receiver.server.head import FIELDS_MAX, FORBIDDEN_TRAILERS, HEAD_BYTES_MAX, URL_BYTES_MAX, read_target, refusal
from receiver.server.rooms import Room, Rooms

# What is parsed at once, before other connections have their turn.
STEP_BYTES = 16 * 1024
# Answers that a client has not read; beyond that it is sent no others.
UNSENT_BYTES_MAX = 64 * 1024
# What a refused client may still send before the connection is closed, so that it reads the refusal.
LINGER_BYTES_MAX = 1024 * 1024
FRAMING = frozenset({b"content-length", b"transfer-encoding"})
UNAVAILABLE = (
    STATUS_LINES[503] + b"Retry-After: 30\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)  # a mistake of ours

log = structlog.get_logger()


class Refused(Exception):  # noqa: N818 - a decision
    """Ends the parser's work."""


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
        self._parser: Any = httptools.HttpRequestParser(self)
        self._unfed = b""
        self._step: asyncio.Handle | None = None
        # Of the head that is being read
        self._is_in_head = False
        self._head_bytes = 0
        self._url = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._is_upgrading = False
        self._is_resuming = False
        self._trailers = 0
        # Of requests
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
        self._parser = None

    def data_received(self, data: bytes) -> None:
        if not self._is_listening():
            self._discard(len(data))
        elif self._unfed:
            self._unfed += data
        elif len(data) <= STEP_BYTES:
            self._feed(data)
            self._settle()
        else:
            self._unfed = data
            self._take_step()

    def _is_listening(self) -> bool:
        """Return whether what comes now may still be a request, or a part of its body."""
        return not (self._is_closing or self._refusal or (self._is_last and self._reading is None))

    def eof_received(self) -> bool:
        """Return whether somebody still waits for an answer: a client may end its side and read on."""
        self._is_ended = True
        if self._is_lingering:
            return False
        if self._reading is not None and not self._unfed:
            self._break_body()
        return bool(self._current or self._waiting or self._unfed)

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
        must_pause = bool(self._unfed or self._waiting or self._unwritable or is_full)
        if must_pause is not self._is_paused and not self._is_ended:
            self._is_paused = must_pause
            if must_pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()
        if self._unfed and self._step is None and self._may_feed():
            self._step = self._loop.call_soon(self._take_step)

    def answered(self, exchange: Exchange) -> None:
        """Go on with the next request, or close."""
        log_request(exchange.scope, exchange.status, self._loop.time() - exchange.begun_at)
        self._state.total_requests += 1
        self._current = None
        if not exchange.may_stay:
            is_all_read = exchange.is_whole and not self._unfed and not self._waiting
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
        elif (self._is_ended and not self._unfed) or (self.is_stopping and self._reading is None):
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
            self._enter(rooms.busy if self._current.is_whole else rooms.reading)
        elif not self._has_asked:
            self._enter(rooms.opening)
        elif self._is_in_head or self._unfed:
            self._enter(rooms.heading)
        else:
            self._enter(rooms.idle)
        if self._unfed or self._waiting or self._is_paused or self._reading is not None:
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
        if self._is_closing or not self._unfed or not self._may_feed():
            return
        step, self._unfed = self._unfed[:STEP_BYTES], self._unfed[STEP_BYTES:]
        self._feed(step)
        if not self._is_listening():
            self._unfed = b""
        if self._is_ended and not self._unfed and self._reading is not None:
            self._break_body()
        self._go_on()
        self.regulate()

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._resume(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._stop_parsing(str(error))
        if self._is_in_head and not self._refusal:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                self._stop_parsing("")

    def _stop_parsing(self, error: str) -> None:
        """Refuse what is no HTTP, once all that came before is answered; what breaks within a body breaks that."""
        if self._reading is not None:
            self._break_body()
        elif not self._is_last:
            if not self._refusal:
                is_too_long = error == "Content-Length overflow"
                self._refusal = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if is_too_long else HTTPStatus.BAD_REQUEST
            if self._current is None and not self._waiting:
                self._refuse(self._refusal)

    def _break_body(self) -> None:
        self._is_last = True
        if self._reading is not None:
            self._reading.may_stay = False
            self._reading.break_body()
            self._reading = None

    def _resume(self, rest: bytes) -> None:
        """Go on behind a head that offers another protocol, which nobody here speaks.

        The parser takes what follows for that protocol. So another one is told how long the body is, without the offer.
        """
        self._parser = httptools.HttpRequestParser(self)
        framing = [name + b": " + text for name, text in self._fields if name in FRAMING]
        self._is_upgrading, self._is_resuming = False, True
        self._feed(b"\r\n".join([b"POST / HTTP/1.1", *framing, b"", rest]))

    # What the parser finds

    def on_message_begin(self) -> None:
        if self._is_resuming:
            return
        self._is_in_head = True
        self._head_bytes = 0
        self._trailers = 0
        self._url = b""
        self._fields = []

    def on_url(self, url: bytes) -> None:
        if self._is_resuming:
            return
        self._url += url
        if len(self._url) > URL_BYTES_MAX:
            self._refuse_head(HTTPStatus.REQUEST_URI_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_resuming:
            return
        name = name.lower()
        if self._reading is not None:
            self._trailers += 1
            if self._trailers > FIELDS_MAX or name in FORBIDDEN_TRAILERS:
                raise Refused
            return
        self._fields.append((name, value))
        if len(self._fields) > FIELDS_MAX:
            self._refuse_head(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        if self._is_resuming:
            self._is_resuming = False
            return
        parser = self._parser
        version = parser.get_http_version()
        status = refusal(version, self._fields)
        target = read_target(self._url)
        if status or not target:
            self._refuse_head(status or HTTPStatus.BAD_REQUEST)
            return
        self._is_in_head = False
        self._has_asked = True
        self._is_upgrading = parser.should_upgrade()
        may_stay = version == "1.1" and parser.should_keep_alive()
        exchange = Exchange(
            self,
            new_scope(parser.get_method().decode("ascii"), version, target, self._fields, self._client),
            may_stay=may_stay,
            expects_continue=any(name == b"expect" for name, _ in self._fields),
        )
        exchange.begun_at = self._loop.time()
        self._reading = exchange
        self._is_last = not may_stay
        if self._current is None and not self._waiting and self._unwritable is None:
            self._start(exchange)
        else:
            self._waiting.append(exchange)

    def on_body(self, body: bytes) -> None:
        if self._reading is not None and not self._reading.is_answered:
            self._reading.add_body(body)

    def on_message_complete(self) -> None:
        if self._reading is not None and not self._is_upgrading:
            self._reading.end_body()
            self._reading = None

    def _refuse_head(self, status: HTTPStatus) -> None:
        self._refusal = status
        raise Refused

    # The end

    def _refuse(self, status: HTTPStatus) -> None:
        log.warning("request.not_http", status=status.value)
        self.write(STATUS_LINES[status.value] + self.date_line() + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        self._linger()

    def _linger(self) -> None:
        """Close, but let the client read the answer first: data that nobody reads would destroy it on its way."""
        self._unfed = b""
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
