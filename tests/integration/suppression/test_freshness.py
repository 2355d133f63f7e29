"""The moment of which an answer is: what waits anywhere and may be an opt-out holds it back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import count
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine, insert, text

from models.tables import DEAD_LETTERS, INBOX
from sync.events.raw import RawEvent, may_opt_out
from sync.queue.connection import open_queue
from sync.queue.jobs import enqueue
from sync.suppression import Lookup
from sync.suppression.forgotten import PeopleQuery
from tests.conftest import NOW
from tests.integration.suppression.waiting import as_of, give, statuses, stop, work
from tests.support.events_builder import ANA, RUI, body


def test_where_nothing_waits_the_answer_is_of_this_moment(lookup: Lookup) -> None:
    begun = datetime.now(UTC)
    assert begun <= as_of(lookup) <= datetime.now(UTC)
    assert lookup.freshness().held_by is None


def test_an_opt_out_in_the_queue_holds_the_answer_back_until_it_is_applied(
    engine: Engine, lookup: Lookup, redis: Redis
) -> None:
    received = datetime.now(UTC) - timedelta(minutes=5)
    enqueue(open_queue(redis), [RawEvent(body=stop(), received_at=received)], at_front=True)
    assert received - timedelta(milliseconds=1) < as_of(lookup) < received
    assert lookup.freshness().held_by == "queue"
    assert statuses(lookup, ANA, RUI) == ["unknown", "unknown"]
    assert lookup.is_suppressed(RUI)
    assert not lookup.is_suppressed(RUI, max_staleness=timedelta(minutes=6))
    assert not lookup.is_suppressed(RUI, max_staleness=360)
    work(engine, redis)
    assert statuses(lookup, ANA, RUI) == ["suppressed", "allowed"]
    assert lookup.freshness().held_by is None


@pytest.mark.parametrize("claimed", ["1999-01-01T00:00:00Z", "2026-06-24T10:01:00Z", "2050-01-01T00:00:00Z", "soon"])
def test_an_opt_out_that_waits_holds_the_answer_back_by_its_receipt_whatever_time_it_claims(
    lookup: Lookup, redis: Redis, claimed: str
) -> None:
    received = datetime.now(UTC) - timedelta(minutes=5)
    content = body("message.optout", None, to=ANA, opted_out_at=claimed)
    enqueue(open_queue(redis), [RawEvent(body=content, received_at=received)], at_front=True)
    assert as_of(lookup) == received - timedelta(microseconds=1)


@pytest.mark.parametrize("name", ["message.opt_out", "Message.OptOut", "MESSAGE.OPTOUT", "message optout"])
def test_an_opt_out_under_any_spelling_of_its_name_is_taken_first_and_holds_the_answer_back(
    engine: Engine, lookup: Lookup, redis: Redis, name: str
) -> None:
    """As the web process puts it on the queue, which reads no more of a body than this."""
    received = datetime.now(UTC) - timedelta(minutes=5)
    content = stop(name=name)
    is_urgent = may_opt_out(content, failures_may=False)
    enqueue(open_queue(redis), [RawEvent(body=content, received_at=received)], at_front=is_urgent)
    before = as_of(lookup)
    work(engine, redis)
    assert statuses(lookup, ANA) == ["suppressed"]
    assert before < received


@pytest.fixture
def after_question(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """Does something between the look-up's questions to the stores, or after both: once the nth was answered."""

    def arrange(nth: int, act: Callable[[], None]) -> None:
        answered = count(1)

        def acting(ask: Callable[..., Any]) -> Callable[..., Any]:
            def asked(*words: Any) -> Any:
                answer = ask(*words)
                if next(answered) == nth:
                    act()
                return answer

            return asked

        module = import_module("sync.suppression.lookup")
        monkeypatch.setattr(module, "read_waiting", acting(module.read_waiting))
        monkeypatch.setattr(PeopleQuery, "ask", acting(PeopleQuery.ask))

    return arrange


@pytest.mark.parametrize("nth", [1, 2])
def test_an_opt_out_that_comes_between_or_after_the_questions_is_later_than_the_answer_is_of(
    lookup: Lookup, redis: Redis, after_question: Callable[[int, Callable[[], None]], None], nth: int
) -> None:
    received: list[datetime] = []

    def receive() -> None:
        received.append(datetime.now(UTC))
        enqueue(open_queue(redis), [RawEvent(body=stop(), received_at=received[0])], at_front=True)

    after_question(nth, receive)
    assert as_of(lookup) < received[0]


def test_an_opt_out_that_is_applied_between_the_questions_is_found(
    engine: Engine, lookup: Lookup, redis: Redis, after_question: Callable[[int, Callable[[], None]], None]
) -> None:
    received = datetime.now(UTC) - timedelta(seconds=1)
    enqueue(open_queue(redis), [RawEvent(body=stop(), received_at=received)], at_front=True)
    after_question(1, lambda: work(engine, redis))
    assert statuses(lookup, ANA) == ["suppressed"]


def test_deliveries_that_wait_hold_nothing_back(lookup: Lookup, redis: Redis) -> None:
    old = datetime.now(UTC) - timedelta(hours=1)
    enqueue(open_queue(redis), [RawEvent(body=b"{}", received_at=old)], at_front=False)
    assert statuses(lookup, RUI) == ["allowed"]


def test_a_job_that_a_person_removed_holds_nothing_back(lookup: Lookup, redis: Redis) -> None:
    queue = open_queue(redis)
    enqueue(queue, [RawEvent(body=stop(), received_at=NOW)], at_front=True)
    queue.delete(delete_jobs=True)
    assert statuses(lookup, RUI) == ["allowed"]


def test_an_opt_out_in_the_inbox_holds_the_answer_back(engine: Engine, lookup: Lookup) -> None:
    for is_urgent in (False, True):
        assert lookup.freshness().held_by is None
        with engine.begin() as connection:
            row = {"body": stop(), "received_at": NOW, "due_at": NOW, "may_opt_out": is_urgent}
            connection.execute(insert(INBOX).values(**row))
    assert (as_of(lookup), lookup.freshness().held_by) == (NOW - timedelta(microseconds=1), "inbox")


def test_a_dead_letter_that_may_be_an_opt_out_holds_the_answer_back_until_a_person_resolves_it(
    engine: Engine, lookup: Lookup
) -> None:
    give(engine, b"", b" \n", b"[]", body("message.delivered", message_id="x" * 2000))
    assert lookup.freshness().held_by is None
    for may_be_one in (stop(None), b'{"event": "message.optout", ', b'{"event": "message.delivered", ', b"not json"):
        give(engine, may_be_one)
        assert lookup.freshness().held_by == "dead_letters"
        assert statuses(lookup, RUI) == ["unknown"]
        with engine.begin() as connection:
            connection.execute(DEAD_LETTERS.update().values(resolved_at=NOW))
        assert lookup.freshness().held_by is None


@pytest.mark.direct("a connection that names a schema of its own does not see the other clock")
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("hours", [-2, 2])
def test_nobody_is_allowed_while_the_clock_of_the_database_alone_is_off(
    engine: Engine, lookup: Lookup, hours: int
) -> None:
    with engine.begin() as connection:
        for statement in (
            "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
            f"$$ SELECT pg_catalog.clock_timestamp() + interval '{hours} hours' $$",
            f"ALTER DATABASE {engine.url.database} SET search_path = public, pg_catalog",
        ):
            connection.execute(text(statement))
    (answer,) = lookup.check([RUI])
    assert (answer.status, answer.as_of, answer.held_by) == ("unknown", None, "clock")
