"""Copies, statuses that contradict each other, and several bodies under one key: one answer in any order."""

from sqlalchemy import Engine, text

from tests.integration.store.ledger import assert_one_answer, digest, give, held_body, in_every_order, one, told
from tests.support.events_builder import ANA, TEN, body, everything, minute, raw

# Statuses


def test_a_redelivery_changes_nothing(engine: Engine) -> None:
    given = [told("delivered", 1, to=ANA), told("optout", 2, channel="sms"), raw(body("campaign.sent", TEN, id="c"))]
    give(engine, *given)
    first = everything(engine)
    for copy in given:
        give(engine, raw(copy.body, minute(600)))
    assert everything(engine) == first


def test_statuses_that_contradict_each_other_have_one_answer_in_any_order(engine: Engine) -> None:
    found = in_every_order(engine, told("failed", 1, error="busy"), told("delivered", 2), told("undeliverable", 2))
    assert_one_answer(found)
    row = one(found[0]["message_status"])
    assert (row["status"], row["status_at"], row["conflict"]) == ("delivered", minute(2), True)
    assert (row["delivered_at"], row["failed_at"], row["failure_reason"]) == (minute(2), minute(2), None)


def test_a_copy_received_earlier_that_arrives_later_sets_the_time_of_receipt_back(engine: Engine) -> None:
    found = in_every_order(engine, told("failed", None, 3), told("failed", None, 1), told("failed", None, 2))
    assert_one_answer(found)
    entry, row = one(found[0]["events"]), one(found[0]["message_status"])
    assert (entry["received_at"], entry["occurred_at"]) == (minute(1), minute(1))
    assert (row["status_at"], row["failed_at"]) == (minute(1), minute(1))


# Several bodies under one ledger key


def test_of_two_bodies_both_are_kept_and_the_later_holds_and_is_told_in_any_order(engine: Engine) -> None:
    early, late = told("failed", 1, error="busy"), told("failed", 2, 130, error="no route")
    found = in_every_order(engine, early, late, raw(early.body, minute(600)))
    assert_one_answer(found)
    entry, other, row = (one(found[0][name]) for name in ("events", "further_bodies", "message_status"))
    assert (entry["digest"], entry["occurred_at"], entry["received_at"]) == (digest(late.body), minute(2), minute(130))
    assert (other["digest"], other["occurred_at"], other["received_at"]) == (digest(early.body), minute(1), minute(120))
    assert {bytes(kept["body"]): kept["received_at"] for kept in found[0]["bodies"]} == {
        early.body: minute(120),
        late.body: minute(130),
    }
    assert entry["outcome"] == "applied"
    assert (row["status_at"], row["failure_reason"], row["conflict"]) == (minute(2), "no route", False)


def test_a_copy_of_a_body_that_does_not_hold_sets_its_receipt_back_too(engine: Engine) -> None:
    lesser, greater = told("failed", 1, 70), told("failed", 2, 70)
    found = in_every_order(engine, lesser, greater, raw(lesser.body, minute(60)), raw(greater.body, minute(90)))
    assert_one_answer(found)
    assert one(found[0]["events"])["received_at"] == minute(70)
    assert one(found[0]["further_bodies"])["received_at"] == minute(60)
    assert {row["received_at"] for row in found[0]["bodies"]} == {minute(60), minute(70)}


def test_the_row_of_the_ledger_finds_the_bytes_of_the_body_that_holds(engine: Engine) -> None:
    given = [told("failed", at, error=f"at {at}") for at in (2, 1, 3)]
    for of, holds in zip(given, (given[0], given[0], given[2]), strict=True):
        give(engine, of)
        assert held_body(engine) == holds.body
    with engine.connect() as connection:
        query = "SELECT further_bodies.digest, body FROM further_bodies JOIN bodies ON further_bodies.body_id = id"
        others = connection.execute(text(query)).all()
    assert {digest(bytes(content)) for _, content in others} == {name for name, _ in others}
    assert len(others) == 2


def test_of_two_bodies_of_one_moment_that_with_the_greater_digest_holds_in_any_order(engine: Engine) -> None:
    given = [told("failed", 1, error=reason) for reason in ("busy", "no route", "no such number")]
    found = in_every_order(engine, *given)
    assert_one_answer(found)
    kept = max((raw_event.body for raw_event in given), key=digest)
    assert one(found[0]["events"])["digest"] == digest(kept)
    assert one(found[0]["message_status"])["failure_reason"].encode() in kept
    assert len(found[0]["bodies"]) == 3


def test_a_body_that_names_no_time_gives_way_in_any_order(engine: Engine) -> None:
    undated, dated = told("failed", None, 60, error="busy"), told("failed", 1, 30, error="no route")
    found = in_every_order(engine, undated, dated, raw(undated.body, minute(90)))
    assert_one_answer(found)
    assert one(found[0]["events"])["digest"] == digest(dated.body)
    assert one(found[0]["message_status"])["status_at"] == minute(1)


def test_a_body_whose_time_lies_more_than_a_day_ahead_gives_way_in_any_order(engine: Engine) -> None:
    ahead, dated = told("failed", 48 * 60, 60, error="busy"), told("failed", 1, 30, error="no route")
    found = in_every_order(engine, ahead, dated, told("delivered", 61, 61))
    assert_one_answer(found)
    assert one(found[0]["further_bodies"])["is_dated"] is False
    row = one(found[0]["message_status"])
    assert (row["status"], row["failed_at"], row["failure_reason"]) == ("delivered", minute(1), "no route")


def test_an_earlier_copy_takes_the_belief_from_a_time_in_any_order(engine: Engine) -> None:
    """23 hours after one receipt and 25 after another, that came first: what the earliest says counts."""
    claimed = 23 * 60 + 120
    copies = [told("failed", claimed, 120), told("failed", claimed, 0)]
    found = in_every_order(engine, *copies, told("delivered", 1))
    assert_one_answer(found)
    assert {(row["event"], row["is_dated"]) for row in found[0]["events"]} == {
        ("message.failed", False),
        ("message.delivered", True),
    }
    assert one(found[0]["message_status"])["failed_at"] == minute(0)


def test_two_bodies_that_name_no_time_occurred_when_they_were_received_in_any_order(engine: Engine) -> None:
    given = [told("failed", None, 60, error="busy"), told("failed", None, 70, error="no route")]
    found = in_every_order(engine, *given, raw(given[0].body, minute(80)))
    assert_one_answer(found)
    row = one(found[0]["message_status"])
    assert (row["failure_reason"], row["failed_at"]) == ("no route", minute(70))


def test_two_bodies_of_a_campaign_have_one_answer_in_any_order(engine: Engine) -> None:
    given = [raw(body("campaign.completed", minute(at), id="cmp_1", name=f"at {at}")) for at in (1, 2)]
    found = in_every_order(engine, *given, raw(body("campaign.sent", minute(3), id="cmp_1")))
    assert_one_answer(found)
    row = one(found[0]["campaign_status"])
    assert (row["name"], row["completed_at"], row["sent_at"]) == ("at 2", minute(2), minute(3))
