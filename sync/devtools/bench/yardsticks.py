"""Web applications to measure ours against, under the same gunicorn configuration. Never for production."""

import os
from datetime import UTC, datetime

from flask import Flask, Response, request

from receiver.requests import PATH
from receiver.settings import ReceiverSettings
from receiver.signature import Verdict, verify
from sync.queue import JOB_FUNCTION, connect, open_queue
from sync.raw_events import RawEvent, to_json

REDIS_CONNECTIONS = 20
REDIS_SECONDS = 5


def create_empty_app() -> Flask:
    """Return an application whose one route reads the body and does nothing: as fast as Flask gets here."""
    app = Flask(__name__, static_folder=None)

    @app.post(PATH)
    def receive() -> Response:
        request.get_data()
        return Response(status=200)

    return app


def create_plain_app() -> Flask:
    """Return an application written the plain way: verify, `queue.enqueue`, answer; a job for each request.

    It is spared what would make it slower for no good reason: pickle, and descriptions that quote arguments.
    """
    app = Flask(__name__, static_folder=None)
    settings = ReceiverSettings.read(os.environ)
    queue = open_queue(connect(settings.redis, connections=REDIS_CONNECTIONS, seconds=REDIS_SECONDS))

    @app.post(PATH)
    def receive() -> Response:
        body = request.get_data()
        if verify(body, request.headers.get("X-Zexa-Signature"), settings.secrets) is not Verdict.GENUINE:
            return Response(status=403)
        raw = RawEvent(body=body, received_at=datetime.now(UTC))
        queue.enqueue(JOB_FUNCTION, to_json([raw]), description="raw event")
        return Response(status=200)

    return app
