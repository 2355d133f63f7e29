"""Look-ups and measurements over HTTP: `POST /v1/suppressions/check`, `GET /v1/openapi.json`, `GET /metrics`.

An ASGI application as the webhook is, and routes of Flask's for WSGI; only there if ZEXA_LOOKUP_TOKEN is set. Whatever
is sent, every refusal is a problem document, and neither that nor a log quotes an address or a token.
"""

import json
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import NamedTuple

import structlog
from flask import Flask, Response, request

from receiver.api.bearer import is_authorised
from receiver.api.lookups import LOOKUP_THREADS, MEASURING_THREADS, Lookups
from receiver.api.metrics import METRICS_TYPE, exposition
from receiver.api.openapi import DOCUMENT
from receiver.api.problems import Problem, api_reply
from receiver.api.question import Question, read_question
from receiver.server.asgi import Receive, Reply, Scope, Send, header, send_reply
from receiver.server.paths import CHECK_PATH, METRICS_PATH, OPENAPI_PATH, kept_request_id
from receiver.server.threads import Threads, ThreadsBusy
from receiver.webhook.body import BodyIncomplete, BodyReader, BodyTooLarge, read_stream
from receiver.webhook.endpoint import announced, flask_response
from sync.events.raw import BODY_BYTES_MAX
from sync.settings.sentry_client import report

JSON_TYPE = "application/json"
# If so many wait, the stores are slow, or the process is, and there is no sense in more.
AT_ONCE_MAX = 64
RETRY_AFTER_SECONDS = 1
# A bound on one answer, the wait for a thread and stores that vanished without a word included.
ANSWER_SECONDS = 4.0
# So long it may take to say that no store could be asked.
BLIND_SECONDS = 2.0

METHODS = {CHECK_PATH: ("POST",), OPENAPI_PATH: ("GET", "HEAD"), METRICS_PATH: ("GET", "HEAD")}
OPEN_TO_ALL = frozenset({OPENAPI_PATH})

log = structlog.get_logger()


class Work(NamedTuple):
    """What is to be done in a thread for one answer; `blind` is done instead if that takes too long."""

    threads: Threads
    work: Callable[[], Reply]
    blind: Callable[[], Reply]


class Api:
    """Answers requests to its own paths. Refuses first what needs no thread."""

    def __init__(self, lookups: Lookups, *, tokens: Sequence[bytes]) -> None:
        self._lookups = lookups
        self._tokens = tokens
        self._bodies = BodyReader()
        self._openapi = json.dumps(DOCUMENT, indent=2).encode()
        self._asking = Threads("lookup", most=LOOKUP_THREADS, waiting=AT_ONCE_MAX - LOOKUP_THREADS)
        self._measuring = Threads("measure", most=MEASURING_THREADS, waiting=AT_ONCE_MAX - MEASURING_THREADS)
        self._blind = Threads("blind", most=1, waiting=2 * AT_ONCE_MAX)

    # On an event loop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            reply = await self._reply(scope, receive)
        except Exception as error:
            reply = refusal(error, kept_request_id(scope, header(scope["headers"], b"x-request-id")))
        await send_reply(send, reply, has_body=scope["method"] != "HEAD")

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        path, headers = scope["path"], scope["headers"]
        require_method(path, scope["method"])
        body = b""
        if scope["method"] == "POST":
            try:
                # Read before it is refused: or a refusal might be lost with the connection that it closes.
                body = await self._bodies.read(receive, announced(header(headers, b"content-length")))
            except (BodyTooLarge, BodyIncomplete) as error:
                raise body_problem(error) from None
        self._require_token(path, header(headers, b"authorization"))
        if path == CHECK_PATH:
            require_json(header(headers, b"content-type"), header(headers, b"content-encoding"))
        work = self._work(path, body)
        try:
            return await work.threads.run(work.work, seconds=ANSWER_SECONDS)
        except ThreadsBusy:
            raise unavailable(f"{AT_ONCE_MAX} other questions are being answered") from None
        except TimeoutError:
            self._lookups.give_up()
            return await self._blind.run(work.blind, seconds=BLIND_SECONDS)

    # By WSGI

    def add_routes(self, app: Flask) -> None:
        """Let `app` answer the same, in the threads it is served by."""
        for path in METHODS:
            app.add_url_rule(path, path, self._respond, methods=sorted(EVERY_METHOD), provide_automatic_options=False)

    def _respond(self) -> Response:
        try:
            return flask_response(self._reply_at_once())
        except Exception as error:
            request_id = kept_request_id(request.environ, request.headers.get("X-Request-Id"))
            return flask_response(refusal(error, request_id))

    def _reply_at_once(self) -> Reply:
        headers = request.headers
        require_method(request.path, request.method)
        body = b""
        if request.method == "POST":
            try:
                body = read_stream(request.environ["wsgi.input"], announced(headers.get("Content-Length")))
            except (BodyTooLarge, BodyIncomplete) as error:
                raise body_problem(error) from None
        self._require_token(request.path, request.environ.get("HTTP_AUTHORIZATION"))
        if request.path == CHECK_PATH:
            require_json(headers.get("Content-Type"), headers.get("Content-Encoding"))
        return self._work(request.path, body).work()

    # What both do

    def _require_token(self, path: str, authorization: str | None) -> None:
        if path not in OPEN_TO_ALL and not is_authorised(authorization, self._tokens):
            challenge = ("WWW-Authenticate", 'Bearer realm="zexa-sync"')
            raise Problem(HTTPStatus.UNAUTHORIZED, "the bearer token is missing or wrong", challenge)

    def _work(self, path: str, body: bytes) -> Work:
        lookups = self._lookups
        if path == CHECK_PATH:
            return Work(
                self._asking, lambda: checked(lookups.check, body), lambda: checked(lookups.check_blindly, body)
            )
        if path == METRICS_PATH:
            return Work(
                self._measuring,
                lambda: api_reply(HTTPStatus.OK, METRICS_TYPE, exposition(lookups.measure())),
                lambda: api_reply(HTTPStatus.OK, METRICS_TYPE, exposition(lookups.measure_blindly())),
            )
        return Work(self._blind, self._describe, self._describe)

    def _describe(self) -> Reply:
        return api_reply(HTTPStatus.OK, JSON_TYPE, self._openapi)


EVERY_METHOD = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})


def checked(check: Callable[[Question], bytes], body: bytes) -> Reply:
    return api_reply(HTTPStatus.OK, JSON_TYPE, check(read_question(body)))


def require_method(path: str, method: str) -> None:
    allowed = ", ".join(METHODS[path])
    if method not in METHODS[path]:
        raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, f"this path answers {allowed} alone", ("Allow", allowed))


def require_json(content_type: str | None, content_encoding: str | None) -> None:
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type != JSON_TYPE or content_encoding:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body is not sent as {JSON_TYPE}")


def body_problem(error: BodyTooLarge | BodyIncomplete) -> Problem:
    if isinstance(error, BodyTooLarge):
        return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is longer than {BODY_BYTES_MAX} bytes")
    return Problem(HTTPStatus.BAD_REQUEST, "the body did not arrive whole")


def refusal(error: Exception, request_id: str) -> Reply:
    """Return the answer to a request that ended with `error`, and log it."""
    if isinstance(error, Problem):
        if error.status is not HTTPStatus.METHOD_NOT_ALLOWED:
            log.warning("lookup.refused", status=error.status.value, reason=error.detail, request_id=request_id)
        return error.reply()
    # A bug of zexa-sync allows nobody: the client is asked to come again, and only the kind of error is logged.
    log.error("lookup.failed", error=type(error).__name__, request_id=request_id)
    report("lookup.failed", type(error).__name__, error)
    return unavailable("the question could not be answered").reply()


def unavailable(detail: str) -> Problem:
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, ("Retry-After", str(RETRY_AFTER_SECONDS)))
