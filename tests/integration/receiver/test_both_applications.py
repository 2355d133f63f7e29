"""`create_app` and `create_asgi_app` give the same answers."""

import asyncio
import gc
import json
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from redis import Redis
from sqlalchemy import URL

from receiver.app import create_app, create_asgi_app
from sync.devtools.dev.embedded import RedisServer
from sync.events.raw import BODY_BYTES_MAX, from_json
from sync.provider.outages.in_redis import REACHABLE
from sync.queue.connection import open_queue
from sync.queue.counts import LATEST_KEY
from sync.settings.environment import RedisSettings
from sync.settings.web import LookupSettings, ReceiverSettings
from tests.support.processes import SECRET, signature, wait_for

PATH = "/webhooks/zexa"
CHECK = "/v1/suppressions/check"
TOKEN = "a-token-of-the-tests"
BODY = b'{"event": "message.delivered"}'
SIGNED = {"X-Zexa-Signature": signature(BODY)}
ALLOWED = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
QUESTION = b'{"addresses": ["Ana"]}'
# Those that a client acts on. The rest is the server's.
HEADERS = ("Allow", "Cache-Control", "Content-Length", "Content-Type", "Retry-After", "WWW-Authenticate")

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Both:
    """Asks both applications the same."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self._client: Any = create_app(settings).test_client()
        self._asgi_app: Any = create_asgi_app(settings)
        self._runner = asyncio.Runner()

    def close(self) -> None:
        """Give up what an application keeps until its process ends, connections to Redis among it."""
        self._asgi_app.stop()
        self._client.application.extensions["stop"]()
        self._runner.close()
        self._client = self._asgi_app = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()

    def ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[Answer, Answer]:
        response = self._client.open(path, method=method, data=body, headers=headers)
        by_wsgi = Answer(response.status_code, _shown(dict(response.headers)), response.data)
        return by_wsgi, self._runner.run(self._ask_asgi(method, path, body, headers))

    async def _ask_asgi(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        sent_headers = headers | {"Host": "localhost", "Content-Length": str(len(body))}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.lower().encode(), text.encode()) for name, text in sent_headers.items()],
        }
        await self._asgi_app(scope, receive, send)
        start, *parts = sent
        answer_headers = {name.decode(): text.decode() for name, text in start["headers"]}
        return Answer(start["status"], _shown(answer_headers), b"".join(part["body"] for part in parts))


def _shown(headers: dict[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in HEADERS if name in headers}


@pytest.fixture
def applications(migrated_url: URL, redis_server: RedisServer, redis: Redis) -> Iterator[Both]:
    assert redis.dbsize() == 0
    settings = ReceiverSettings(
        secrets=(SECRET.encode(),),
        retired_secrets=(),
        database_url=migrated_url,
        redis=RedisSettings(url=redis_server.url, verify_tls=True),
        is_journalled=False,
        failures_may_opt_out=False,
        lookup=LookupSettings(tokens=(TOKEN.encode(),), default_region="AO"),
    )
    asked = Both(settings)
    yield asked
    asked.close()


@on_sqlite
@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", PATH, BODY, SIGNED, 200),
        ("POST", f"{PATH}/", BODY, SIGNED, 200),
        ("POST", PATH, BODY, {}, 403),
        ("POST", PATH, BODY, {"X-Zexa-Signature": "0" * 64}, 403),
        ("POST", PATH, BODY, {"X-Zexa-Signature": "zhostilez"}, 403),
        ("POST", PATH, b"x" * (BODY_BYTES_MAX + 1), SIGNED, 413),
        ("GET", PATH, b"", {}, 405),
        ("PROPFIND", PATH, b"", {}, 405),
        ("GET", "/", b"", {}, 200),
        ("POST", "/", b"", {}, 405),
        ("GET", "/healthz", b"", {}, 200),
        ("GET", "/readyz", b"", {}, 200),
        ("HEAD", "/readyz", b"", {}, 200),
        ("POST", "/readyz", b"", {}, 405),
        ("GET", "/webhooks/zex", b"", {}, 404),
        ("POST", "/webhooks//zexa", BODY, SIGNED, 404),
        ("POST", CHECK, QUESTION, ALLOWED | {"Authorization": ""}, 401),
        ("POST", CHECK, QUESTION, ALLOWED | {"Content-Type": "text/plain"}, 415),
        ("POST", CHECK, b"{", ALLOWED, 400),
        ("POST", CHECK, b"{}", ALLOWED, 422),
        ("POST", CHECK, b" " * (BODY_BYTES_MAX + 1), ALLOWED, 413),
        ("GET", CHECK, b"", ALLOWED, 405),
        ("GET", "/v1/openapi.json", b"", {}, 200),
        ("HEAD", "/v1/openapi.json", b"", {}, 200),
        ("GET", "/metrics", b"", {}, 401),
    ],
)
def test_both_applications_answer_alike(
    applications: Both, method: str, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    by_wsgi, by_asgi = applications.ask(method, path, body, headers)
    assert by_wsgi == by_asgi
    assert by_wsgi.status == status


@on_sqlite
def test_both_applications_store_what_they_accept(applications: Both, redis: Redis) -> None:
    applications.ask("POST", PATH, BODY, SIGNED)
    assert [raw.body for job in open_queue(redis).get_jobs() for raw in from_json(job.args[0])] == [BODY] * 2


@on_sqlite
def test_served_by_wsgi_it_shows_that_deliveries_can_be_acknowledged_before_the_first_one(
    applications: Both, redis: Redis
) -> None:
    assert redis.zscore(LATEST_KEY, REACHABLE) is None
    applications.ask("GET", "/healthz", b"", {})
    wait_for(lambda: redis.zscore(LATEST_KEY, REACHABLE), seconds=10, what="a mark")


@on_sqlite
def test_both_applications_answer_look_ups_and_measurements(applications: Both) -> None:
    for answer in applications.ask("POST", CHECK, QUESTION, ALLOWED):
        document = json.loads(answer.body)
        assert answer.status == 200
        assert [result["status"] for result in document["results"]] == ["invalid"]
        assert document["as_of"]
    for answer in applications.ask("GET", "/metrics", b"", ALLOWED):
        assert answer.status == 200
        assert b"zexa_queue_jobs 0.0" in answer.body
