"""A page that takes too long ends in an answer that says so, and frees what it waits for."""

import asyncio
from collections.abc import Callable, Iterable
from http import HTTPStatus
from threading import Event
from typing import Any

from receiver.server.asgi import Reply
from receiver.server.wsgi import InThreads

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
    return sent[0]["status"], sent[0]["headers"], sent[1]["body"]


def echo(environ: dict[str, Any], start: START) -> Iterable[bytes]:
    told = f"{environ['REQUEST_METHOD']} {environ['REMOTE_ADDR']} ".encode() + environ["wsgi.input"].read()
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(told)))])
    return [told]


def test_an_answer_has_one_length_and_an_answer_to_head_has_that_of_get() -> None:
    for method, body in (("GET", b"GET 10.0.0.1 "), ("HEAD", b"")):
        status, headers, told = ask(InThreads(echo), method)
        assert (status, told) == (200, body)
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
