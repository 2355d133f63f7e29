"""A small server that plays the part of Sentry that takes events."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class SentryServer:
    """Keeps the envelopes that it was sent, as text."""

    def __init__(self, port: int) -> None:
        self.dsn = f"http://key@127.0.0.1:{port}/7"
        self.envelopes: list[str] = []

    @property
    def events(self) -> list[dict[str, Any]]:
        """Return the documents of the envelopes; each has a line that describes it, and another before that."""
        return [json.loads(envelope.splitlines()[2]) for envelope in self.envelopes]

    @property
    def messages(self) -> list[str]:
        return [event.get("message", "") for event in self.events]


@contextmanager
def sentry_server() -> Iterator[SentryServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/api/7/envelope/"
            taken.envelopes.append(gzip.decompress(body).decode())
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        taken = SentryServer(server.server_port)
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield taken
        finally:
            server.shutdown()
            thread.join()
