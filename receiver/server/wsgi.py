"""Has a WSGI application answer ASGI requests in a few threads. Small answers without a body only: no streams."""

import io
import sys
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


class InThreads:
    """`wsgi_app` as an ASGI application. Bodies of requests are not read: none of its routes takes one."""

    def __init__(self, wsgi_app: Any) -> None:
        self._app = wsgi_app
        self._threads = Threads("flask", most=THREADS, waiting=WAITING_MAX)

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        environ = wsgi_environ(scope)
        try:
            reply = await self._threads.run(lambda: self._answer(environ), seconds=ANSWER_SECONDS)
        except (ThreadsBusy, TimeoutError):
            reply = UNAVAILABLE
        await send_reply(send, reply)

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
        return Reply(HTTPStatus(int(status[:3])), headers, body)


def wsgi_environ(scope: Scope) -> dict[str, Any]:
    """Return the environment of a request (PEP 3333). Names of fields with an underscore are left out.

    They would stand for others, with a hyphen, and whoever is in front of us may have checked those only.
    """
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": wsgi_path(scope),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, text in scope["headers"]:
        if b"_" in name or name in (b"content-length", b"transfer-encoding"):
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        value = text.decode("latin-1")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ
