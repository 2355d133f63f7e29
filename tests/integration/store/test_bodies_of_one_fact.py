"""Copies, statuses that contradict each other, and several bodies under one key: one answer in any order."""

from sqlalchemy import Engine, text

from tests.integration.store.ledger import (
    assert_one_answer,
    digest,
    give,
    held_body,
    in_every_order,
    message_event,
    only_row,
)
from tests.support.events_builder import ANA, TEN, body, everything, minute, raw

# Statuses


def test_a_redelivery_changes_nothing(engine: Engine) -> None:
    events = [
        message_event("delivered", 1, to=ANA),
        message_event("optout", 2, channel="sms"),
        raw(body("campaign.sent", TEN, id="c")),
    ]
    give(engine, *events)
    first = everything(engine)
    for copy in events:
        give(engine, raw(copy.body, minute(600)))
    assert everything(engine) == first


def test_statuses_that_contradict_each_other_have_one_answer_in_any_order(engine: Engine) -> None:
    states = in_every_order(
        engine,
        message_event("failed", 1, error="busy"),
        message_event("delivered", 2),
        message_event("undeliverable", 2),
    )
    assert_one_answer(states)
    row = only_row(states[0]["message_status"])
    assert (row["status"], row["status_at"], row["conflict"]) == ("delivered", minute(2), True)
    assert (row["delivered_at"], row["failed_at"], row["failure_reason"]) == (minute(2), minute(2), None)


def test_a_copy_received_earlier_that_arrives_later_sets_the_time_of_receipt_back(engine: Engine) -> None:
    states = in_every_order(
        engine, message_event("failed", None, 3), message_event("failed", None, 1), message_event("failed", None, 2)
    )
    assert_one_answer(states)
    entry, row = only_row(states[0]["events"]), only_row(states[0]["message_status"])
    assert (entry["received_at"], entry["occurred_at"]) == (minute(1), minute(1))
    assert (row["status_at"], row["failed_at"]) == (minute(1), minute(1))


# Several bodies under one ledger key


def test_of_two_bodies_both_are_kept_and_the_later_holds_and_is_told_in_any_order(engine: Engine) -> None:
    early, late = message_event("failed", 1, error="busy"), message_event("failed", 2, 130, error="no route")
    states = in_every_order(engine, early, late, raw(early.body, minute(600)))
    assert_one_answer(states)
    entry, other, row = (only_row(states[0][name]) for name in ("events", "further_bodies", "message_status"))
    assert (entry["digest"], entry["occurred_at"], entry["received_at"]) == (digest(late.body), minute(2), minute(130))
    assert (other["digest"], other["occurred_at"], other["received_at"]) == (digest(early.body), minute(1), minute(120))
    assert {bytes(row_of_body["body"]): row_of_body["received_at"] for row_of_body in states[0]["bodies"]} == {
        early.body: minute(120),
        late.body: minute(130),
    }
    assert entry["outcome"] == "applied"
    assert (row["status_at"], row["failure_reason"], row["conflict"]) == (minute(2), "no route", False)


def test_a_copy_of_a_body_that_does_not_hold_sets_its_receipt_back_too(engine: Engine) -> None:
    lesser, greater = message_event("failed", 1, 70), message_event("failed", 2, 70)
    states = in_every_order(engine, lesser, greater, raw(lesser.body, minute(60)), raw(greater.body, minute(90)))
    assert_one_answer(states)
    assert only_row(states[0]["events"])["received_at"] == minute(70)
    assert only_row(states[0]["further_bodies"])["received_at"] == minute(60)
    assert {row["received_at"] for row in states[0]["bodies"]} == {minute(60), minute(70)}


def test_the_row_of_the_ledger_finds_the_bytes_of_the_body_that_holds(engine: Engine) -> None:
    events = [message_event("failed", at, error=f"at {at}") for at in (2, 1, 3)]
    for event, holds in zip(events, (events[0], events[0], events[2]), strict=True):
        give(engine, event)
        assert held_body(engine) == holds.body
    with engine.connect() as connection:
        query = "SELECT further_bodies.digest, body FROM further_bodies JOIN bodies ON further_bodies.body_id = id"
        others = connection.execute(text(query)).all()
    assert {digest(bytes(content)) for _, content in others} == {name for name, _ in others}
    assert len(others) == 2


def test_of_two_bodies_of_one_moment_that_with_the_greater_digest_holds_in_any_order(engine: Engine) -> None:
    events = [message_event("failed", 1, error=reason) for reason in ("busy", "no route", "no such number")]
    states = in_every_order(engine, *events)
    assert_one_answer(states)
    greatest = max((raw_event.body for raw_event in events), key=digest)
    assert only_row(states[0]["events"])["digest"] == digest(greatest)
    assert only_row(states[0]["message_status"])["failure_reason"].encode() in greatest
    assert len(states[0]["bodies"]) == 3


def test_a_body_that_names_no_time_gives_way_in_any_order(engine: Engine) -> None:
    undated, dated = message_event("failed", None, 60, error="busy"), message_event("failed", 1, 30, error="no route")
    states = in_every_order(engine, undated, dated, raw(undated.body, minute(90)))
    assert_one_answer(states)
    assert only_row(states[0]["events"])["digest"] == digest(dated.body)
    assert only_row(states[0]["message_status"])["status_at"] == minute(1)


def test_a_body_whose_time_lies_more_than_a_day_ahead_gives_way_in_any_order(engine: Engine) -> None:
    ahead, dated = message_event("failed", 48 * 60, 60, error="busy"), message_event("failed", 1, 30, error="no route")
    states = in_every_order(engine, ahead, dated, message_event("delivered", 61, 61))
    assert_one_answer(states)
    assert only_row(states[0]["further_bodies"])["is_dated"] is False
    row = only_row(states[0]["message_status"])
    assert (row["status"], row["failed_at"], row["failure_reason"]) == ("delivered", minute(1), "no route")


def test_an_earlier_copy_takes_the_belief_from_a_time_in_any_order(engine: Engine) -> None:
    """23 hours after one receipt and 25 after another, that came first: what the earliest says counts."""
    claimed = 23 * 60 + 120
    copies = [message_event("failed", claimed, 120), message_event("failed", claimed, 0)]
    states = in_every_order(engine, *copies, message_event("delivered", 1))
    assert_one_answer(states)
    assert {(row["event"], row["is_dated"]) for row in states[0]["events"]} == {
        ("message.failed", False),
        ("message.delivered", True),
    }
    assert only_row(states[0]["message_status"])["failed_at"] == minute(0)


def test_two_bodies_that_name_no_time_occurred_when_they_were_received_in_any_order(engine: Engine) -> None:
    events = [message_event("failed", None, 60, error="busy"), message_event("failed", None, 70, error="no route")]
    states = in_every_order(engine, *events, raw(events[0].body, minute(80)))
    assert_one_answer(states)
    row = only_row(states[0]["message_status"])
    assert (row["failure_reason"], row["failed_at"]) == ("no route", minute(70))


def test_two_bodies_of_a_campaign_have_one_answer_in_any_order(engine: Engine) -> None:
    events = [raw(body("campaign.completed", minute(at), id="cmp_1", name=f"at {at}")) for at in (1, 2)]
    states = in_every_order(engine, *events, raw(body("campaign.sent", minute(3), id="cmp_1")))
    assert_one_answer(states)
    row = only_row(states[0]["campaign_status"])
    assert (row["name"], row["completed_at"], row["sent_at"]) == ("at 2", minute(2), minute(3))
