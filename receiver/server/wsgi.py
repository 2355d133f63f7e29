"""Has a WSGI application answer ASGI requests in a few threads. What is long is handed over in parts, either way."""

import io
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, suppress
from http import HTTPStatus
from typing import Any, BinaryIO, NamedTuple

from receiver.server.access_log import wsgi_path
from receiver.server.asgi import Receive, Reply, Scope, Send, head_of, send_reply
from receiver.server.threads import Threads, ThreadsBusy

THREADS = 4
WAITING_MAX = 100
# A bound on one answer, the wait for a thread included.
ANSWER_SECONDS = 10.0
# A longer answer is sent part by part, so that no client's pace decides how much of it is held.
WHOLE_BYTES_MAX = 512 * 1024
UNAVAILABLE = Reply(HTTPStatus.SERVICE_UNAVAILABLE, [("Retry-After", "1")])
# Tells the application why a body is not there; only we can set it, as clients set names in HTTP_ only.
BODY_PROBLEM = "zexa.body_problem"


class RequestBody(NamedTuple):
    """The body of a request: `length` bytes of `stream`, or what is to be told of one that was not taken."""

    stream: BinaryIO
    length: int
    problem: str = ""

    @classmethod
    def from_bytes(cls, content: bytes) -> "RequestBody":
        return cls(io.BytesIO(content), len(content))


class StreamedAnswer(NamedTuple):
    """A long answer of `length` bytes: what of it was made first, the parts that follow, and what ends them."""

    reply: Reply
    length: int
    parts: Iterator[bytes]
    close: Callable[[], None]


# Returns the body of a request, or the answer that refuses it.
Read = Callable[[Scope, Receive], Awaitable[bytes | RequestBody | Reply]]


class InThreads:
    """`wsgi_app` as an ASGI application, in `most` threads for which `waiting` requests wait at the most.

    Bodies of requests are read by `read`; without it they are not read at all, for routes that take none. An answer
    that takes more than `seconds` is `late` instead; `give_up` then frees what it waits for.
    """

    def __init__(
        self,
        wsgi_app: Any,
        *,
        name: str = "flask",
        most: int = THREADS,
        waiting: int = WAITING_MAX,
        gives_way: bool = False,
        seconds: float = ANSWER_SECONDS,
        read: Read | None = None,
        late: Reply = UNAVAILABLE,
        give_up: Callable[[], None] | None = None,
    ) -> None:
        self._app = wsgi_app
        self._threads = Threads(name, most=most, waiting=waiting, gives_way=gives_way)
        self._seconds = seconds
        self._read = read
        self._late = late
        self._give_up = give_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_body = scope["method"] != "HEAD"
        body = await self._read(scope, receive) if self._read and scope["method"] == "POST" else b""
        if isinstance(body, Reply):
            await send_reply(send, body)
            return
        environ = wsgi_environ(scope, RequestBody.from_bytes(body) if isinstance(body, bytes) else body)
        answer = await self.run(lambda: self._answer(environ))
        if isinstance(answer, Reply):
            await send_reply(send, answer, has_body=has_body)
        elif isinstance(answer, StreamedAnswer):
            await self._stream(send, answer, has_body=has_body)
        else:
            await send_reply(send, self._late, has_body=has_body)

    async def run(self, work: Callable[[], Any]) -> Any:
        """Return what `work` returns in one of the threads; None if there is none free, or it takes too long."""
        try:
            return await self._threads.run(work, seconds=self._seconds)
        except ThreadsBusy:
            return None
        except TimeoutError:
            if self._give_up:
                self._give_up()
            return None

    async def _stream(self, send: Send, answer: StreamedAnswer, *, has_body: bool) -> None:
        """Send an answer whose head says how long it is: if it ends early its client sees that it is not whole.

        Then it is left without an end, which closes the connection: the client would wait for the rest, or take the
        next answer for it.
        """
        status, headers, part = answer.reply
        missing = answer.length if has_body else 0
        try:
            await send({"type": "http.response.start", "status": status.value, "headers": head_of(headers)})
            while part and has_body:
                await send({"type": "http.response.body", "body": part, "more_body": True})
                missing -= len(part)
                part = await self.run(lambda: next(answer.parts, b""))
            if not missing:
                await send({"type": "http.response.body", "body": b""})
        finally:
            with suppress(ValueError):  # a part is being made, which nobody waits for any more
                answer.close()

    def _answer(self, environ: dict[str, Any]) -> Reply | StreamedAnswer:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
            started[:] = [(status, headers)]

        with ExitStack() as ends:
            ends.callback(environ["wsgi.input"].close)
            parts = self._app(environ, start_response)
            ends.callback(getattr(parts, "close", lambda: None))
            iterator = iter(parts)
            body, is_whole = _first_of(iterator)
            ((status, headers),) = started
            length = next((int(text) for name, text in headers if name.lower() == "content-length"), None)
            if length is not None and not is_whole:
                reply = Reply(HTTPStatus(int(status[:3])), headers, body)
                return StreamedAnswer(reply, length, iterator, ends.pop_all().close)
            body += b"".join(iterator)
        # `send_reply` says how long the body is.
        headers = [(name, text) for name, text in headers if name.lower() != "content-length"]
        return Reply(HTTPStatus(int(status[:3])), headers, body)


def _first_of(parts: Iterator[bytes]) -> tuple[bytes, bool]:
    """Return the first parts together, and whether these are all."""
    first: list[bytes] = []
    size = 0
    for part in parts:
        first.append(part)
        size += len(part)
        if size > WHOLE_BYTES_MAX:
            return b"".join(first), False
    return b"".join(first), True


def wsgi_environ(scope: Scope, body: RequestBody | None = None) -> dict[str, Any]:
    """Return the environment of a request (PEP 3333). Names of fields with an underscore are left out.

    They would stand for others, with a hyphen, and a proxy in front of us may have checked those only.
    """
    body = body or RequestBody.from_bytes(b"")
    peer, *_ = scope.get("client") or ("",)
    environ: dict[str, Any] = {
        # An answer to HEAD is that to GET, without its body.
        "REQUEST_METHOD": "GET" if scope["method"] == "HEAD" else scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": wsgi_path(scope),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "REMOTE_ADDR": peer,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": body.stream,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if body.length:
        environ["CONTENT_LENGTH"] = str(body.length)
    if body.problem:
        environ[BODY_PROBLEM] = body.problem
    for name, text in scope["headers"]:
        if b"_" in name or name in (b"content-length", b"transfer-encoding"):
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        value = text.decode("latin-1")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ
