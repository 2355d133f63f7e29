"""`POST /webhooks/zexa`: read, verify, store, answer.

It never parses a body; what a body means is the worker's business. On an event loop it is an ASGI application in
front of Flask (docs/decisions/0019-the-web-process-on-asyncio.md); by WSGI a route of Flask's, over the same functions.
"""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

import structlog
from flask import Flask, Response, request

from receiver.server.asgi import Receive, Reply, Scope, Send, header, send_reply
from receiver.server.paths import DELIVERY_PATHS, request_id
from receiver.webhook.body import BodyIncomplete, BodyReader, BodyTooLarge, read_stream
from receiver.webhook.groups import StoreUnavailable
from sync.events.signature import Verdict, verify

RETRY_AFTER_SECONDS = 30
STORED = Reply(HTTPStatus.OK)
NOT_ALLOWED = Reply(HTTPStatus.METHOD_NOT_ALLOWED, [("Allow", "POST")])

log = structlog.get_logger()


class Webhook:
    """Answers deliveries as an ASGI application.

    `store` takes a verified body and returns once it is stored, or raises StoreUnavailable.
    """

    def __init__(self, *, secrets: Sequence[bytes], store: Callable[[bytes], Awaitable[None]]) -> None:
        self._secrets = secrets
        self._store = store
        self._bodies = BodyReader()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_reply(send, await self._receive(scope, receive))

    async def _receive(self, scope: Scope, receive: Receive) -> Reply:
        """Return the answer to a delivery; 200 means the event is stored, never that it is applied."""
        if scope["method"] != "POST":
            return NOT_ALLOWED
        headers = scope["headers"]
        try:
            body = await self._bodies.read(receive, announced(header(headers, b"content-length")))
        except BodyTooLarge:
            return too_large(header(headers, b"x-request-id"))
        except BodyIncomplete:
            return refused(Verdict.WRONG, header(headers, b"x-request-id"))
        verdict = verify(body, header(headers, b"x-zexa-signature"), self._secrets)
        if verdict is not Verdict.GENUINE:
            return refused(verdict, header(headers, b"x-request-id"))
        try:
            await self._store(body)
        except StoreUnavailable as error:
            return not_stored(error, header(headers, b"x-request-id"))
        return STORED


def add_route(app: Flask, *, secrets: Sequence[bytes], store: Callable[[bytes], None]) -> None:
    """Let `app` answer deliveries likewise, by WSGI."""

    def receive() -> Response:
        given_id = request.headers.get("X-Request-Id")
        try:
            body = read_stream(request.environ["wsgi.input"], announced(request.headers.get("Content-Length")))
        except BodyTooLarge:
            return flask_response(too_large(given_id))
        except BodyIncomplete:
            return flask_response(refused(Verdict.WRONG, given_id))
        verdict = verify(body, request.environ.get("HTTP_X_ZEXA_SIGNATURE"), secrets)
        if verdict is not Verdict.GENUINE:
            return flask_response(refused(verdict, given_id))
        try:
            store(body)
        except StoreUnavailable as error:
            return flask_response(not_stored(error, given_id))
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


def too_large(given_id: str | None) -> Reply:
    _log_refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", given_id)
    return Reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def refused(verdict: Verdict, given_id: str | None) -> Reply:
    _log_refusal(HTTPStatus.FORBIDDEN, verdict, given_id)
    return Reply(HTTPStatus.FORBIDDEN)


def not_stored(error: StoreUnavailable, given_id: str | None) -> Reply:
    log.error("delivery.not_stored", error=str(error), request_id=request_id(given_id))
    return Reply(HTTPStatus.SERVICE_UNAVAILABLE, [("Retry-After", str(RETRY_AFTER_SECONDS))])


def _log_refusal(status: HTTPStatus, reason: str, given_id: str | None) -> None:
    log.warning("delivery.refused", status=status.value, reason=reason, request_id=request_id(given_id))
