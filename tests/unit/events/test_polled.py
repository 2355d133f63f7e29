"""What was asked for: which fact an answer stands for, and how it meets what was signed."""

import json
from datetime import datetime
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.events.event import Event, Origin, Outcome
from sync.events.merge import distinct, holding, message_row, precedence, strength
from sync.events.opt_outs import nameless_opt_outs
from sync.events.parse import parse
from sync.events.polled import answer_body, parse_answer
from tests.support.events_builder import ANA, AO, RUI, minute, patient, raw
from tests.unit.events.facts import CODE, STRICT, claims, fact, message_fact, opt_outs, row, stored

STATUSES = ("queued", "sent", "delivered", "failed", "undeliverable")


def polled(status: str, asked: float = 90, **fields: Any) -> Event:
    """The answer about message `x`, asked for `asked` minutes after ten."""
    answer = answered({"id": "x", "status": status} | fields, minute(asked))
    assert answer is not None
    return answer


def answered(document: Any, asked_at: datetime) -> Event | None:
    return parse_answer(polled_body(document), asked_at, STRICT)


def polled_body(document: Any) -> bytes:
    return answer_body("x", json.dumps(document).encode())


# Which fact it is


@pytest.mark.parametrize("status", STATUSES)
def test_an_answer_stands_for_the_event_of_its_status(status: str) -> None:
    answer = polled(status)
    assert (answer.key, answer.origin, answer.outcome) == (("x", f"message.{status}"), Origin.POLLED, Outcome.APPLIED)
    assert row(answer).status == status


@pytest.mark.parametrize("status", ["Delivered", "DELIVERED", " delivered ", "De-livered"])
def test_a_status_is_compared_by_its_letters(status: str) -> None:
    assert polled(status).name == "message.delivered"


@pytest.mark.parametrize(
    "document", [{"data": {"status": "sent"}}, {"delivery_status": "sent"}, {"deliveryStatus": "sent"}]
)
def test_a_status_is_found_where_providers_put_it(document: dict[str, Any]) -> None:
    answer = answered(document, minute(90))
    assert answer is not None
    assert answer.name == "message.sent"


@pytest.mark.parametrize(
    "document", [{}, {"status": "unknown"}, {"status": None}, {"status": 1}, [], "sent", {"data": []}]
)
def test_an_answer_without_a_status_that_is_known_states_nothing(document: Any) -> None:
    assert answered(document, minute(90)) is None


def test_what_is_no_answer_or_too_long_or_too_deep_states_nothing() -> None:
    deep: dict[str, Any] = {"status": "sent"}
    for _ in range(200):
        deep = {"status": "sent", "more": deep}
    for body in (b"", b"{", b"[]", b'{"answer": {"status": "sent"}}', polled_body(deep)):
        assert parse_answer(body, minute(90), AO) is None
    assert answered({"status": "sent", "more": "9" * 300_000}, minute(90)) is None


def test_without_a_time_of_its_own_it_occurred_when_it_was_asked_for() -> None:
    answer = polled("delivered", 90, created_at=minute(1).isoformat())
    assert (answer.occurred_at, answer.is_dated, answer.received_at) == (minute(90), False, minute(90))


@pytest.mark.parametrize(
    ("status", "times"),
    [
        ("delivered", {"delivered_at": 5}),
        ("failed", {"failedAt": 5}),
        ("undeliverable", {"failed_at": 5}),
        ("sent", {"sent_at": 5, "created_at": 1}),
        ("queued", {"created_at": 5}),
        ("delivered", {"updated_at": 5, "created_at": 1}),
        ("delivered", {"delivered_at": 5, "updated_at": 7}),
        ("delivered", {"delivered_at": 60 * 60, "updated_at": 5}),  # more than a day ahead is no time
    ],
)
def test_the_time_of_a_status_is_its_own_else_when_the_message_changed_last(status: str, times: dict[str, Any]) -> None:
    answer = polled(status, 90, **{name: minute(at).isoformat() for name, at in times.items()})
    assert (answer.occurred_at, answer.is_dated) == (minute(5), True)


def test_an_answer_describes_its_message_and_says_why_it_failed() -> None:
    fields = {"channel": "SMS", "to": "912345678", "from": "ZEXA", "campaign_id": "cmp_1"}
    message = row(polled("failed", 90, **fields, error={"code": 30003, "message": "no route"}))
    assert (message.channel, message.recipient, message.sender, message.campaign_id) == ("sms", ANA, "ZEXA", "cmp_1")
    assert (message.failure_code, message.failure_reason) == ("30003", "no route")


def test_an_answer_is_kept_byte_for_byte_beside_the_message_that_was_asked_for() -> None:
    content = b'{ "status" : "sent",  "to": "\xc3\xa3" }\n'
    body = answer_body('m"1', content)
    assert content in body
    assert json.loads(body) == {"polled": 'm"1', "answer": json.loads(content)}
    assert answer_body("x", content) != answer_body("y", content)


@pytest.mark.parametrize("status", STATUSES)
def test_the_bytes_of_an_answer_that_are_delivered_are_no_event_of_its_message(status: str) -> None:
    """Whoever can have such bytes signed still forges nothing that was polled, and the other way round."""
    body = polled_body({"id": "x", "status": status, "event": "message.delivered"})
    delivered = parse(raw(body), STRICT)
    assert (delivered.outcome, delivered.is_polled) == (Outcome.IGNORED, False)
    assert delivered.subject_id.startswith("sha256:")
    signed = {"event": f"message.{status}", "data": {"message_id": "x", "status": status}}
    assert parse_answer(json.dumps(signed).encode(), minute(90), STRICT) is None


@pytest.mark.parametrize("status", ["queued", "sent"])
def test_a_signed_event_of_a_name_that_is_known_only_as_polled_stays_of_an_unknown_type(status: str) -> None:
    signed = message_fact(status, 1, to=ANA)
    assert signed.outcome is Outcome.IGNORED
    assert message_row([signed]) is None
    assert row(message_fact("delivered", 2), signed) == row(message_fact("delivered", 2))


# How it meets what was signed


def test_under_one_key_what_is_signed_holds_however_late_the_answer_is() -> None:
    signed = message_fact("delivered", None, received=minute(60))
    for answer in (polled("delivered", 10), polled("delivered", 999, delivered_at=minute(999).isoformat())):
        assert holding([answer, signed]) == holding([signed, answer]) == {signed.key: signed}
        assert row(signed, answer).status_at == minute(60)


def test_a_signed_event_of_an_unknown_type_holds_too_and_says_nothing_as_ever() -> None:
    signed, answer = message_fact("sent", 1, to=RUI), polled("sent", 90, to=ANA)
    assert holding([answer, signed]) == {signed.key: signed}
    assert row(signed, answer) == row(answer)


def test_at_one_time_what_is_signed_goes_before_a_higher_rank() -> None:
    answer = polled("delivered", 90, delivered_at=minute(5).isoformat())
    message = row(message_fact("failed", 5), answer)
    assert (message.status, message.conflict) == ("failed", True)
    assert row(message_fact("failed", 4), answer).status == "delivered"


def test_a_final_event_stands_against_any_later_answer_that_is_not_final() -> None:
    for status in ("queued", "sent"):
        assert row(message_fact("failed", 1), polled(status, 999)).status == "failed"


def test_sent_outranks_queued_at_one_time_and_a_later_one_outranks_both() -> None:
    assert row(polled("queued", 90), polled("sent", 90)).status == "sent"
    assert row(polled("queued", 91), polled("sent", 90)).status == "queued"


def test_an_answer_names_nobody_for_a_stop() -> None:
    stop = message_fact("optout", 1)
    answer = polled("delivered", 90, to=ANA)
    assert claims(stop, answer) == {}
    assert nameless_opt_outs([stop, answer]) == [stop]
    assert row(stop, answer).recipient == ANA


def test_an_answer_that_says_the_recipient_opted_out_opts_nobody_out() -> None:
    answer = polled("failed", 90, to=ANA, error_code=CODE)
    assert claims(answer) == {}
    assert row(answer).opted_out_at is None


# For any set of facts

MOMENTS = st.none() | st.sampled_from([minute(1), minute(2), minute(90)]).map(datetime.isoformat)
an_answer = st.builds(
    lambda status, asked, at, fields: polled(status, asked, updated_at=at, **fields),
    st.sampled_from(STATUSES),
    st.sampled_from([1, 2, 90]),
    MOMENTS,
    st.fixed_dictionaries(
        {}, optional={"to": st.sampled_from([ANA, RUI]), "from": st.just("LOJA"), "error_code": st.just(CODE)}
    ),
)
a_signed_event = st.builds(
    lambda name, at, data: fact(f"message.{name}", at, options=STRICT, **data),
    st.sampled_from(["delivered", "failed", "undeliverable", "optout", "sent", "unknown"]),
    st.sampled_from([None, 1, 2, 90]),
    st.fixed_dictionaries(
        {}, optional={"to": st.sampled_from([ANA, RUI]), "from_": st.just("ZEXA"), "error_code": st.just(CODE)}
    ),
)
mixed = st.lists(an_answer | a_signed_event, max_size=7)


@patient
@given(mixed, st.data())
def test_rows_depend_on_no_order_and_no_copies_of_either_origin(facts: list[Event], data: st.DataObject) -> None:
    copies = data.draw(st.lists(st.sampled_from(facts), max_size=3)) if facts else []
    others = data.draw(st.permutations(facts + copies))
    assert message_row(distinct(others)) == message_row(distinct(facts))
    assert holding(distinct(others)) == holding(distinct(facts))


@patient
@given(mixed)
def test_under_one_key_signed_always_holds(facts: list[Event]) -> None:
    for key, held in holding(distinct(facts)).items():
        assert held.is_polled == all(event.is_polled for event in facts if event.key == key)


@patient
@given(mixed)
def test_no_answer_touches_an_opt_out(facts: list[Event]) -> None:
    signed = [event for event in facts if not event.is_polled]
    assert opt_outs(stored(*facts)) == opt_outs(stored(*signed))
    assert nameless_opt_outs(distinct(facts)) == nameless_opt_outs(distinct(signed))
    with_answers, without = message_row(distinct(facts)), message_row(distinct(signed))
    if with_answers:
        assert with_answers.opted_out_at == (without and without.opted_out_at)


@patient
@given(mixed)
def test_an_answer_changes_a_final_status_only_by_a_greater_one(facts: list[Event]) -> None:
    before = message_row([event for event in distinct(facts) if not event.is_polled])
    after = message_row(distinct(facts))
    if before and before.status and after:
        assert after.status_at is not None
        assert before.status_at is not None
        assert (after.status, after.status_at) == (
            before.status,
            before.status_at,
        ) or after.status_at > before.status_at


@patient
@given(mixed)
def test_of_any_two_facts_one_is_the_stronger_and_one_holds(facts: list[Event]) -> None:
    for first, second in permutations(distinct(facts), 2):
        assert (strength(first) > strength(second)) != (strength(first) < strength(second))
        assert first.key != second.key or (precedence(first) > precedence(second)) != (
            precedence(first) < precedence(second)
        )
