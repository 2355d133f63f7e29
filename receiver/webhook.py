"""`POST /webhooks/zexa`: verify, store, answer.

A thin WSGI layer around the Flask application, because Flask's routing costs as much as all of this
together (docs/decisions/0003-wsgi-layer.md). It never parses a body; what a body means is the worker's business.
"""

from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any

import structlog

from receiver.body import BodyIncomplete, BodyTooLarge, read_body
from receiver.intake import StoreUnavailable
from receiver.requests import DELIVERY_PATHS, request_id
from receiver.signature import Verdict, verify

RETRY_AFTER_SECONDS = 30

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

log = structlog.get_logger()


class Webhook:
    """Answers deliveries to DELIVERY_PATHS and leaves every other request to `wsgi_app`.

    `store` takes a verified body and returns once it is stored, or raises StoreUnavailable.
    """

    def __init__(self, wsgi_app: WsgiApp, *, secrets: Sequence[bytes], store: Callable[[bytes], None]) -> None:
        self.wsgi_app = wsgi_app
        self.secrets = secrets
        self.store = store

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") not in DELIVERY_PATHS:
            return self.wsgi_app(environ, start_response)
        status, headers = self.receive(environ)
        start_response(f"{status.value} {status.phrase}", [("Content-Length", "0"), *headers])
        return []

    def receive(self, environ: Environ) -> tuple[HTTPStatus, Headers]:
        """Return the answer to a delivery; 200 means the event is stored, never that it is applied."""
        if environ["REQUEST_METHOD"] != "POST":
            return HTTPStatus.METHOD_NOT_ALLOWED, [("Allow", "POST")]
        try:
            body = read_body(environ)
        except BodyTooLarge:
            return _refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", environ)
        except BodyIncomplete:
            return _refuse(HTTPStatus.FORBIDDEN, Verdict.WRONG, environ)
        verdict = verify(body, environ.get("HTTP_X_ZEXA_SIGNATURE"), self.secrets)
        if verdict is not Verdict.GENUINE:
            return _refuse(HTTPStatus.FORBIDDEN, verdict, environ)
        try:
            self.store(body)
        except StoreUnavailable as error:
            log.error("delivery.not_stored", error=str(error), request_id=request_id(environ))
            return HTTPStatus.SERVICE_UNAVAILABLE, [("Retry-After", str(RETRY_AFTER_SECONDS))]
        return HTTPStatus.OK, []


def _refuse(status: HTTPStatus, reason: str, environ: Environ) -> tuple[HTTPStatus, Headers]:
    log.warning("delivery.refused", status=status.value, reason=reason, request_id=request_id(environ))
    return status, []
