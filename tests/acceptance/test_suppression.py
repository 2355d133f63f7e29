"""A STOP and the look-up, through the Procfile's own processes: never `allowed` once the answer says it knows."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count, cycle, islice, product

import pytest
from redis import Redis
from sqlalchemy import Engine

from sync.events.raw import RawEvent
from sync.queue.connection import open_queue
from sync.queue.jobs import enqueue
from sync.suppression import Answer, Lookup, LookupStatus
from tests.support.events_builder import body
from tests.support.processes import Platform, wait_for

STOPS = 1000
AT_ONCE = 8
PAUSE_SECONDS = 0.01

# Deliveries that wait: so many at first, and so many more again and again, faster than they come over HTTP.
BACKLOG = 4_000
MORE = 2_000
MORE_SECONDS = 3
PER_JOB = 20

CODE = "21610"
OPT_OUT_FAILURES = {"ZEXA_OPT_OUT_FAILURES": CODE}

# How a recipient opts out: by which event, and by which clock. Either the event names the person, or another event of
# the message does, which comes before or after.
EVENTS = ("message.optout", "message.failed")
CLOCKS: dict[str, timedelta | None] = {
    "on time": timedelta(0),
    "two hours old": timedelta(hours=-2),
    "ten minutes ahead": timedelta(minutes=10),
    "of 2050": datetime(2050, 1, 1, tzinfo=UTC) - datetime.now(UTC),
    "undated": None,
}
NAMED = ("by itself", "before", "after")
WAYS = tuple(product(EVENTS, CLOCKS, NAMED))

Way = tuple[str, str, str]


def bodies_of(way: Way, message_id: str, to: str) -> list[bytes]:
    """What the provider sends of one recipient who opts out this way."""
    event, clock, named = way
    offset = CLOCKS[clock]
    at = None if offset is None else datetime.now(UTC) + offset
    code = CODE if event == "message.failed" else None
    opt_out = body(event, at, message_id=message_id, to=to if named == "by itself" else None, error_code=code)
    delivered = body("message.delivered", datetime.now(UTC), message_id=message_id, channel="sms", to=to)
    return {"by itself": [opt_out], "before": [delivered, opt_out], "after": [opt_out, delivered]}[named]


@pytest.fixture
def lookup(reader: Engine, redis: Redis) -> Lookup:
    return Lookup(reader, open_queue(redis), default_region="AO")


@contextmanager
def repeated(act: Callable[[], None], *, pause_seconds: float = 0) -> Iterator[None]:
    """Do something again and again, for as long as the block lasts."""
    is_over = threading.Event()

    def go_on() -> None:
        while not is_over.is_set():
            act()
            is_over.wait(pause_seconds)

    with ThreadPoolExecutor(1) as pool:
        acting = pool.submit(go_on)
        try:
            yield
        finally:
            is_over.set()
    acting.result()


class Load:
    """Deliveries of others, none of whom opts out."""

    def __init__(self, platform: Platform, redis: Redis) -> None:
        self.platform = platform
        self.queue = open_queue(redis)
        self.numbers = count()

    def delivered(self) -> bytes:
        number = next(self.numbers)
        return body("message.delivered", datetime.now(UTC), message_id=f"msg_{number}", to=f"+2449{number + 3 * 10**7}")

    def send(self) -> None:
        assert self.platform.deliver(self.delivered()) == 200

    def pile_up(self, deliveries: int = MORE) -> None:
        """Let so many wait in the queue, as they do after an outage."""
        for _ in range(deliveries // PER_JOB):
            received = datetime.now(UTC)
            group = [RawEvent(body=self.delivered(), received_at=received) for _ in range(PER_JOB)]
            enqueue(self.queue, group, at_front=False)


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_a_stop_is_never_allowed_once_the_answer_is_as_of_later_than_its_receipt(
    migrated_platform: Platform, lookup: Lookup, redis: Redis
) -> None:
    """Behind a backlog, and with workers that are killed, so that opt-outs wait in a dead worker's hand too.

    An opt-out that names no person is known to be a person's once both the opt-out and the delivery that names the
    person were acknowledged.
    """
    migrated_platform.start_web(**OPT_OUT_FAILURES)
    load = Load(migrated_platform, redis)
    load.pile_up(BACKLOG)
    workers = [migrated_platform.start_worker(**OPT_OUT_FAILURES) for _ in range(2)]
    answers: list[Answer] = []
    suppressed: list[Way] = []

    def post_and_ask(number: int, way: Way) -> None:
        to = f"+2449120{number:05}"
        for content in bodies_of(way, f"stop_{number}", to):
            assert migrated_platform.deliver(content) == 200
        acknowledged = datetime.now(UTC)
        deadline = acknowledged + timedelta(minutes=3)
        while datetime.now(UTC) < deadline:
            (answer,) = lookup.check([to])
            answers.append(answer)
            if answer.status is LookupStatus.ALLOWED:
                assert answer.as_of is not None
                assert answer.as_of <= acknowledged, f"{way} is allowed, though acknowledged before as_of"
            if answer.status is LookupStatus.SUPPRESSED:
                suppressed.append(way)
                return
            time.sleep(PAUSE_SECONDS)
        raise AssertionError(f"{way} never took effect")

    with (
        repeated(load.send, pause_seconds=PAUSE_SECONDS),
        repeated(load.pile_up, pause_seconds=MORE_SECONDS),
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        posted = [pool.submit(post_and_ask, number, way) for number, way in enumerate(islice(cycle(WAYS), STOPS))]

        def are_done(share: float) -> bool:
            return sum(post.done() for post in posted) > STOPS * share

        for share, worker in zip((1 / 3, 2 / 3), workers, strict=True):
            wait_for(lambda share=share: are_done(share), seconds=240, what=f"{share:.0%} of the STOPs")  # type: ignore[misc]
            worker.kill()
            migrated_platform.start_worker(**OPT_OUT_FAILURES)
        for delivery in posted:
            delivery.result()
    assert Counter(suppressed) == Counter(islice(cycle(WAYS), STOPS))
    # Else nothing was tried: of each kind somebody was asked about while it still waited.
    assert {"queue", "message", None} <= {answer.held_by for answer in answers}
