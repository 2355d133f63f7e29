"""Web applications to measure ours against, under the same gunicorn configuration. Never for production."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, request

from receiver.server.paths import DELIVERY_PATH
from sync.events.raw import RawEvent, to_json
from sync.events.signature import Verdict, verify
from sync.queue.connection import connect, open_queue
from sync.queue.jobs import JOB_FUNCTION
from sync.settings.web import ReceiverSettings

REDIS_CONNECTIONS = 20
REDIS_SECONDS = 5

Message = MutableMapping[str, Any]
Asgi = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


def create_empty_app() -> Flask:
    """Return an application whose one route reads the body and does nothing: as fast as Flask gets here."""
    app = Flask(__name__, static_folder=None)

    @app.post(DELIVERY_PATH)
    def receive() -> Response:
        request.get_data()
        return Response(status=200)

    return app


def create_empty_asgi_app() -> Asgi:
    """Return an ASGI application that reads the body of a request and answers 200: as fast as Python gets here."""

    async def serve(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            raise NotImplementedError  # the server's start and end, of which there is nothing to do
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    return serve


def create_plain_app() -> Flask:
    """Return an application written the plain way: verify, `queue.enqueue`, answer; a job for each request.

    It is spared what would make it slower for no good reason: pickle, and descriptions that quote arguments.
    """
    app = Flask(__name__, static_folder=None)
    settings = ReceiverSettings.read(os.environ)
    queue = open_queue(connect(settings.redis, connections=REDIS_CONNECTIONS, seconds=REDIS_SECONDS))

    @app.post(DELIVERY_PATH)
    def receive() -> Response:
        body = request.get_data()
        if verify(body, request.headers.get("X-Zexa-Signature"), settings.secrets) is not Verdict.GENUINE:
            return Response(status=403)
        raw = RawEvent(body=body, received_at=datetime.now(UTC))
        queue.enqueue(JOB_FUNCTION, to_json([raw]), description="raw event")
        return Response(status=200)

    return app
