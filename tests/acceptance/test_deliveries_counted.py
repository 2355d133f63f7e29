"""Deliveries that are refused or accepted, counted exactly over several web processes, and told by reason."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from redis import Redis
from sqlalchemy import make_url

from sync.devtools.dev.embedded import RedisServer
from sync.queue.counts import WEB_KEY
from tests.conftest import migrate
from tests.support.forked import Forked, run_forked
from tests.support.processes import SECRET, Platform, platform, signature, wait_for

TOKEN = "a-token-of-the-tests"
RETIRED = "a secret that was in use"
ID = "0b0d4b1e-3f5c-4c8e-9c51-6c4d3a2b1f00"
BODY = b'{"event": "message.delivered", "data": {"message_id": "msg_1", "to": "+244912345678"}}'
EACH = 100
SIGNATURES = {
    "missing": {},
    "malformed": {"X_Zexa_Signature": "0" * 63},
    "wrong": {"X_Zexa_Signature": signature(BODY, "another secret")},
    "retired": {"X_Zexa_Signature": signature(BODY, RETIRED)},
}
TOO_LARGE = 3
EXPECTED = {
    **{f'zexa_deliveries_refused_total{{reason="{reason}"}}': EACH for reason in SIGNATURES},
    'zexa_deliveries_refused_total{reason="too_large"}': TOO_LARGE,
    'zexa_deliveries_total{code="200"}': EACH,
    'zexa_deliveries_total{code="403"}': 4 * EACH,
    'zexa_deliveries_total{code="413"}': TOO_LARGE,
}


PROCESSES = 3


@pytest.fixture(scope="module")
def web(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Three web processes on one port."""
    folder = tmp_path_factory.mktemp("counted")
    url = make_url(f"sqlite:///{folder}/zexa.db")
    migrate(url)
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
    secrets = {"ZEXA_WEBHOOK_SECRET": f"a newer secret,{SECRET}", "ZEXA_RETIRED_SECRETS": RETIRED}
    with platform(folder / "logs", url, redis_server.url, forks=True, **secrets) as started:
        started.start_web(WEB_CONCURRENCY=str(PROCESSES), ZEXA_LOOKUP_TOKEN=TOKEN)
        with Redis.from_url(redis_server.url) as client:
            # Each says that it runs within a second of its start.
            wait_for(lambda: client.zcard(WEB_KEY) == PROCESSES, seconds=30, what="all processes being seen")
        yield started


def metrics(web: Platform) -> dict[str, float]:
    status, _, document = web.request("GET", "/metrics", Authorization=f"Bearer {TOKEN}")
    assert status == 200
    lines = [line for line in document.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


class Counted(NamedTuple):
    """What is said once everything of `EXPECTED` was sent, and nothing else."""

    metrics: dict[str, float]
    status: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module", autouse=True)
def counted(web: Platform) -> Counted:
    """Comes before every test of this module: some send deliveries of their own."""
    too_large = [(b" " * (256 * 1024 + 1), {})] * TOO_LARGE
    refused = [(BODY, headers) for headers in SIGNATURES.values()] * EACH
    genuine = [(BODY, {"X_Zexa_Signature": signature(BODY)})] * EACH

    def deliver(delivery: tuple[bytes, dict[str, str]]) -> int:
        body, headers = delivery
        return web.request("POST", "/webhooks/zexa", body, **headers)[0]

    with ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(deliver, [*refused, *genuine, *too_large]))
    assert answers == [403] * 4 * EACH + [200] * EACH + [413] * TOO_LARGE
    wait_for(lambda: EXPECTED.items() <= metrics(web).items(), seconds=10, what=f"{EXPECTED} being counted")
    wait_for(lambda: metrics(web)["zexa_queue_jobs"] > 0, seconds=10, what="jobs waiting")
    return Counted(metrics(web), run_forked(["python", "-m", "sync", "status", "--json"], env=web.environ))


def test_refusals_and_deliveries_are_counted_exactly_over_all_processes(counted: Counted) -> None:
    assert EXPECTED.items() <= counted.metrics.items()
    assert counted.metrics['zexa_deliveries_total{code="503"}'] == 0
    # The second secret signed them; the first one is new.
    assert 'zexa_secret_last_matched_timestamp_seconds{secret="2"}' in counted.metrics
    assert 'zexa_secret_last_matched_timestamp_seconds{secret="1"}' not in counted.metrics


def test_status_says_what_was_refused_and_that_no_worker_runs(counted: Counted) -> None:
    ended = counted.status
    document = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert document["refused_last_hour"] | dict.fromkeys(SIGNATURES, EACH) == document["refused_last_hour"]
    assert document["web_processes"] == PROCESSES
    assert any("no worker runs" in line for line in document["findings"])
    assert any("100 retired" in line for line in document["findings"])
    assert document["secrets"][1]["matched_at"] is not None
    assert "912345678" not in ended.stdout


def test_a_refused_delivery_has_a_line_with_digest_client_and_request(web: Platform) -> None:
    headers = {"X_Request_Id": ID, "X_Forwarded_For": "203.0.113.1, 198.51.100.7"} | SIGNATURES["wrong"]
    web.request("POST", "/webhooks/zexa", BODY, **headers)
    web.request("GET", "/webhook/zexa", X_Request_Id="+244912345678")

    def lines() -> list[dict[str, object]]:
        return [json.loads(line) for line in web.logs().splitlines() if line.startswith("{")]

    def of_this_request() -> list[dict[str, object]]:
        return [line for line in lines() if line.get("request_id") == ID]

    wait_for(lambda: len(of_this_request()) == 2, seconds=5, what="both lines of the request")
    refused = next(line for line in of_this_request() if line["event"] == "delivery.refused")
    assert refused["digest"] == hashlib.sha256(BODY).hexdigest()
    assert (refused["client"], refused["forwarded_for"], refused["reason"]) == ("127.0.0.1", "198.51.100.7", "wrong")
    (lost,) = [line for line in lines() if line.get("status") == 404]
    assert lost["path"] == "/webhook/zexa"
    assert "244912345678" not in web.logs()  # what a client calls its request is no id of ours


def test_tail_shows_deliveries_as_they_come_with_masked_addresses(web: Platform, tmp_path: Path) -> None:
    shown = tmp_path / "shown"

    def documents() -> list[dict[str, object]]:
        return [json.loads(line) for line in shown.read_text().splitlines()]

    def is_shown() -> bool:
        web.deliver(BODY)
        web.request("POST", "/webhooks/zexa", BODY, **SIGNATURES["retired"])
        # One that was refused for another reason, a moment before, may be shown too.
        return {(200, None), (403, "retired")} <= {(document["code"], document["reason"]) for document in documents()}

    with shown.open("wb") as output:
        tail = Forked(["python", "-m", "sync", "tail", "--json"], env=web.environ, stdout=output)
    try:
        wait_for(is_shown, seconds=30, what="both deliveries being shown")
    finally:
        tail.terminate()
        tail.wait(20)
    accepted = next(document for document in documents() if document["code"] == 200)
    refused = next(document for document in documents() if document["reason"] == "retired")
    assert (accepted["event"], accepted["recipient"]) == ("message.delivered", "+244…678")
    assert (refused["code"], refused["client"]) == (403, "127.0.0.1")
    assert "912345678" not in shown.read_text()
