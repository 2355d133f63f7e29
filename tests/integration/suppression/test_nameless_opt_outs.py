"""An opt-out that names no person holds answers back while anything waits that may tell whose it is."""

from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from sqlalchemy import Engine, insert

from models.tables import INBOX
from sync.events.interpretation import ParseOptions
from sync.events.raw import RawEvent
from sync.queue.connection import open_queue
from sync.queue.failed import requeue
from sync.queue.jobs import enqueue
from sync.queue.waiting import read_waiting
from sync.suppression import Lookup
from sync.worker.applier import Applier
from sync.worker.rq_worker import EventWorker
from sync.worker.stop import Stop
from tests.integration.suppression.waiting import as_of, give, statuses, stop, work
from tests.support.events_builder import ANA, AO, RUI, body, minute

CODE = "21610"
STRICT = ParseOptions(default_region="AO", opt_out_failures=frozenset({CODE}))


# Opt-outs that name no person. A delivery names the person, and waits behind thousands of others.


def nameless(engine: Engine, received: datetime, claimed: datetime | None = None, message_id: str = "m1") -> None:
    give(engine, body("message.optout", claimed or received, message_id=message_id), received=received)


def tell(redis: Redis, received: datetime, to: str = ANA, message_id: str = "m1") -> None:
    """A delivery that names the recipient of the message waits in the queue."""
    content = body("message.delivered", minute(0), message_id=message_id, to=to)
    enqueue(open_queue(redis), [RawEvent(body=content, received_at=received)], at_front=False)


def test_an_opt_out_whose_message_is_still_to_tell_whose_it_is_holds_back_while_anything_waits(
    engine: Engine, lookup: Lookup, redis: Redis
) -> None:
    received = datetime.now(UTC) - timedelta(minutes=10)
    nameless(engine, received)
    assert lookup.freshness().held_by is None  # all that was ever sent is known
    tell(redis, datetime.now(UTC))
    assert lookup.freshness().held_by == "message"
    assert as_of(lookup) == received - timedelta(microseconds=1)
    assert statuses(lookup, RUI) == ["unknown"]
    work(engine, redis)
    assert statuses(lookup, ANA, RUI) == ["suppressed", "allowed"]
    assert lookup.freshness().held_by is None


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    "behind",
    [2 * HOUR, timedelta(minutes=-10), timedelta(days=-365 * 24), timedelta(days=365 * 10)],
    ids=["two hours old", "ten minutes ahead", "24 years ahead", "ten years old"],
)
def test_a_nameless_opt_out_holds_back_by_its_receipt_whatever_time_it_claims(
    engine: Engine, lookup: Lookup, redis: Redis, behind: timedelta
) -> None:
    received = datetime.now(UTC) - timedelta(minutes=10)
    nameless(engine, received, claimed=received - behind)
    tell(redis, received - timedelta(minutes=30))
    assert as_of(lookup) == received - timedelta(microseconds=1)
    work(engine, redis)
    assert statuses(lookup, ANA, RUI) == ["suppressed", "allowed"]


def test_a_nameless_opt_out_without_a_time_holds_back_too(engine: Engine, lookup: Lookup, redis: Redis) -> None:
    received = datetime.now(UTC) - timedelta(minutes=10)
    give(engine, body("message.optout", None, message_id="m1"), received=received)
    tell(redis, received)
    assert (as_of(lookup), lookup.freshness().held_by) == (received - timedelta(microseconds=1), "message")


def test_a_nameless_opt_out_holds_back_from_its_earliest_receipt(engine: Engine, lookup: Lookup, redis: Redis) -> None:
    received = datetime.now(UTC) - timedelta(minutes=10)
    content = body("message.optout", None, message_id="m1")
    for received_at in (received, received - timedelta(minutes=5), received + timedelta(minutes=5)):
        give(engine, content, received=received_at)
    tell(redis, received)
    assert as_of(lookup) == received - timedelta(minutes=5, microseconds=1)


@pytest.mark.parametrize(("after", "is_held"), [(-24 * HOUR, True), (HOUR, True), (HOUR + HOUR / 3600, False)])
def test_what_was_received_up_to_an_hour_after_a_nameless_opt_out_may_tell_whose_it_is(
    engine: Engine, lookup: Lookup, redis: Redis, after: timedelta, is_held: bool
) -> None:
    received = datetime.now(UTC) - 2 * HOUR
    nameless(engine, received)
    tell(redis, received + after)
    assert (lookup.freshness().held_by == "message") is is_held
    assert statuses(lookup, RUI) == (["unknown"] if is_held else ["allowed"])
    work(engine, redis)
    assert statuses(lookup, ANA) == ["suppressed"]  # a later event counts all the same


def test_of_several_nameless_opt_outs_the_oldest_that_may_be_told_holds_back(
    engine: Engine, lookup: Lookup, redis: Redis
) -> None:
    now = datetime.now(UTC)
    for hours in (5, 3, 1):
        nameless(engine, now - hours * HOUR, message_id=f"m{hours}")
    tell(redis, now - 3 * HOUR)
    assert as_of(lookup) == now - 3 * HOUR - timedelta(microseconds=1)


def test_the_oldest_that_waits_decides_though_newer_deliveries_wait_before_it(
    engine: Engine, lookup: Lookup, redis: Redis
) -> None:
    now = datetime.now(UTC)
    nameless(engine, now - 3 * HOUR)
    for minutes in range(5):
        tell(redis, now - timedelta(minutes=minutes), to=RUI, message_id=f"other_{minutes}")
    assert lookup.freshness().held_by is None
    tell(redis, now - 3 * HOUR)
    assert lookup.freshness().held_by == "message"


def test_a_failure_that_opts_out_and_names_nobody_holds_back_too(engine: Engine, lookup: Lookup, redis: Redis) -> None:
    received = datetime.now(UTC) - timedelta(minutes=10)
    give(
        engine,
        body("message.failed", minute(1), message_id="m1", error_code=CODE),
        received=received,
        options=STRICT,
    )
    assert lookup.freshness().held_by is None
    tell(redis, received)
    assert (as_of(lookup), lookup.freshness().held_by) == (received - timedelta(microseconds=1), "message")
    work(engine, redis, STRICT)
    assert statuses(lookup, ANA, RUI) == ["suppressed", "allowed"]


def test_a_failure_that_opts_out_nobody_holds_nothing_back(engine: Engine, lookup: Lookup, redis: Redis) -> None:
    received = datetime.now(UTC) - timedelta(minutes=10)
    give(engine, body("message.failed", minute(1), message_id="m1", error_code=CODE), received=received)
    tell(redis, received)
    assert lookup.freshness().held_by is None


def test_what_tells_the_address_holds_back_in_a_workers_hand_too(engine: Engine, lookup: Lookup, redis: Redis) -> None:
    nameless(engine, datetime.now(UTC) - timedelta(minutes=10))
    tell(redis, datetime.now(UTC))
    queue = open_queue(redis)
    assert redis.lmove(queue.key, queue.intermediate_queue_key)
    assert (len(queue), lookup.freshness().held_by) == (0, "message")


def fail_what_waits(engine: Engine, redis: Redis) -> str:
    """Do to the only job what RQ does to one whose worker died too often; return its id."""
    queue = open_queue(redis)
    (job,) = queue.get_jobs()
    redis.lrem(queue.key, 1, job.id)
    job.retries_left = 0
    worker = EventWorker(redis, Applier(engine, options=AO, batch_size=100), Stop())
    worker.handle_job_failure(job, queue, exc_string="killed too often")
    return str(job.id)


def test_what_tells_the_address_holds_back_in_a_failed_job_too(engine: Engine, lookup: Lookup, redis: Redis) -> None:
    received = datetime.now(UTC) - timedelta(minutes=10)
    nameless(engine, received)
    tell(redis, received)
    job_id = fail_what_waits(engine, redis)
    assert (len(open_queue(redis)), lookup.freshness().held_by) == (0, "message")
    assert as_of(lookup) == received - timedelta(microseconds=1)
    assert requeue(open_queue(redis), job_id) == 1
    assert lookup.freshness().held_by == "message"
    work(engine, redis)
    assert statuses(lookup, ANA, RUI) == ["suppressed", "allowed"]
    assert read_waiting(open_queue(redis)).oldest is None


def test_an_opt_out_in_a_failed_job_holds_the_answer_back(engine: Engine, lookup: Lookup, redis: Redis) -> None:
    received = datetime.now(UTC) - timedelta(minutes=5)
    enqueue(open_queue(redis), [RawEvent(body=stop(), received_at=received)], at_front=True)
    job_id = fail_what_waits(engine, redis)
    assert (as_of(lookup), lookup.freshness().held_by) == (received - timedelta(microseconds=1), "queue")
    assert requeue(open_queue(redis), job_id) == 1
    work(engine, redis)
    assert statuses(lookup, ANA) == ["suppressed"]


@pytest.mark.parametrize("due", [timedelta(0), HOUR])
def test_what_tells_the_address_holds_back_in_the_inbox_too(engine: Engine, lookup: Lookup, due: timedelta) -> None:
    received = datetime.now(UTC) - timedelta(minutes=10)
    nameless(engine, received)
    with engine.begin() as connection:
        content = body("message.delivered", minute(0), message_id="m1", to=ANA)
        row = {"body": content, "received_at": received, "due_at": received + due, "may_opt_out": False}
        connection.execute(insert(INBOX).values(**row))
    assert (as_of(lookup), lookup.freshness().held_by) == (received - timedelta(microseconds=1), "message")


def test_a_delivery_that_tells_of_another_message_leaves_an_opt_out_nameless(
    engine: Engine, lookup: Lookup, redis: Redis
) -> None:
    nameless(engine, datetime.now(UTC) - timedelta(minutes=10))
    tell(redis, datetime.now(UTC), message_id="another")
    work(engine, redis)
    assert statuses(lookup, ANA) == ["allowed"]
    tell(redis, datetime.now(UTC), message_id="one_more")
    assert lookup.freshness().held_by == "message"


def test_whatever_holds_back_longest_decides(engine: Engine, lookup: Lookup, redis: Redis) -> None:
    now = datetime.now(UTC)
    nameless(engine, now - timedelta(minutes=20))
    tell(redis, now)
    enqueue(open_queue(redis), [RawEvent(body=stop(), received_at=now - timedelta(minutes=10))], at_front=True)
    assert (as_of(lookup), lookup.freshness().held_by) == (now - timedelta(minutes=20, microseconds=1), "message")
    enqueue(open_queue(redis), [RawEvent(body=stop(), received_at=now - timedelta(minutes=30))], at_front=True)
    assert (as_of(lookup), lookup.freshness().held_by) == (now - timedelta(minutes=30, microseconds=1), "queue")


def test_an_opt_out_with_an_address_that_its_message_may_widen_holds_nothing_back(
    engine: Engine, lookup: Lookup, redis: Redis
) -> None:
    """Somebody is named; that a delivery will name another is not expected."""
    received = datetime.now(UTC) - timedelta(minutes=10)
    give(engine, stop(message_id="m1"), received=received)
    tell(redis, received, to=RUI)
    assert lookup.freshness().held_by is None
    work(engine, redis)
    assert statuses(lookup, ANA, RUI) == ["suppressed", "suppressed"]
