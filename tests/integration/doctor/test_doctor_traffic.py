"""`doctor` on processes and deliveries that were broken on purpose: the right check comes first, with its remedy."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from sync.queue.connection import open_queue
from sync.queue.counts import LATEST_KEY, WEB_KEY
from tests.support.doctors import Installation, assert_first, execute, installation
from tests.support.events_builder import body
from tests.support.processes import wait_for

RETIRED = "a secret of last year"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("doctor"), ZEXA_RETIRED_SECRETS=RETIRED) as ours:
        yield ours


@pytest.fixture
def house(server: Installation) -> Iterator[Installation]:
    """A healthy installation, in which nothing was counted in the last hour."""
    yield server
    for key in server.redis.scan_iter("zexa-sync:minute:*"):
        server.redis.delete(key)
    wait_for(lambda: server.doctor().exit_code == 0, seconds=30, what="a healthy installation")


def event(message_id: str) -> bytes:
    return body("message.delivered", message_id=message_id, to="+244912345678")


def make_older(house: Installation, key: str) -> None:
    """Let what was seen be two hours ago."""
    for name, at in house.redis.zrange(key, 0, -1, withscores=True):
        house.redis.zadd(key, {name: at - 7200})


def test_no_worker(house: Installation) -> None:
    (worker,) = [process for process in house.platform.processes if "worker" in process.args and process.poll() is None]
    worker.terminate()
    worker.wait(30)
    for number in range(3):
        assert house.platform.deliver(event(f"msg_waits_{number}")) == 200
    try:
        assert_first(house.doctor(), "workers", "what is accepted waits", "start the worker process of the Procfile")
    finally:
        house.platform.start_worker()


def test_no_web_process(house: Installation) -> None:
    """What was seen is made older, which saves a minute of waiting."""
    (web,) = [process for process in house.platform.processes if "gunicorn" in process.args and process.poll() is None]
    web.terminate()
    web.wait(30)
    make_older(house, WEB_KEY)
    make_older(house, LATEST_KEY)
    try:
        assert_first(house.doctor(), "web", "no web process runs, the last was seen 2 h", "start the web process")
    finally:
        house.platform.start_web()


def test_a_wrong_secret_at_the_provider(house: Installation) -> None:
    for number in range(3):
        assert house.platform.deliver(event(f"msg_wrong_{number}"), "another secret") == 403
    wait_for(lambda: house.doctor().exit_code == 1, seconds=10, what="the refusals")
    finding = "3 refused for a wrong signature, 0 accepted"
    assert_first(house.doctor(), "refusals", finding, "copy the secret from Zexa's dashboard")


def test_a_retired_secret_at_the_provider(house: Installation) -> None:
    assert house.platform.deliver(event("msg_retired"), RETIRED) == 403
    wait_for(lambda: house.doctor().exit_code == 1, seconds=10, what="the refusals")
    answer = house.doctor(ZEXA_RETIRED_SECRETS=RETIRED)
    assert_first(answer, "refusals", "1 refused that a retired secret signed", "change the secret in Zexa's dashboard")
    assert RETIRED not in answer.output


def test_a_proxy_that_drops_the_signature(house: Installation) -> None:
    assert house.platform.request("POST", "/webhooks/zexa", event("msg_missing"))[0] == 403
    wait_for(lambda: house.doctor().exit_code == 1, seconds=10, what="the refusal")
    finding = "1 refused that had no whole signature"
    assert_first(house.doctor(), "refusals", finding, "let every proxy pass the header X-Zexa-Signature on")


def test_a_probe_with_a_wrong_secret_counts_as_a_wrong_signature(house: Installation) -> None:
    house.doctor("--url", house.address, ZEXA_WEBHOOK_SECRET="another secret")
    wait_for(lambda: house.doctor().exit_code == 1, seconds=10, what="the refusal")
    assert_first(house.doctor(), "refusals", "1 refused for a wrong signature, 0 accepted", "copy the secret")


def test_a_probe_is_no_delivery(house: Installation) -> None:
    assert house.platform.deliver(event("msg_before")) == 200
    wait_for(
        lambda: "the last delivery came" in house.doctor().check("silence")["found"], seconds=10, what="a delivery"
    )
    make_older(house, LATEST_KEY)
    assert house.doctor("--url", house.address).status("probe") == "ok"
    assert "the last delivery came 2 h" in house.doctor().check("silence")["found"]
    assert house.platform.deliver(event("msg_after")) == 200
    wait_for(lambda: "came 2 h" not in house.doctor().check("silence")["found"], seconds=10, what="another delivery")


def test_two_webhooks(house: Installation) -> None:
    for number in range(12):
        assert house.platform.deliver(event(f"msg_twice_{number}")) == 200
        time.sleep(0.04)
        assert house.platform.deliver(event(f"msg_twice_{number}")) == 200
    wait_for(lambda: house.doctor().status("copies") == "warning", seconds=10, what="the copies being counted")
    assert_first(house.doctor(), "copies", "each event comes twice, ", "leave one webhook", status="warning")


def test_a_failed_job(house: Installation) -> None:
    registry = open_queue(house.redis).failed_job_registry.key
    house.redis.zadd(registry, {"gone": -1})
    try:
        answer = house.doctor()
        assert_first(answer, "failed_jobs", "failed jobs that wait for a person: 1", "dead-letters requeue --all")
    finally:
        house.redis.delete(registry)


def test_an_inbox_that_nobody_drains(house: Installation) -> None:
    """Its row is not due for a day: a worker leaves it alone."""
    now = datetime.now(UTC)
    late, due = now - timedelta(hours=1), now + timedelta(days=1)
    execute(house.url, f"INSERT INTO inbox (body, received_at, due_at) VALUES ('x', '{late}', '{due}')")
    try:
        assert_first(house.doctor(), "inbox", "events in the inbox: 1, the oldest waits for 1 h", "start a worker")
    finally:
        execute(house.url, "DELETE FROM inbox")


def test_dead_letters(house: Installation) -> None:
    assert house.platform.deliver(b"[]") == 200
    assert house.platform.deliver(b"no json, message.optout") == 200
    wait_for(lambda: house.doctor().exit_code == 1, seconds=10, what="the dead letters")
    finding = "dead letters: 2, and one may be an opt-out"
    assert_first(house.doctor(), "dead_letters", finding, "opt the person out")
    execute(house.url, "DELETE FROM dead_letters WHERE may_opt_out")
    assert_first(house.doctor(), "dead_letters", "for a person: 1", "`resolve`", status="warning")
    execute(house.url, "DELETE FROM dead_letters")
