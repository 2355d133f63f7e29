"""A page that takes too long ends in an answer that says so, and frees what it waits for."""

import asyncio
import io
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from threading import Event
from typing import Any

import pytest

from receiver.server.asgi import Reply
from receiver.server.wsgi import BODY_PROBLEM, WHOLE_BYTES_MAX, InThreads, RequestBody

LATE = Reply(HTTPStatus.SERVICE_UNAVAILABLE, [("Content-Type", "text/html")], b"too slow")
REFUSED = Reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
START = Callable[[str, list[tuple[str, str]]], object]


def ask(app: InThreads, method: str = "GET", body: bytes = b"") -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """The status, the headers and the body of the answer to a request."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    path = {"path": "/", "raw_path": b"/", "query_string": b"", "scheme": "http"}
    scope = {"type": "http", "method": method, "http_version": "1.1", "headers": [], "client": ("10.0.0.1", 5), **path}
    asyncio.run(app(scope, receive, send))
    assert [message.get("more_body", False) for message in sent[1:-1]] == [True] * (len(sent) - 2)
    return sent[0]["status"], sent[0]["headers"], b"".join(message["body"] for message in sent[1:])


def echo(environ: dict[str, Any], start: START) -> Iterable[bytes]:
    content = f"{environ['REQUEST_METHOD']} {environ['REMOTE_ADDR']} ".encode() + environ["wsgi.input"].read()
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(content)))])
    return [content]


def test_an_answer_has_one_length_and_an_answer_to_head_has_that_of_get() -> None:
    for method, body in (("GET", b"GET 10.0.0.1 "), ("HEAD", b"")):
        status, headers, content = ask(InThreads(echo), method)
        assert (status, content) == (200, body)
        assert [text for name, text in headers if name.lower() == b"content-length"] == [b"13"]


def test_a_body_is_read_only_if_the_application_takes_one() -> None:
    async def read(_scope: object, receive: Any) -> bytes:
        return bytes((await receive())["body"])

    assert ask(InThreads(echo, read=read), "POST", b"a form")[2] == b"POST 10.0.0.1 a form"
    assert ask(InThreads(echo), "POST", b"a form")[2] == b"POST 10.0.0.1 "


def test_a_body_that_is_refused_reaches_no_page() -> None:
    async def refuse(_scope: object, _receive: object) -> Reply:
        return REFUSED

    assert ask(InThreads(echo, read=refuse), "POST", b"a form")[0] == 413


def test_what_takes_too_long_is_answered_all_the_same_and_what_it_waits_for_is_given_up() -> None:
    is_given_up = Event()

    def slow(_environ: object, start: START) -> Iterable[bytes]:
        assert is_given_up.wait(10)
        start("200 OK", [])
        return [b"too late"]

    app = InThreads(slow, seconds=0.05, late=LATE, give_up=is_given_up.set)
    status, _, body = ask(app)
    assert (status, body) == (503, b"too slow")
    assert is_given_up.is_set()


class LongAnswer:
    """An application whose answer has many parts, each made when it is asked for."""

    def __init__(self, parts: int, *, fails: bool = False) -> None:
        self.parts, self.fails = parts, fails
        self.made = 0
        self.is_closed = False

    def __call__(self, _environ: object, start: START) -> "LongAnswer":
        start("200 OK", [("Content-Length", str(self.parts * WHOLE_BYTES_MAX))])
        return self

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self.parts):
            self.made += 1
            yield b"x" * WHOLE_BYTES_MAX
            if self.fails and self.made > 1:
                raise OSError("the disk")

    def close(self) -> None:
        self.is_closed = True


def test_a_long_answer_is_sent_part_by_part_under_the_length_that_its_head_says() -> None:
    long = LongAnswer(5)
    status, headers, content = ask(InThreads(long))
    assert (status, len(content), long.is_closed) == (200, 5 * WHOLE_BYTES_MAX, True)
    assert [text for name, text in headers if name.lower() == b"content-length"] == [b"%d" % len(content)]
    asked = LongAnswer(5)
    assert ask(InThreads(asked), "HEAD")[2] == b""
    assert (asked.made, asked.is_closed) == (2, True)


def test_a_long_answer_that_breaks_off_has_no_end() -> None:
    long = LongAnswer(5, fails=True)
    with pytest.raises(OSError, match="the disk"):
        ask(InThreads(long))
    assert (long.made, long.is_closed) == (2, True)


def test_a_long_answer_that_ends_early_has_no_end_either_so_that_nobody_takes_the_next_answer_for_its_rest() -> None:
    long = LongAnswer(5)

    def shorter(environ: object, start: START) -> LongAnswer:
        long(environ, start)
        long.parts = 3
        return long

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    path = {"path": "/", "raw_path": b"/", "query_string": b"", "scheme": "http", "client": None}
    scope = {"type": "http", "method": "GET", "http_version": "1.1", "headers": [], **path}
    asyncio.run(InThreads(shorter)(scope, receive, send))
    assert [message.get("more_body") for message in sent[1:]] == [True, True]
    assert long.is_closed


def test_a_body_in_a_file_is_closed_once_it_is_answered_and_a_problem_of_one_is_told() -> None:
    file = io.BytesIO(b"a list")

    async def read(_scope: object, _receive: object) -> RequestBody:
        return RequestBody(file, 6)

    assert ask(InThreads(echo, read=read), "POST")[2] == b"POST 10.0.0.1 a list"
    assert file.closed

    async def refuse(_scope: object, _receive: object) -> RequestBody:
        return RequestBody(io.BytesIO(), 0, "too_large")

    def tell(environ: dict[str, Any], start: START) -> Iterable[bytes]:
        start("413 Too Large", [])
        return [environ[BODY_PROBLEM].encode()]

    assert ask(InThreads(tell, read=refuse), "POST")[2] == b"too_large"
