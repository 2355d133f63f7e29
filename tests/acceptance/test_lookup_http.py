"""Look-ups over HTTP, at the Procfile's own web process: who may ask, what is answered, and that it never breaks."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import URL, Engine, insert, make_url

from models.database import open_database
from models.tables import DEAD_LETTERS, INBOX
from sync.devtools.dev.embedded import RedisServer, private_redis
from sync.events.raw import RawEvent
from sync.queue.connection import open_queue
from sync.queue.jobs import enqueue
from sync.store.apply import apply
from tests.conftest import NOW, migrate
from tests.support.events_builder import ANA, AO, RUI, body, minute, raw
from tests.support.processes import Platform, platform

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CHECK = "/v1/suppressions/check"
TOKEN = "a-token-of-the-tests"
OTHER = "another-token-of-the-tests"
MARK = "zhostilez"
PATHS = [("POST", CHECK), ("GET", "/v1/openapi.json"), ("GET", "/metrics")]


@pytest.fixture
def web(migrated_platform: Platform) -> Platform:
    migrated_platform.start_web(ZEXA_LOOKUP_TOKEN=f"{TOKEN},{OTHER}")
    return migrated_platform


@pytest.fixture(scope="module")
def lasting_web(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One web process for what changes nothing."""
    folder = tmp_path_factory.mktemp("lookup")
    url = make_url(f"sqlite:///{folder}/zexa.db")
    migrate(url)
    with platform(folder / "logs", url, redis_server.url, forks=True) as started:
        started.start_web(ZEXA_LOOKUP_TOKEN=TOKEN)
        yield started
        logs = started.logs()
        harm = (MARK, TOKEN, ANA, ANA[1:], '"status": 500', "Traceback", "lookup.failed")
        assert [text for text in harm if text in logs] == []
        assert logs.count("Booting worker") == 1


@pytest.fixture
def shared_web(lasting_web: Platform, redis: Redis) -> Platform:
    """The same, with nothing in the queue."""
    assert redis.llen("rq:queue:zexa") == 0
    return lasting_web


def ask(web: Platform, sent: bytes, **headers: str) -> tuple[int, dict[str, str], Any]:
    usual = {"Authorization": f"Bearer {TOKEN}", "Content_Type": "application/json"}
    status, answered, document = web.request("POST", CHECK, sent, **usual | headers)
    expected = "application/json" if status == 200 else "application/problem+json"
    assert answered["Content-Type"] == expected
    assert answered["Cache-Control"] == "no-store"
    return status, answered, json.loads(document)


def check(web: Platform, *addresses: str, **members: Any) -> Any:
    status, _, document = ask(web, json.dumps({"addresses": addresses} | members).encode())
    assert status == 200
    assert document.keys() == {"as_of", "results"}
    assert [result["input"] for result in document["results"]] == list(addresses)
    return document


def statuses(document: Any) -> list[str]:
    return [result["status"] for result in document["results"]]


def stop(to: str = ANA, **data: object) -> bytes:
    return body("message.optout", minute(1), to=to, **data)


# What is answered


def test_who_opted_out_is_told_under_every_spelling_in_the_order_of_the_question(web: Platform, engine: Engine) -> None:
    opt_out = raw(stop(message_id="m1", channel="sms", **{"from": "ZEXA"}))
    apply(engine, [opt_out], options=AO, now=NOW)
    begun = datetime.now(UTC)
    document = check(web, RUI, "912 345 678", "Ana", "tel:+244-912-345-678", RUI)
    assert statuses(document) == ["allowed", "suppressed", "invalid", "suppressed", "allowed"]
    assert [result["address"] for result in document["results"]] == [RUI, ANA, None, ANA, RUI]
    assert document["results"][0]["match"] is None
    assert document["results"][1]["match"] == {
        "channel": "sms",
        "sender": "ZEXA",
        "since": minute(1).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "source": "event",
        "message_id": "m1",
    }
    assert document["as_of"].endswith("Z")
    assert begun <= datetime.fromisoformat(document["as_of"]) <= datetime.now(UTC)
    assert statuses(check(web, ANA, channel="whatsapp")) == ["allowed"]
    assert statuses(check(web, ANA, channel=" SMS ", sender="ZEXA")) == ["suppressed"]
    assert statuses(check(web, ANA, sender="another")) == ["allowed"]


def test_a_stop_is_found_or_holds_the_answer_back_from_the_moment_it_is_acknowledged(web: Platform) -> None:
    assert web.deliver(stop()) == 200
    assert statuses(check(web, ANA, RUI, max_staleness_seconds=1)) in (["allowed"] * 2, ["unknown"] * 2)
    received = datetime.now(UTC)
    assert datetime.fromisoformat(check(web, ANA)["as_of"]) < received
    web.start_worker()
    deadline = time.monotonic() + 20
    while (document := check(web, ANA))["results"][0]["status"] != "suppressed":
        as_of = document["as_of"]
        assert as_of is None or datetime.fromisoformat(as_of) < received
        assert time.monotonic() < deadline


def test_an_opt_out_that_waits_for_longer_than_allowed_makes_it_unknown(web: Platform, redis: Redis) -> None:
    received = datetime.now(UTC) - timedelta(minutes=5)
    enqueue(open_queue(redis), [RawEvent(body=stop(), received_at=received)], at_front=True)
    document = check(web, RUI)
    assert statuses(document) == ["unknown"]
    assert datetime.fromisoformat(document["as_of"]) < received
    assert statuses(check(web, RUI, max_staleness_seconds=600)) == ["allowed"]


def test_nothing_asked_is_nothing_answered_but_as_of_when(shared_web: Platform) -> None:
    document = check(shared_web)
    assert (document["as_of"] is None, document["results"]) == (False, [])


def test_a_thousand_addresses_are_answered_and_more_are_refused(shared_web: Platform) -> None:
    addresses = [f"91{number:07}" for number in range(1000)]
    assert statuses(check(shared_web, *addresses)) == ["allowed"] * 1000
    longest = ["\u00e9" * 120] * 1000
    assert statuses(check(shared_web, *(address[:20] for address in longest))) == ["invalid"] * 1000
    status, _, problem = ask(shared_web, json.dumps({"addresses": ["a"] * 1001}).encode())
    assert (status, problem["status"], problem["title"]) == (422, 422, HTTPStatus(422).phrase)


# Who may ask


@on_sqlite
def test_without_a_token_in_the_settings_there_is_nothing_there(migrated_platform: Platform) -> None:
    migrated_platform.start_web(ZEXA_LOOKUP_TOKEN=" ")
    bare = migrated_platform.request("GET", "/nothing", Authorization=f"Bearer {TOKEN}")
    assert bare[0] == 404
    for method, path in PATHS:
        responses = [
            migrated_platform.request(method, path, b"", **headers)
            for headers in ({"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer wrong"}, {})
        ]
        expected = f"There is nothing at {path}. {path} answers only if ZEXA_LOOKUP_TOKEN is set.\n".encode()
        for status, headers, document in responses:
            assert (status, headers["Content-Type"], document) == (404, bare[1]["Content-Type"], expected)
            assert headers.keys() == bare[1].keys()


@on_sqlite
def test_a_token_that_could_be_guessed_keeps_the_process_from_starting(migrated_platform: Platform) -> None:
    status, output = migrated_platform.run("web", ZEXA_LOOKUP_TOKEN="short")
    assert status == 2
    assert output.splitlines()[-1].startswith("zexa-sync: ZEXA_LOOKUP_TOKEN ")
    assert "short" not in output


@pytest.mark.parametrize("authorization", ["", "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \xff", TOKEN])
def test_without_the_right_token_nothing_is_answered(shared_web: Platform, authorization: str) -> None:
    for path in (CHECK, "/metrics"):
        method = "POST" if path == CHECK else "GET"
        sent = b'{"addresses": ["zhostilez"]}' if path == CHECK else b""
        status, headers, document = shared_web.request(method, path, sent, Authorization=authorization)
        assert (status, headers["Content-Type"]) == (401, "application/problem+json")
        assert headers["WWW-Authenticate"].startswith("Bearer")
        assert json.loads(document)["status"] == 401


@on_sqlite
def test_each_of_several_tokens_may_ask(web: Platform) -> None:
    for token in (TOKEN, OTHER):
        assert ask(web, b'{"addresses": []}', Authorization=f"bearer {token}")[0] == 200
    assert ask(web, b'{"addresses": []}', Authorization=f"bearer {TOKEN},{OTHER}")[0] == 401


# Any bytes that are sent


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", 400),
        (b"{" * 200_000, 400),
        (b"[" * 262_144, 400),
        (b'{"addresses": ["zhostilez"', 400),
        (b'{"addresses": ["\xff"]}', 400),
        (b'{"addresses": [], "addresses": []}', 400),
        (b'{"addresses": [912345678]}', 422),
        (b'{"addresses": [{"zhostilez": 1}]}', 422),
        (b'{"addresses": [], "zhostilez": 1}', 422),
        (b'{"addresses": [], "sender": "\\ud800"}', 422),
        (b'{"addresses": [], "sender": "\\u0000"}', 422),
        (b'{"addresses": [' + b"1," * 131_000 + b"1]}", 422),
        (b'{"addresses": ["zhostilez"]}' + b" " * 262_144, 413),
    ],
)
def test_what_is_no_question_is_a_problem(shared_web: Platform, sent: bytes, expected: int) -> None:
    status, _, problem = ask(shared_web, sent)
    assert (status, problem["status"]) == (expected, expected)
    assert problem.keys() == {"type", "title", "status", "detail"}
    assert MARK not in json.dumps(problem)


def test_any_text_may_be_asked_about_and_comes_back_as_it_was(shared_web: Platform) -> None:
    hostile = ["\0", "\ud800", "\udc00\ud800", "", " ", "x" * 200_000, "'; DROP TABLE opt_outs; --", "%", "\U0001f600"]
    assert statuses(check(shared_web, *hostile)) == ["invalid"] * len(hostile)


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
def test_another_media_type_is_415(shared_web: Platform, media_type: str) -> None:
    assert ask(shared_web, b'{"addresses": []}', Content_Type=media_type)[0] == 415
    assert ask(shared_web, b'{"addresses": []}', Content_Encoding="gzip")[0] == 415
    assert ask(shared_web, b'{"addresses": []}', Content_Type="Application/JSON; charset=utf-8")[0] == 200


def test_another_method_is_405_and_says_which_is_allowed(shared_web: Platform) -> None:
    for allowed, path in PATHS:
        for method in {"GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"} - {allowed}:
            status, headers, document = shared_web.request(method, path, Authorization=f"Bearer {TOKEN}")
            assert (status, headers["Content-Type"]) == (405, "application/problem+json")
            assert headers["Allow"].split(", ")[0] == allowed
            assert json.loads(document)["status"] == 405


def test_head_is_answered_like_get_without_a_body(shared_web: Platform) -> None:
    for _, path in PATHS[1:]:
        status, headers, document = shared_web.request("HEAD", path, Authorization=f"Bearer {TOKEN}")
        assert (status, document) == (200, b"")
        assert int(headers["Content-Length"]) > 0


# If a store is away, or slow


def test_where_a_store_is_away_nobody_is_allowed_and_the_answer_comes_within_seconds(tmp_path: Path) -> None:
    nowhere = make_url("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with (
        private_redis(tmp_path / "redis", is_durable=False) as redis,
        platform(tmp_path / "logs", nowhere, redis.url, forks=True) as web,
    ):
        web.start_web(ZEXA_LOOKUP_TOKEN=TOKEN)
        assert_unknown(web)
        os.kill(redis.process.pid, signal.SIGSTOP)
        assert_unknown(web)
        redis.process.kill()
        assert_unknown(web)
        assert '"status": 500' not in web.logs()


def assert_unknown(web: Platform) -> None:
    begun = time.monotonic()
    document = check(web, RUI, "Ana")
    assert time.monotonic() - begun < 6
    assert (document["as_of"], statuses(document)) == (None, ["unknown", "invalid"])
    status, _, metrics = web.request("GET", "/metrics", Authorization=f"Bearer {TOKEN}")
    assert status == 200
    assert 'zexa_opt_outs_staleness_seconds{held_by="database"} +Inf' in metrics.decode()


def test_where_redis_is_away_an_opt_out_is_still_told(tmp_path: Path, migrated_url: URL) -> None:
    engine = open_database(migrated_url)
    apply(engine, [raw(stop())], options=AO, now=NOW)
    engine.dispose()
    with platform(tmp_path / "logs", migrated_url, "redis://127.0.0.1:1/0", forks=True) as web:
        web.start_web(ZEXA_LOOKUP_TOKEN=TOKEN)
        document = check(web, ANA, RUI)
        assert (document["as_of"], statuses(document)) == (None, ["suppressed", "unknown"])


def test_more_questions_at_once_than_it_answers_are_told_to_come_again(tmp_path: Path) -> None:
    nowhere = make_url("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with (
        private_redis(tmp_path / "redis", is_durable=False) as redis,
        platform(tmp_path / "logs", nowhere, redis.url, forks=True) as web,
    ):
        web.start_web(ZEXA_LOOKUP_TOKEN=TOKEN)
        os.kill(redis.process.pid, signal.SIGSTOP)
        with ThreadPoolExecutor(100) as askers:
            responses = list(askers.map(lambda _: ask(web, b'{"addresses": ["1"]}')[:2], range(100)))
        assert {status for status, _ in responses} == {200, 503}
        assert {headers.get("Retry-After") for status, headers in responses if status == 503} == {"1"}
        os.kill(redis.process.pid, signal.SIGCONT)


def test_long_questions_keep_no_delivery_waiting(shared_web: Platform) -> None:
    is_over = Event()
    question = json.dumps({"addresses": [f"91{number:07}" for number in range(1000)]}).encode()

    def keep_asking(_: int) -> set[int]:
        answered = set()
        while not is_over.is_set():
            answered.add(ask(shared_web, question)[0])
        return answered

    with ThreadPoolExecutor(8) as askers:
        asking = [askers.submit(keep_asking, number) for number in range(8)]
        try:
            deadline = time.monotonic() + 3
            while time.monotonic() < deadline:
                begun = time.monotonic()
                assert shared_web.deliver(b"{}") == 200
                assert time.monotonic() - begun < 1
        finally:
            is_over.set()
        assert [answered.result() for answered in asking] == [{200}] * 8


# What is measured


COUNTERS = (
    *("zexa_deliveries_", "zexa_events_applied_", "zexa_apply_lag_", "zexa_conflicts_", "zexa_late_events_"),
    "zexa_reconciled_events_",
)


def test_metrics_tell_what_waits_and_how_soon_opt_outs_took_effect(web: Platform, engine: Engine, redis: Redis) -> None:
    now = datetime.now(UTC)
    for seconds in (0.5, 3.0):
        received = RawEvent(body=stop(f"+24491234500{seconds:.0f}"), received_at=now - timedelta(seconds=seconds))
        apply(engine, [received], options=AO, now=now)
    apply(engine, [raw(b"[]"), raw(b"[1]")], options=AO, now=now)
    with engine.begin() as connection:
        row = {"body": b"{}", "received_at": now, "due_at": now + timedelta(days=1), "may_opt_out": False}
        connection.execute(insert(INBOX).values(**row))
        connection.execute(DEAD_LETTERS.update().where(DEAD_LETTERS.c.body == b"[1]").values(resolved_at=now))
    waiting = RawEvent(body=stop(), received_at=now - timedelta(minutes=5))
    enqueue(open_queue(redis), [waiting], at_front=True)
    status, headers, document = web.request("GET", "/metrics", Authorization=f"Bearer {TOKEN}")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    samples = dict(line.rsplit(" ", 1) for line in document.decode().splitlines() if not line.startswith("#"))
    # Nothing was delivered or applied by a process: every counter is there, with 0.
    assert {value for name, value in samples.items() if name.startswith(COUNTERS)} == {"0.0"}
    samples = {name: value for name, value in samples.items() if not name.startswith(COUNTERS)}
    assert 300 <= float(samples.pop("zexa_queue_oldest_age_seconds")) < 400
    assert samples.pop('zexa_opt_outs_staleness_seconds{held_by="queue"}').startswith("30")
    assert {name: float(value) for name, value in samples.items()} == {
        "zexa_queue_jobs": 1,
        "zexa_failed_jobs": 0,
        "zexa_workers": 0,
        "zexa_dead_letters_unresolved": 1,
        "zexa_inbox_rows": 1,
        "zexa_opt_outs_effective_last_day": 2,
        'zexa_opt_out_latency_seconds{quantile="0.5"}': 0.5,
        'zexa_opt_out_latency_seconds{quantile="0.99"}': 3.0,
        "zexa_opt_outs_within_one_second_ratio": 0.5,
    }


@pytest.mark.executed
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc to read memory from")
def test_a_process_without_look_ups_stays_small(migrated_platform: Platform) -> None:
    web = migrated_platform.start_web()
    (child,) = Path(f"/proc/{web.pid}/task/{web.pid}/children").read_text().split()
    (kilobytes,) = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{child}/status").read_text())
    assert int(kilobytes) * 1024 <= 100_000_000
