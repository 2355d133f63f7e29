"""Turns the bytes of a client into requests: httptools' parser, with bounds on heads, and the requests it finds.

It never waits and never writes. What it finds it gives to its connection at once.
"""

from http import HTTPStatus
from typing import Any, Protocol

import httptools

from receiver.server.head import (
    FIELDS_MAX,
    FORBIDDEN_TRAILERS,
    HEAD_BYTES_MAX,
    URL_BYTES_MAX,
    Field,
    RequestTarget,
    read_target,
    refusal,
)

FRAMING = frozenset({b"content-length", b"transfer-encoding"})


class RequestRefused(Exception):  # noqa: N818 - a decision
    """Ends the parser's work."""


class Listener(Protocol):
    """Who is told of the requests: a connection."""

    def begin(self, method: str, version: str, target: RequestTarget, fields: list[Field], *, may_stay: bool) -> None:
        """Hear of a request whose head is whole."""

    def add_body(self, part: bytes) -> None:
        """Take a part of its body."""

    def end_body(self) -> None:
        """Hear that its body is whole."""


class RequestParser:
    """Parses for one connection."""

    def __init__(self, connection: Listener) -> None:
        self._connection = connection
        self.on_body = connection.add_body
        self._http: Any = httptools.HttpRequestParser(self)
        self.is_in_head = False
        self._head_bytes = 0
        self._url = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._trailers = 0
        self._is_upgrading = False
        self._is_resuming = False
        self._refusal: HTTPStatus | None = None

    def close(self) -> None:
        """Parse no more: this parser and httptools' hold each other."""
        self._http = None

    def feed(self, data: bytes) -> HTTPStatus | None:
        """Parse `data`; return the status to refuse it with, None if all is well so far."""
        try:
            self._http.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._resume(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            is_too_long = str(error) == "Content-Length overflow"
            return self._refusal or (HTTPStatus.REQUEST_ENTITY_TOO_LARGE if is_too_long else HTTPStatus.BAD_REQUEST)
        if self.is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        return None

    def _resume(self, rest: bytes) -> HTTPStatus | None:
        """Go on behind a head that offers another protocol, which nobody here speaks.

        The parser takes what follows for that protocol. So another one is told how long the body is, without the offer.
        """
        self._http = httptools.HttpRequestParser(self)
        framing = [name + b": " + text for name, text in self._fields if name in FRAMING]
        self._is_upgrading, self._is_resuming = False, True
        return self.feed(b"\r\n".join([b"POST / HTTP/1.1", *framing, b"", rest]))

    # What httptools finds

    def on_message_begin(self) -> None:
        if self._is_resuming:
            return
        self.is_in_head = True
        self._head_bytes = 0
        self._trailers = 0
        self._url = b""
        self._fields = []

    def on_url(self, url: bytes) -> None:
        if self._is_resuming:
            return
        self._url += url
        if len(self._url) > URL_BYTES_MAX:
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_resuming:
            return
        name = name.lower()
        if not self.is_in_head:
            self._trailers += 1
            if self._trailers > FIELDS_MAX or name in FORBIDDEN_TRAILERS:
                raise RequestRefused
            return
        self._fields.append((name, value))
        if len(self._fields) > FIELDS_MAX:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        if self._is_resuming:
            self._is_resuming = False
            return
        http = self._http
        version = http.get_http_version()
        status = refusal(version, self._fields)
        target = read_target(self._url)
        if status or not target:
            self._refuse(status or HTTPStatus.BAD_REQUEST)
            return
        self.is_in_head = False
        self._is_upgrading = http.should_upgrade()
        may_stay = version == "1.1" and http.should_keep_alive()
        self._connection.begin(http.get_method().decode("ascii"), version, target, self._fields, may_stay=may_stay)

    def on_message_complete(self) -> None:
        if not self._is_upgrading:
            self._connection.end_body()

    def _refuse(self, status: HTTPStatus) -> None:
        self._refusal = status
        raise RequestRefused
