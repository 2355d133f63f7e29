"""A request and its answer, as ASGI sees them: `scope`, `receive` and `send`."""

import asyncio
from http import HTTPStatus
from typing import Any, Protocol

import structlog

from receiver.server.asgi import AsgiApp, Message, Scope
from sync.settings.sentry_client import report

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
DISCONNECT: Message = {"type": "http.disconnect"}
# So much of a body is kept for an application that does not ask for it.
UNREAD_BYTES_MAX = 16 * 1024

log = structlog.get_logger()


class Client(Protocol):
    """Who asked, and is answered: a connection."""

    is_stopping: bool

    def write(self, data: bytes) -> None:
        """Send a part of an answer."""

    async def drained(self) -> None:
        """Wait until the client has taken most of what was written."""

    def date_line(self) -> bytes:
        """Return the field that says when it is."""

    def regulate(self) -> None:
        """Read more of the body, or no more for now."""

    def answered(self, exchange: "Exchange") -> None:
        """Hear that the answer is whole."""

    def fail(self, exchange: "Exchange") -> None:
        """Hear that there will be no whole answer."""


class Exchange:
    """One request of a connection. The connection adds the body as it comes, and is told of the answer.

    `may_stay`: whether the client would go on with this connection.
    """

    __slots__ = (
        *("_awaited", "_connection", "_expects_continue", "_head", "_is_told", "_body"),
        *("begun_at", "is_answered", "is_begun", "is_broken", "is_gone", "is_whole"),
        *("may_stay", "scope", "status"),
    )

    def __init__(self, connection: Client, scope: Scope, *, may_stay: bool, expects_continue: bool) -> None:
        self._connection = connection
        self._expects_continue = expects_continue
        self._body = bytearray()  # that arrived, and was not asked for yet
        self._awaited: asyncio.Future[None] | None = None
        self._head: list[bytes] | None = None
        self._is_told = False  # the application knows that the body is whole
        self.scope = scope
        self.begun_at = 0.0
        self.may_stay = may_stay
        self.status = 0
        self.is_whole = False  # the body has arrived
        self.is_broken = False  # the body will not arrive
        self.is_begun = False  # the client has been sent a part of the answer
        self.is_answered = False
        self.is_gone = False  # there is nobody to answer

    @property
    def is_full(self) -> bool:
        return len(self._body) > UNREAD_BYTES_MAX

    async def run(self, app: AsgiApp) -> None:
        """Have `app` answer. If a bug of zexa-sync prevents that, the client is asked to come again."""
        try:
            await app(self.scope, self.receive, self.send)
        except Exception as error:
            # Its text may quote the request.
            log.error("request.failed", error=type(error).__name__)
            report("request.failed", type(error).__name__, error)
        if not self.is_answered and not self.is_gone:
            self._connection.fail(self)

    # What the connection tells

    def add_body(self, part: bytes) -> None:
        self._body += part
        self._wake()

    def end_body(self) -> None:
        self.is_whole = True
        self._wake()

    def break_body(self) -> None:
        """Tell that the rest of the body will never come."""
        if not self.is_whole:
            self.is_broken = True
            self._wake()

    def disconnect(self) -> None:
        self.is_gone = True
        self.break_body()
        self._wake()

    def _wake(self) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)

    # What the application calls

    async def receive(self) -> Message:
        """Return the next part of the body, or that none will come: its sender is gone, or broke its framing."""
        if self._expects_continue:
            self._expects_continue = False
            self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not (self._body or self.is_whole or self.is_broken or self.is_gone):
            self._awaited = asyncio.get_running_loop().create_future()
            self._connection.regulate()
            await self._awaited
        if not self._body and (self._is_told or not self.is_whole):
            return DISCONNECT
        body = bytes(self._body)
        self._body.clear()
        self._is_told = self.is_whole
        return {"type": "http.request", "body": body, "more_body": not self.is_whole}

    async def send(self, message: Message) -> None:
        """Write the answer: head and body together if the body is one part, as all of ours are."""
        if self.is_gone or self.is_answered:
            return
        if message["type"] == "http.response.start":
            self._head = self._head_of(message)
            return
        body, is_last = message.get("body", b""), not message.get("more_body")
        if self._head is not None:
            head, self._head = self._head, None
            self.is_begun = True
            head.append(b"\r\n")
            self._connection.write(b"".join(head) + body)
        else:
            self._connection.write(body)
        if is_last:
            self.is_answered = True
            self._connection.answered(self)
        else:
            await self._connection.drained()

    def _head_of(self, message: Message) -> list[bytes]:
        self.status = message["status"]
        head = [STATUS_LINES[self.status], self._connection.date_line()]
        has_length = False
        for name, text in message.get("headers", ()):
            head += (name, b": ", text, b"\r\n")
            has_length = has_length or name.lower() == b"content-length"
        # A body that nobody read is still on its way, and an answer without a length ends with its connection.
        may_stay = self.is_whole and has_length and not self._connection.is_stopping
        self.may_stay = self.may_stay and may_stay and self.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        if not self.may_stay:
            head.append(b"Connection: close\r\n")
        return head


def new_scope(method: str, version: str, target: Any, fields: list[tuple[bytes, bytes]], client: Any) -> Scope:
    """Return the scope of a request (https://asgi.readthedocs.io/en/latest/specs/www.html).

    `client` is the peer's address as a socket has it; one without a port is of a Unix socket.
    """
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": version,
        "method": method,
        "scheme": "http",
        "path": target.path,
        "raw_path": target.raw_path,
        "query_string": target.query,
        "root_path": "",
        "headers": fields,
        "client": tuple(client[:2]) if isinstance(client, tuple) else None,
        "server": None,
    }
