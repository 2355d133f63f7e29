"""`POST /webhooks/zexa`: read, verify, store, answer.

It never parses a body; what a body means is the worker's business. On an event loop it is an ASGI application in
front of Flask (docs/decisions/0019-the-web-process-on-asyncio.md); by WSGI a route of Flask's, over the same functions.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import NamedTuple

import structlog
from flask import Flask, Response, request

from receiver.server.asgi import Receive, Reply, Scope, Send, header, send_reply
from receiver.server.paths import DELIVERY_PATHS, forwarded_for, kept_request_id
from receiver.webhook.body import BodyIncomplete, BodyReader, BodyTooLarge, read_stream
from receiver.webhook.groups import StoreUnavailable
from receiver.webhook.reporter import Reporter
from sync.events.signature import Verdict, judge

RETRY_AFTER_SECONDS = 30
STORED = Reply(HTTPStatus.OK)
NOT_ALLOWED = Reply(HTTPStatus.METHOD_NOT_ALLOWED, [("Allow", "POST")])

log = structlog.get_logger()


class NotGenuine(Exception):  # noqa: N818 - it says what the delivery is
    """The signature does not prove that the body is the provider's; the verdict says why."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict)
        self.verdict = verdict


class Keys(NamedTuple):
    """The secrets that are accepted, and those that are only recognised."""

    secrets: Sequence[bytes]
    retired: Sequence[bytes] = ()

    def matching(self, body: bytes, signature: str | None) -> int:
        """Return the place of the secret that signed `body`. Raises NotGenuine."""
        verdict, place = judge(body, signature, self.secrets, self.retired)
        if place is None:
            raise NotGenuine(verdict)
        return place


class RequestSource(NamedTuple):
    """Where a request came from: the peer of its connection, and whom the nearest router says that it came for."""

    client: str | None
    forwarded_for: str | None


class Webhook:
    """Answers deliveries as an ASGI application.

    `store` takes a verified body and the id of its request, and returns once the body is stored, or raises
    StoreUnavailable.
    """

    def __init__(self, keys: Keys, *, store: Callable[[bytes, str], Awaitable[None]], reporter: Reporter) -> None:
        self._keys = keys
        self._store = store
        self._reporter = reporter
        self._bodies = BodyReader()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_reply(send, await self._receive(scope, receive))

    async def _receive(self, scope: Scope, receive: Receive) -> Reply:
        """Return the answer to a delivery; 200 means the event is stored, never that it is applied."""
        if scope["method"] != "POST":
            return NOT_ALLOWED
        headers, body = scope["headers"], None
        request_id = kept_request_id(scope, header(headers, b"x-request-id"))
        try:
            body = await self._bodies.read(receive, announced(header(headers, b"content-length")))
            place = self._keys.matching(body, header(headers, b"x-zexa-signature"))
            self._reporter.matched(place)
            await self._store(body, request_id)
        except (BodyTooLarge, BodyIncomplete, NotGenuine, StoreUnavailable) as error:
            peer, *_ = scope.get("client") or (None,)
            sender = RequestSource(peer, forwarded_for(header(headers, b"x-forwarded-for")))
            return not_accepted(error, body, sender, request_id, self._reporter)
        return STORED


def add_route(app: Flask, keys: Keys, *, store: Callable[[bytes, str], None], reporter: Reporter) -> None:
    """Let `app` answer deliveries likewise, by WSGI."""

    def receive() -> Response:
        headers, body = request.headers, None
        request_id = kept_request_id(request.environ, headers.get("X-Request-Id"))
        try:
            body = read_stream(request.environ["wsgi.input"], announced(headers.get("Content-Length")))
            reporter.matched(keys.matching(body, request.environ.get("HTTP_X_ZEXA_SIGNATURE")))
            store(body, request_id)
        except (BodyTooLarge, BodyIncomplete, NotGenuine, StoreUnavailable) as error:
            sender = RequestSource(request.remote_addr, forwarded_for(headers.get("X-Forwarded-For")))
            return flask_response(not_accepted(error, body, sender, request_id, reporter))
        return flask_response(STORED)

    for path in sorted(DELIVERY_PATHS):
        app.add_url_rule(path, path, receive, methods=["POST"], provide_automatic_options=False)


def flask_response(reply: Reply) -> Response:
    """Return `reply` as Flask sends it."""
    headers = [("Content-Length", str(len(reply.body))), *reply.headers]
    response = Response(reply.body, reply.status, headers)
    if not any(name == "Content-Type" for name, _ in reply.headers):
        del response.headers["Content-Type"]
    return response


def announced(length: str | None) -> int:
    """Return how many bytes Content-Length announces, 0 if it announces nothing."""
    return int(length) if length and length.isascii() and length.isdigit() and len(length) < 20 else 0


def not_accepted(
    error: Exception, body: bytes | None, sender: RequestSource, request_id: str, reporter: Reporter
) -> Reply:
    """Return the answer to a delivery that ended with `error`; count it and log it, without a word of its body."""
    status, reason = _status_and_reason(error)
    fields = {"digest": body and hashlib.sha256(body).hexdigest(), **sender._asdict(), "request_id": request_id}
    reporter.not_accepted(status, reason, bytes=body and len(body), **fields)
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        log.error("delivery.not_stored", error=reason, **fields)
        return Reply(status, [("Retry-After", str(RETRY_AFTER_SECONDS))])
    log.warning("delivery.refused", status=status.value, reason=reason, **fields)
    return Reply(status)


def _status_and_reason(error: Exception) -> tuple[HTTPStatus, str]:
    if isinstance(error, BodyTooLarge):
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large"
    if isinstance(error, StoreUnavailable):
        return HTTPStatus.SERVICE_UNAVAILABLE, str(error)
    # A body that did not arrive whole is none that anybody signed.
    return HTTPStatus.FORBIDDEN, error.verdict if isinstance(error, NotGenuine) else Verdict.WRONG
