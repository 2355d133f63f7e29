"""Reads a request's body, whole or not at all, and never more of it than is allowed."""

import asyncio
from typing import BinaryIO

from receiver.server.asgi import Message, Receive
from sync.events.raw import BODY_BYTES_MAX

# The provider gives up after 10 s; a client that sends slower than that is not the provider.
BODY_SECONDS = 10
# What all bodies that one process has not read to their end hold together.
UNFINISHED_BYTES_MAX = 64 * 1024 * 1024


class BodyTooLarge(Exception):  # noqa: N818 - it says what the body is
    """The body is longer than BODY_BYTES_MAX."""


class BodyIncomplete(Exception):  # noqa: N818 - it says what the body is
    """The body did not arrive whole: its sender went away, dawdled, or broke its framing."""


class BodyReader:
    """Reads the bodies of one process.

    When they hold too much memory together, the body that has been read for the longest time is given up.
    """

    def __init__(self) -> None:
        self._unfinished: dict[asyncio.Timeout, int] = {}
        self._bytes = 0

    async def read(self, receive: Receive, length: int) -> bytes:
        """Return the body that `receive` gives; raise BodyTooLarge or BodyIncomplete.

        `length` is what the request announces, 0 if it announces nothing. A body that is announced as too long is not
        read at all. Any other is read to the first byte that is not allowed, whatever its framing.
        """
        if length > BODY_BYTES_MAX:
            raise BodyTooLarge
        message = await _next_of(receive)
        if message.get("more_body"):
            return await self._read_on(receive, message.get("body", b""))
        return _allowed(message.get("body", b""))

    async def _read_on(self, receive: Receive, body: bytes) -> bytes:
        parts = [_allowed(body)]
        try:
            async with asyncio.timeout(BODY_SECONDS) as timeout:
                self._unfinished[timeout] = 0
                self._hold(timeout, len(body))
                is_whole = False
                while not is_whole:
                    message = await _next_of(receive)
                    is_whole = not message.get("more_body")
                    parts.append(message.get("body", b""))
                    self._hold(timeout, len(parts[-1]))
                    if self._unfinished[timeout] > BODY_BYTES_MAX:
                        raise BodyTooLarge
        except TimeoutError:
            raise BodyIncomplete from None
        finally:
            self._bytes -= self._unfinished.pop(timeout, 0)
        return b"".join(parts)

    def _hold(self, timeout: asyncio.Timeout, count: int) -> None:
        self._unfinished[timeout] += count
        self._bytes += count
        if self._bytes > UNFINISHED_BYTES_MAX:
            oldest = next(iter(self._unfinished))
            if not oldest.expired():
                oldest.reschedule(0)


async def _next_of(receive: Receive) -> Message:
    message = await receive()
    if message["type"] != "http.request":
        raise BodyIncomplete
    return message


def _allowed(body: bytes) -> bytes:
    if len(body) > BODY_BYTES_MAX:
        raise BodyTooLarge
    return body


def read_stream(stream: BinaryIO, length: int) -> bytes:
    """Return the body of a WSGI request; raise as `read` does. How long it may take is a matter of the server."""
    if length > BODY_BYTES_MAX:
        raise BodyTooLarge
    try:
        body = b""
        while len(body) <= BODY_BYTES_MAX and (part := stream.read(BODY_BYTES_MAX + 1 - len(body))):
            body += part
    except Exception:
        # Whatever the server makes of broken framing or a lost connection, there is no body to judge.
        raise BodyIncomplete from None
    if len(body) < length:
        raise BodyIncomplete
    return _allowed(body)
