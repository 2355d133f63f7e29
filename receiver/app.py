"""The web process's application: the webhook in front, look-ups beside it, and Flask beneath for all the rest."""

import json
import os
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from receiver.readiness import Readiness
from receiver.server.asgi import AsgiApp, Headers, Receive, Reply, Scope, Send, send_reply
from receiver.server.paths import (
    CONSOLE_PATH,
    DELIVERY_PATH,
    DELIVERY_PATHS,
    HEALTH_PATH,
    HOME_PATH,
    LOOKUP_PATHS,
    READY_PATH,
    nearest_path,
    shown_path,
)
from receiver.server.wsgi import InThreads
from receiver.webhook.endpoint import Keys, Webhook, add_route, flask_response
from receiver.webhook.inbox import InboxWriter
from receiver.webhook.intake import Intake
from receiver.webhook.loop_thread import LoopThread
from receiver.webhook.marker import Marker
from receiver.webhook.reporter import Reporter
from sync.queue.connection import connect
from sync.settings.web import ReceiverSettings

if TYPE_CHECKING:
    from receiver.api.endpoint import Api

READY_REDIS_SECONDS = 0.5
TEXT_TYPE = "text/plain; charset=utf-8"
HOME = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>zexa-sync</title>
<h1>zexa-sync is running</h1>
<p>It takes the delivery events of Zexa by webhook and keeps them in a database.</p>
<p>Zexa delivers to <code>POST {DELIVERY_PATH}</code>. <a href="{READY_PATH}">{READY_PATH}</a> says whether Redis and
the database are usable.</p>
"""
HOME_HEADERS = {"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff"}


class Parts(NamedTuple):
    """What answers requests. Nothing is connected yet."""

    settings: ReceiverSettings
    intake: Intake
    keys: Keys
    reporter: Reporter
    marker: Marker
    readiness: Readiness
    api: "Api | None"
    stops: tuple[Callable[[], None], ...]

    def stop(self) -> None:
        for stop in self.stops:
            stop()


class Application(NamedTuple):
    """An ASGI application. `start` is for the process that serves it, once that does not fork any more.

    `stop` sends what was counted, and closes the connections to the database; at the end of a process that happens by
    itself.
    """

    answer: AsgiApp
    start: Callable[[], None]
    stop: Callable[[], None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.answer(scope, receive, send)


def create_app(settings: ReceiverSettings | None = None) -> Flask:
    """Return the whole application for those who serve it by WSGI; settings come from the environment unless given.

    How long a body may take, and how many connections there may be, is then a matter of the server. Until its first
    request of any kind, such as one for its health, it leaves no mark that deliveries can be acknowledged.
    Raises SettingError. Connects to nothing: the process serves while Redis or the database is away.
    """
    parts = _parts(settings)
    loop, intake = LoopThread(), parts.intake
    app = _flask(parts)
    app.extensions["stop"] = parts.stop
    app.before_request(parts.marker.start)  # with the first request of any kind: the server may have forked before

    def store(body: bytes, request_id: str) -> None:
        loop.run(lambda: intake.store(body, request_id))

    add_route(app, parts.keys, store=store, reporter=parts.reporter)
    if parts.api:
        parts.api.add_routes(app)
    if parts.settings.console:
        # Loads what look-ups, models and templates need, which nothing else of this process does.
        from receiver.console.app import add_console  # noqa: PLC0415
        from receiver.console.serve import stores_of  # noqa: PLC0415

        add_console(app, parts.settings.console.key, stores_of(parts.settings))
    return app


def create_asgi_app(settings: ReceiverSettings | None = None) -> Application:
    """Return what the Procfile serves: the same answers, on an event loop. Raises as `create_app` does."""
    parts = _parts(settings)
    webhook = Webhook(parts.keys, store=parts.intake.store, reporter=parts.reporter)
    api, flask, console = parts.api, InThreads(_flask(parts)), _console(parts.settings)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path in DELIVERY_PATHS:
            await webhook(scope, receive, send)
        elif path == READY_PATH and scope["method"] in ("GET", "HEAD"):
            await send_reply(
                send, ready_reply(await parts.readiness.look_together()), has_body=scope["method"] != "HEAD"
            )
        elif api and path in LOOKUP_PATHS:
            await api(scope, receive, send)
        elif console and (path.startswith(CONSOLE_PATH) or path == CONSOLE_PATH[:-1]):
            await console(scope, receive, send)
        else:
            await flask(scope, receive, send)

    def start() -> None:
        parts.reporter.start()
        parts.marker.start()

    return Application(answer, start, parts.stop)


def _console(settings: ReceiverSettings) -> InThreads | None:
    if settings.console is None:
        return None
    # Loads what look-ups, models and templates need, which nothing else of this process does.
    from receiver.console.serve import console_app  # noqa: PLC0415

    return console_app(settings)


def _parts(settings: ReceiverSettings | None) -> Parts:
    settings = settings or ReceiverSettings.read(os.environ)
    reporter = Reporter(settings.redis, settings.secrets, [key.key_id for key in settings.forget_keys])
    inbox = InboxWriter(settings.database_url)
    intake = Intake(
        settings.redis,
        inbox,
        reporter,
        is_journalled=settings.is_journalled,
        failures_may_opt_out=settings.failures_may_opt_out,
    )
    marker = Marker(settings.redis, settings.database_url, reporter.take_answers)
    readiness = Readiness(connect(settings.redis, connections=1, seconds=READY_REDIS_SECONDS), settings.database_url)
    api = None
    stops = [marker.stop, reporter.stop, inbox.close, readiness.close]
    if settings.lookup:
        # Loads what is known of phone numbers, which nothing else of this process needs.
        from receiver.api.endpoint import Api  # noqa: PLC0415
        from receiver.api.lookups import open_lookups  # noqa: PLC0415

        lookups = open_lookups(settings, settings.lookup)
        stops.append(lookups.close)
        api = Api(lookups, tokens=settings.lookup.tokens)
    keys = Keys(settings.secrets, settings.retired_secrets)
    return Parts(settings, intake, keys, reporter, marker, readiness, api, tuple(stops))


def _flask(parts: Parts) -> Flask:
    """Return health, readiness and what is said of all that is not there."""
    app = Flask(__name__, static_folder=None)
    # Every answer is one of the documented ones: no redirects from doubled or trailing slashes.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True

    @app.get(HOME_PATH, provide_automatic_options=False, strict_slashes=False)  # "" is "/", without a redirect
    def home() -> Response:
        return Response(HOME, content_type="text/html; charset=utf-8", headers=HOME_HEADERS)

    @app.get(HEALTH_PATH, provide_automatic_options=False)
    def healthz() -> Response:
        return Response(status=200)

    @app.get(READY_PATH, provide_automatic_options=False)
    def readyz() -> Response:
        return flask_response(ready_reply(parts.readiness.look()))

    @app.errorhandler(HTTPException)
    def bare(error: HTTPException) -> Response:
        if error.code == HTTPStatus.NOT_FOUND:
            return Response(not_found_text(request.environ.get("PATH_INFO", "")), error.code, content_type=TEXT_TYPE)
        return flask_response(Reply(HTTPStatus(error.code or HTTPStatus.BAD_REQUEST), _allow(error)))

    return app


def ready_reply(usable: dict[str, bool]) -> Reply:
    status = HTTPStatus.OK if all(usable.values()) else HTTPStatus.SERVICE_UNAVAILABLE
    return Reply(status, [("Content-Type", "application/json")], json.dumps(usable).encode() + b"\n")


def _allow(error: HTTPException) -> Headers:
    methods: Any = getattr(error, "valid_methods", None)
    return [("Allow", ", ".join(sorted(methods)))] if methods else []


def not_found_text(path: str) -> str:
    """Return which path was asked for, and which one may be meant."""
    nearest = nearest_path(path)
    if path in LOOKUP_PATHS:
        hint = f"{path} answers only if ZEXA_LOOKUP_TOKEN is set."
    elif path.startswith(CONSOLE_PATH[:-1]):
        hint = "The console is on only if ZEXA_CONSOLE_KEY is set."
    elif nearest == DELIVERY_PATH:
        hint = f"Deliveries go to POST {DELIVERY_PATH}."
    else:
        hint = f"Did you mean {nearest}? Deliveries go to POST {DELIVERY_PATH}."
    return f"There is nothing at {shown_path(path)}. {hint}\n"
