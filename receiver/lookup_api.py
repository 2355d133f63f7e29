"""Look-ups and measurements over HTTP: `POST /v1/suppressions/check`, `GET /v1/openapi.json`, `GET /metrics`.

A thin WSGI layer as the webhook is, and only there where ZEXA_LOOKUP_TOKEN is set. Whatever is sent, every refusal is
a problem document, and neither that nor a log quotes an address or a token.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, NamedTuple

import structlog

from receiver.bearer import is_authorised
from receiver.body import BodyIncomplete, BodyTooLarge, read_body
from receiver.lookup import Lookups, open_lookups
from receiver.metrics import METRICS_TYPE, exposition
from receiver.openapi import DOCUMENT
from receiver.problems import Problem, Reply
from receiver.question import read_question
from receiver.requests import CHECK_PATH, METRICS_PATH, OPENAPI_PATH, request_id
from receiver.turns import give_way
from receiver.webhook import Environ, StartResponse, WsgiApp
from sync.raw_events import BODY_BYTES_MAX

__all__ = ["LookupApi", "open_lookups"]

JSON_TYPE = "application/json"
# Where so many wait the stores are slow, or the process is, and there is no sense in more.
AT_ONCE_MAX = 64
RETRY_AFTER_SECONDS = 1

log = structlog.get_logger()


class Route(NamedTuple):
    methods: tuple[str, ...]
    needs_token: bool
    answer: Callable[[Environ, bytes], Reply]


class LookupApi:
    """Answers requests to its own paths and leaves every other one to `wsgi_app`."""

    def __init__(self, wsgi_app: WsgiApp, lookups: Lookups, *, tokens: Sequence[bytes]) -> None:
        self.wsgi_app = wsgi_app
        self._lookups = lookups
        self._tokens = tokens
        self._at_once = 0
        self._openapi = json.dumps(DOCUMENT, indent=2).encode()
        self._routes = {
            CHECK_PATH: Route(("POST",), True, self._check),
            OPENAPI_PATH: Route(("GET", "HEAD"), False, self._describe),
            METRICS_PATH: Route(("GET", "HEAD"), True, self._measure),
        }

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        route = self._routes.get(environ.get("PATH_INFO", ""))
        if route is None:
            return self.wsgi_app(environ, start_response)
        reply = self._reply(route, environ)
        headers = [
            ("Content-Type", reply.content_type),
            ("Content-Length", str(len(reply.body))),
            # An answer is true of one moment, and tells of people.
            ("Cache-Control", "no-store"),
            *reply.headers,
        ]
        start_response(f"{reply.status.value} {reply.status.phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [reply.body]

    def _reply(self, route: Route, environ: Environ) -> Reply:
        try:
            return self._permitted(route, environ)
        except Problem as problem:
            if problem.status is not HTTPStatus.METHOD_NOT_ALLOWED:
                log.warning(
                    "lookup.refused",
                    status=problem.status.value,
                    reason=problem.detail,
                    request_id=request_id(environ),
                )
            return problem.reply()
        except Exception as error:
            # A mistake of ours allows nobody: who asks is told to come again, and only its kind is logged.
            log.error("lookup.failed", error=type(error).__name__, request_id=request_id(environ))
            return _unavailable("the question could not be answered").reply()

    def _permitted(self, route: Route, environ: Environ) -> Reply:
        if environ["REQUEST_METHOD"] not in route.methods:
            allowed = ", ".join(route.methods)
            raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, f"this path answers {allowed} alone", ("Allow", allowed))
        # Read before it is refused: or a refusal might be lost with the connection that it closes.
        body = _read(environ) if "POST" in route.methods else b""
        if route.needs_token and not is_authorised(environ.get("HTTP_AUTHORIZATION"), self._tokens):
            challenge = ("WWW-Authenticate", 'Bearer realm="zexa-sync"')
            raise Problem(HTTPStatus.UNAUTHORIZED, "the bearer token is missing or wrong", challenge)
        return route.answer(environ, body)

    def _check(self, environ: Environ, body: bytes) -> Reply:
        if not _is_json(environ):
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body is not sent as {JSON_TYPE}")
        with self._place():
            answer = self._lookups.check(read_question(body))
        return Reply(HTTPStatus.OK, JSON_TYPE, answer, [])

    def _describe(self, _environ: Environ, _body: bytes) -> Reply:
        return Reply(HTTPStatus.OK, JSON_TYPE, self._openapi, [])

    def _measure(self, _environ: Environ, _body: bytes) -> Reply:
        with self._place():
            return Reply(HTTPStatus.OK, METRICS_TYPE, exposition(self._lookups.measure()), [])

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._at_once >= AT_ONCE_MAX:
            raise _unavailable(f"{AT_ONCE_MAX} other questions are being answered")
        self._at_once += 1
        try:
            give_way()
            yield
        finally:
            self._at_once -= 1


def _unavailable(detail: str) -> Problem:
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, ("Retry-After", str(RETRY_AFTER_SECONDS)))


def _read(environ: Environ) -> bytes:
    try:
        return read_body(environ)
    except BodyTooLarge:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is longer than {BODY_BYTES_MAX} bytes") from None
    except BodyIncomplete:
        raise Problem(HTTPStatus.BAD_REQUEST, "the body did not arrive whole") from None


def _is_json(environ: Environ) -> bool:
    media_type: Any = environ.get("CONTENT_TYPE", "").partition(";")[0]
    return media_type.strip().lower() == JSON_TYPE and not environ.get("HTTP_CONTENT_ENCODING")
