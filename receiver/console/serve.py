"""The console on the event loop: its pages are made in threads of their own, and none is waited for without end."""

import sys
from http import HTTPStatus
from pathlib import Path

from flask import Flask

from receiver.console.app import HEADERS, add_console, may_upload
from receiver.console.stores import PAGES_AT_ONCE, STATEMENT_SECONDS, Stores, open_stores
from receiver.console.uploads import Uploads
from receiver.server.asgi import Receive, Reply, Scope, header
from receiver.server.paths import UPLOAD_PATH
from receiver.server.wsgi import InThreads, RequestBody
from receiver.webhook.body import BodyIncomplete, BodyReader, BodyTooLarge
from receiver.webhook.endpoint import announced
from sync.settings.web import ReceiverSettings

# If more wait, nobody would wait so long.
WAITING_MAX = 30
# Python lets a thread that makes a page run for so long before the event loop may have its turn, several times for one
# delivery. With its own 5 ms a delivery took up to four times as long beside ten people as alone (p99).
SWITCH_SECONDS = 0.0001
# A bound on one page, the wait for a thread included: a statement and one more.
PAGE_SECONDS = 2 * STATEMENT_SECONDS
_SLOW = (Path(__file__).parent / "static" / "slow.html").read_bytes()
SLOW = Reply(
    HTTPStatus.SERVICE_UNAVAILABLE,
    [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("Retry-After", "10"),
        *HEADERS.items(),
    ],
    _SLOW,
)
REFUSED = {
    BodyTooLarge: Reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, list(HEADERS.items())),
    BodyIncomplete: Reply(HTTPStatus.BAD_REQUEST, list(HEADERS.items())),
}


def stores_of(settings: ReceiverSettings) -> Stores:
    """Return the stores of the console, which must be on. Nothing is connected yet."""
    assert settings.console is not None
    return open_stores(settings, settings.console)


def console_app(settings: ReceiverSettings) -> InThreads:
    """Return the console as an ASGI application, in a process whose threads give way to deliveries soon."""
    assert settings.console is not None
    sys.setswitchinterval(SWITCH_SECONDS)
    app, stores, bodies = Flask(__name__, static_folder=None), stores_of(settings), BodyReader()
    add_console(app, settings.console.key, stores)

    async def read(scope: Scope, receive: Receive) -> bytes | RequestBody | Reply:
        if scope["path"] == UPLOAD_PATH:
            return await uploads.read(scope, receive)
        try:
            return await bodies.read(receive, announced(header(scope["headers"], b"content-length")))
        except (BodyTooLarge, BodyIncomplete) as error:
            return REFUSED[type(error)]

    pages = InThreads(
        app,
        name="console",
        most=PAGES_AT_ONCE,
        waiting=WAITING_MAX,
        gives_way=True,
        seconds=PAGE_SECONDS,
        read=read,
        late=SLOW,
        give_up=stores.give_up,
    )
    uploads = Uploads(lambda environ: may_upload(app, environ), run=pages.run, late=SLOW)
    return pages
