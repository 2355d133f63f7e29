"""Has a WSGI application answer ASGI requests in a few threads. Small answers only: no streams."""

import io
import sys
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from receiver.server.access_log import wsgi_path
from receiver.server.asgi import Receive, Reply, Scope, Send, send_reply
from receiver.server.threads import Threads, ThreadsBusy

THREADS = 4
WAITING_MAX = 100
# A bound on one answer, the wait for a thread included.
ANSWER_SECONDS = 10.0
UNAVAILABLE = Reply(HTTPStatus.SERVICE_UNAVAILABLE, [("Retry-After", "1")])

# Returns the body of a request, or the answer that refuses it.
Read = Callable[[Scope, Receive], Awaitable[bytes | Reply]]


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
        seconds: float = ANSWER_SECONDS,
        read: Read | None = None,
        late: Reply = UNAVAILABLE,
        give_up: Callable[[], None] | None = None,
    ) -> None:
        self._app = wsgi_app
        self._threads = Threads(name, most=most, waiting=waiting)
        self._seconds = seconds
        self._read = read
        self._late = late
        self._give_up = give_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self._read(scope, receive) if self._read and scope["method"] == "POST" else b""
        reply = body if isinstance(body, Reply) else await self._reply(wsgi_environ(scope, body))
        await send_reply(send, reply, has_body=scope["method"] != "HEAD")

    async def _reply(self, environ: dict[str, Any]) -> Reply:
        try:
            return await self._threads.run(lambda: self._answer(environ), seconds=self._seconds)
        except ThreadsBusy:
            return self._late
        except TimeoutError:
            if self._give_up:
                self._give_up()
            return self._late

    def _answer(self, environ: dict[str, Any]) -> Reply:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
            started[:] = [(status, headers)]

        parts = self._app(environ, start_response)
        try:
            body = b"".join(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        ((status, headers),) = started
        # `send_reply` says how long the body is.
        headers = [(name, text) for name, text in headers if name.lower() != "content-length"]
        return Reply(HTTPStatus(int(status[:3])), headers, body)


def wsgi_environ(scope: Scope, body: bytes = b"") -> dict[str, Any]:
    """Return the environment of a request (PEP 3333). Names of fields with an underscore are left out.

    They would stand for others, with a hyphen, and whoever is in front of us may have checked those only.
    """
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
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, text in scope["headers"]:
        if b"_" in name or name in (b"content-length", b"transfer-encoding"):
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        value = text.decode("latin-1")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ
