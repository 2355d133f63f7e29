"""Connections whose answers end: at so many bytes, and so long after the request, however slowly they come."""

import time
from contextlib import suppress
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from socket import socket
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

# A list of some thousand webhooks is shorter.
ANSWER_BYTES_MAX = 4 * 1024 * 1024


class AnswerTooLong(Exception):  # noqa: N818 - an answer
    """More than ANSWER_BYTES_MAX bytes come: no answer of an API."""


def bounded_pools(**options: Any) -> PoolManager:
    """Return a PoolManager of these `options` that raises AnswerTooLong; its read timeout is that of a whole answer."""
    pools = PoolManager(**options)
    pools.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return pools


class _Bytes(RawIOBase):
    """What `sock` receives, until the timeout that it has now is over for all of it."""

    def __init__(self, sock: socket, raw: RawIOBase) -> None:
        self._sock, self._raw = sock, raw
        self._seconds = sock.gettimeout()
        self._deadline = time.monotonic() + (self._seconds or 0.0)
        self._left = ANSWER_BYTES_MAX

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._seconds is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise AnswerTooLong
        return count

    def close(self) -> None:
        with suppress(OSError):
            self._sock.settimeout(self._seconds)  # the next request's
        self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    def __init__(self, sock: socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self.fp = BufferedReader(_Bytes(sock, self.fp.detach()))

    def begin(self) -> None:
        super().begin()
        if (self.length or 0) > ANSWER_BYTES_MAX:
            raise AnswerTooLong

    def read(self, amt: int | None = None) -> bytes:
        """Never ask for as much as a chunk claims to have."""
        return super().read(ANSWER_BYTES_MAX + 1 if amt is None and self.chunked else amt)


class _Connection(HTTPConnection):
    response_class = _Answer


class _SecureConnection(HTTPSConnection):
    response_class = _Answer


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
