"""A STOP and the look-up, through the Procfile's own processes: never `allowed` once the answer says it knows."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from sqlalchemy import Engine

from sync.queue import open_queue
from sync.suppression import Answer, Lookup, Status
from tests.processes import Platform, wait_for

STOPS = 1000
AT_ONCE = 8
PAUSE_SECONDS = 0.002


def body_of(event: str, message_id: str, to: str) -> bytes:
    data = {"message_id": message_id, "channel": "sms", "to": to}
    return json.dumps({"event": event, "timestamp": "2026-06-24T10:06:00Z", "data": data}).encode()


@pytest.fixture
def lookup(reader: Engine, redis: Redis) -> Lookup:
    return Lookup(reader, open_queue(redis), default_region="AO")


@contextmanager
def load(platform: Platform) -> Iterator[None]:
    """Deliveries, one after another, for as long as the block lasts."""
    is_over = threading.Event()

    def send() -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            assert platform.deliver(body_of("message.delivered", f"msg_{number}", f"+2449130{number:05}")) == 200

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send)
        try:
            yield
        finally:
            is_over.set()
    sending.result()


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_a_stop_is_never_allowed_once_the_answer_is_as_of_later_than_its_receipt(
    migrated_platform: Platform, lookup: Lookup
) -> None:
    """With a worker that is killed, so that opt-outs wait in a dead worker's hand too."""
    migrated_platform.start_web()
    worker = migrated_platform.start_worker()
    answers: list[Answer] = []

    def post_and_ask(number: int) -> None:
        to = f"+2449120{number:05}"
        assert migrated_platform.deliver(body_of("message.optout", f"stop_{number}", to)) == 200
        acknowledged = datetime.now(UTC)
        deadline = acknowledged + timedelta(minutes=3)
        while datetime.now(UTC) < deadline:
            (answer,) = lookup.check([to])
            answers.append(answer)
            if answer.status is Status.ALLOWED:
                assert answer.as_of is not None
                assert answer.as_of <= acknowledged, "allowed, though the opt-out had been acknowledged before as_of"
            if answer.status is Status.SUPPRESSED:
                return
            time.sleep(PAUSE_SECONDS)
        raise AssertionError("the opt-out never took effect")

    with load(migrated_platform), ThreadPoolExecutor(AT_ONCE) as pool:
        posted = [pool.submit(post_and_ask, number) for number in range(STOPS)]
        wait_for(lambda: sum(one.done() for one in posted) > STOPS / 2, seconds=240, what="half of the STOPs")
        worker.kill()
        migrated_platform.start_worker()
        for one in posted:
            one.result()
    assert sum(answer.status is Status.SUPPRESSED for answer in answers) == STOPS
