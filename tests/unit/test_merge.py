"""The rule of merging, clause by clause: which of several facts holds, and what rows follow from them."""

import hashlib
from datetime import datetime
from itertools import chain, combinations, permutations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.events import Event, parse
from sync.merge import (
    CampaignRow,
    MessageRow,
    OptOutRow,
    Status,
    by_subject,
    campaign_row,
    fold,
    fold_opt_outs,
    message_row,
    opt_out_rows,
    settle,
    strength,
)
from tests.events_builder import ANA, AO, RECEIVED, RUI, body, minute, patient, raw

FINAL = ("delivered", "failed", "undeliverable")


def fact(event: str, at: float | None, *, received: datetime = RECEIVED, **data: Any) -> Event:
    """The fact of message or campaign `x` that occurred `at` minutes after ten; None names no time."""
    return parse(raw(body(event, None if at is None else minute(at), **({"id": "x"} | data)), received), AO)


def told(status: str, at: float | None, **data: Any) -> Event:
    return fact(f"message.{status}", at, **data)


def row(*facts: Event) -> MessageRow:
    """The row of these facts, which is the same in whatever order they come."""
    found = [message_row(some) for some in permutations(facts)]
    assert all(one == found[0] for one in found)
    assert found[0] is not None
    return found[0]


def campaign(*facts: Event) -> CampaignRow:
    found = [campaign_row(some) for some in permutations(facts)]
    assert all(one == found[0] for one in found)
    assert found[0] is not None
    return found[0]


def claims(*facts: Event) -> dict[tuple[str, str, str], OptOutRow]:
    """What these facts say of who must not be messaged."""
    return fold_opt_outs(opt_out_rows(facts))


# A message's status


@pytest.mark.parametrize("status", FINAL)
def test_a_message_has_the_status_of_its_event(status: str) -> None:
    found = row(told(status, 1, channel="sms", to=ANA, from_="ZEXA", campaign_id="cmp_1"))
    assert (found.message_id, found.channel, found.recipient) == ("x", "sms", ANA)
    assert (found.sender, found.campaign_id) == ("ZEXA", "cmp_1")
    assert (found.status, found.status_at, found.conflict) == (status, minute(1), False)


@pytest.mark.parametrize(("older", "newer"), list(permutations(FINAL, 2)))
def test_an_older_status_never_replaces_a_newer_one(older: str, newer: str) -> None:
    found = row(told(older, 1), told(newer, 2))
    assert (found.status, found.status_at) == (newer, minute(2))


@pytest.mark.parametrize(
    ("stronger", "weaker"), [("delivered", "undeliverable"), ("delivered", "failed"), ("undeliverable", "failed")]
)
def test_of_statuses_of_one_moment_the_rank_decides(stronger: str, weaker: str) -> None:
    assert row(told(stronger, 1), told(weaker, 1)).status == stronger


def test_the_rank_is_that_of_the_contract() -> None:
    assert [str(status) for status in Status] == ["delivered", "undeliverable", "failed", "sent", "queued"]


def test_all_three_final_statuses_have_one_answer_in_any_order() -> None:
    for minutes in product((1, 2), repeat=3):
        found = row(*(told(status, at) for status, at in zip(FINAL, minutes, strict=True)))
        latest = [status for status, at in zip(FINAL, minutes, strict=True) if at == max(minutes)]
        strongest = next(status for status in ("delivered", "undeliverable", "failed") if status in latest)
        assert (found.status, found.status_at) == (strongest, minute(max(minutes)))


def test_a_microsecond_makes_an_event_newer() -> None:
    assert row(told("delivered", 1), told("failed", 1 + 1 / 60_000_000)).status == "failed"


def test_final_comes_before_not_final_however_late_that_is() -> None:
    final, opted_out = told("failed", 1), told("optout", 9, to=ANA)
    assert max(final, opted_out, key=strength) is final


def test_an_unknown_event_of_a_message_says_nothing_of_its_status() -> None:
    assert row(told("delivered", 1), told("read", 2, to=RUI)) == row(told("delivered", 1))
    assert message_row([told("read", 2, to=ANA)]) is None


def test_no_facts_and_facts_without_a_message_make_no_row() -> None:
    assert message_row([]) is None
    assert message_row([told("delivered", 1, id=None)]) is None
    assert message_row([fact("campaign.sent", 1)]) is None
    assert campaign_row([]) is None
    assert campaign_row([told("delivered", 1), fact("campaign.sent", 1, id=None), fact("campaign.paused", 1)]) is None


# When it was delivered, when and why it failed


def test_a_status_happened_at_the_moment_its_data_names_else_at_that_of_its_event() -> None:
    assert row(told("delivered", 5, delivered_at=minute(4).isoformat())).delivered_at == minute(4)
    assert row(told("delivered", 5)).delivered_at == minute(5)
    assert row(told("failed", 5, failed_at=minute(4).isoformat())).failed_at == minute(4)
    assert row(told("undeliverable", 5)).failed_at == minute(5)


def test_a_delivery_and_a_failure_keep_their_moments_beside_each_other() -> None:
    found = row(told("failed", 1, error="no route"), told("delivered", 2))
    assert (found.status, found.delivered_at, found.failed_at) == ("delivered", minute(2), minute(1))
    assert found.failure_reason == "no route"


def test_of_two_failures_the_greater_is_told_and_its_words_are_not_mixed_with_the_others() -> None:
    found = row(told("failed", 1, code="E1", error="no route"), told("undeliverable", 2, error="no such number"))
    assert (found.failed_at, found.failure_code, found.failure_reason) == (minute(2), None, "no such number")


# Conflicts


def test_two_different_final_statuses_are_a_conflict_for_ever() -> None:
    for one, other in combinations(FINAL, 2):
        assert row(told(one, 1), told(other, 2)).conflict
        assert row(told(one, 1), told(other, 2), told("optout", 3, to=ANA)).conflict


def test_one_status_however_often_is_no_conflict() -> None:
    assert not row(told("failed", 1), told("failed", 1), told("optout", 2, to=ANA)).conflict
    assert not row(told("delivered", 1), told("read", 2)).conflict


# Opt-outs and statuses leave each other alone


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("status", FINAL)
def test_an_opt_out_never_changes_a_delivery_status(status: str, at: int) -> None:
    alone, both = row(told(status, 1)), row(told(status, 1), told("optout", at))
    assert (both.status, both.status_at, both.conflict) == (alone.status, alone.status_at, False)
    assert (both.delivered_at, both.failed_at) == (alone.delivered_at, alone.failed_at)
    assert both.opted_out_at == minute(at)


@pytest.mark.parametrize("status", [*FINAL, "read"])
def test_no_event_of_a_delivery_clears_an_opt_out(status: str) -> None:
    opted_out = told("optout", 1, channel="sms", to=ANA)
    assert row(opted_out, told(status, 2)).opted_out_at == minute(1)
    assert claims(opted_out, told(status, 2, channel="sms", to=ANA)) == claims(opted_out)


def test_an_opt_out_alone_makes_a_row_without_a_status() -> None:
    found = row(told("optout", 1, channel="sms", to=ANA))
    assert (found.message_id, found.recipient, found.opted_out_at) == ("x", ANA, minute(1))
    assert (found.status, found.status_at, found.conflict) == (None, None, False)


# Whom an opt-out stops


def test_an_opt_out_holds_for_the_address_in_its_data() -> None:
    assert claims(told("optout", 1, channel="SMS", to="912 345 678", from_=" ZEXA ")) == {
        ("sms", ANA, "ZEXA"): OptOutRow(
            channel="sms", address=ANA, sender="ZEXA", opted_out_at=minute(1), message_id="x"
        )
    }


def test_an_opt_out_without_sender_or_channel_holds_for_any() -> None:
    assert claims(told("optout", 1, to=ANA)).keys() == {("", ANA, "")}
    assert claims(told("optout", 1, channel="sms", to=ANA)).keys() == {("sms", ANA, "")}


def test_an_opt_out_without_a_message_needs_only_an_address() -> None:
    (claim,) = claims(told("optout", 1, id=None, channel="sms", to=ANA)).values()
    assert (claim.key, claim.message_id) == (("sms", ANA, ""), None)


@pytest.mark.parametrize("status", FINAL)
@pytest.mark.parametrize("at", [0, 2])
def test_an_opt_out_without_an_address_takes_it_from_its_message(at: int, status: str) -> None:
    facts = [told("optout", 1, from_="ZEXA"), told(status, at, channel="sms", to=ANA)]
    assert claims(*facts) == claims(*reversed(facts))
    assert {key: claim.opted_out_at for key, claim in claims(*facts).items()} == {("sms", ANA, "ZEXA"): minute(1)}


def test_the_channel_an_opt_out_names_comes_before_that_of_its_message() -> None:
    delivered = told("delivered", 2, channel="sms", to=ANA)
    assert claims(told("optout", 1, channel="whatsapp"), delivered).keys() == {("whatsapp", ANA, "")}
    assert claims(told("optout", 1), delivered).keys() == {("sms", ANA, "")}


def test_an_opt_out_without_an_address_holds_for_every_address_its_message_went_to() -> None:
    facts = [told("optout", 3), told("failed", 1, channel="sms", to=ANA), told("delivered", 2, channel="sms", to=RUI)]
    assert claims(*facts).keys() == {("sms", ANA, ""), ("sms", RUI, "")}


def test_an_opt_out_with_an_address_holds_for_no_other() -> None:
    facts = [told("optout", 3, channel="sms", to=ANA), told("delivered", 2, channel="sms", to=RUI)]
    assert claims(*facts).keys() == {("sms", ANA, "")}


def test_an_opt_out_whose_message_has_no_address_yet_stops_nobody_yet() -> None:
    assert claims(told("optout", 1)) == claims(told("optout", 1), told("delivered", 2)) == {}


def test_an_event_that_is_ignored_names_nobody() -> None:
    """It is in the ledger only; what it says must not depend on which batch it came in."""
    assert claims(told("optout", 1), told("read", 2, channel="sms", to=ANA)) == {}


def test_nothing_but_an_opt_out_stops_anybody() -> None:
    others = [told(status, 1, channel="sms", to=ANA) for status in (*FINAL, "read", "opted_out")]
    assert claims(*others, fact("campaign.sent", 1, to=ANA), fact("contact.optout", 1, to=ANA)) == {}


def test_of_two_opt_outs_of_one_address_the_later_counts() -> None:
    early = opt_out_rows([told("optout", 1, id="m1", to=ANA)])
    late = opt_out_rows([told("optout", 2, id="m0", to=ANA)])
    for both in (early + late, late + early):
        (claim,) = fold_opt_outs(both).values()
        assert (claim.opted_out_at, claim.message_id) == (minute(2), "m0")


def test_of_two_opt_outs_of_one_moment_one_is_always_told() -> None:
    one = opt_out_rows([told("optout", 1, id="m1", to=ANA)])
    other = opt_out_rows([told("optout", 1, id="m2", to=ANA)])
    nameless = opt_out_rows([told("optout", 1, id=None, to=ANA)])
    for some in permutations([one, other, nameless]):
        (claim,) = fold_opt_outs(chain(*some)).values()
        assert claim.message_id == "m2"


# Campaigns


def test_a_campaign_is_completed_once_it_was_however_late_sent_comes() -> None:
    found = campaign(fact("campaign.completed", 1), fact("campaign.sent", 2))
    assert (found.campaign_id, found.status) == ("x", "completed")
    assert (found.sent_at, found.completed_at) == (minute(2), minute(1))


def test_a_campaign_keeps_the_moments_its_data_names() -> None:
    found = campaign(fact("campaign.sent", 2, sent_at=minute(1).isoformat()))
    assert (found.status, found.sent_at, found.completed_at) == ("sent", minute(1), None)


def test_a_campaign_is_described_by_its_greatest_event_and_else_by_the_other() -> None:
    sent = fact("campaign.sent", 1, name="June", channel="SMS", total=2)
    completed = fact("campaign.completed", 2, channel="sms", delivered=2)
    found = campaign(sent, completed)
    assert (found.name, found.channel) == ("June", "sms")
    assert found.details == '{"channel": "sms", "delivered": 2, "id": "x"}'


# What describes a message


def test_what_one_event_leaves_out_another_tells() -> None:
    found = row(told("delivered", 2), told("failed", 1, channel="sms", to=ANA), told("optout", 3, from_="ZEXA"))
    assert (found.channel, found.recipient, found.sender) == ("sms", ANA, "ZEXA")


def test_of_two_descriptions_that_of_the_greatest_event_holds() -> None:
    found = row(told("failed", 1, to=RUI, campaign_id="c1"), told("delivered", 2, to=ANA, campaign_id="c2"))
    assert (found.recipient, found.campaign_id) == (ANA, "c2")
    assert row(told("delivered", 1, to=ANA), told("optout", 9, to=RUI)).recipient == ANA


# Of two bodies under one ledger key


def test_the_later_of_two_bodies_is_kept() -> None:
    early, late = told("failed", 1, error="busy"), told("failed", 2, error="no route")
    assert settle(early, late) is settle(late, early) is late


def test_of_two_bodies_of_one_moment_that_with_the_greater_digest_is_kept() -> None:
    for reason in ("a", "b", "c", "d"):
        one, other = told("failed", 1, error="busy"), told("failed", 1, error=reason)
        greater = max(one, other, key=lambda event: hashlib.sha256(event.body).hexdigest())
        assert settle(one, other) is settle(other, one) is greater


def test_a_body_that_names_no_time_gives_way_to_one_that_does() -> None:
    undated, dated = told("failed", None, received=minute(60)), told("failed", 1, error="busy")
    assert settle(undated, dated) is settle(dated, undated) is dated


def test_of_two_bodies_that_name_no_time_the_digest_decides_and_not_when_they_came() -> None:
    for reason in ("a", "b", "c", "d"):
        one = told("failed", None, error="busy", received=minute(1))
        other = told("failed", None, error=reason, received=minute(2))
        assert settle(one, other) is settle(other, one) is max(one, other, key=lambda event: event.digest)


def test_of_copies_the_one_received_first_is_kept() -> None:
    for at in (1, None):
        first, again = told("failed", at, received=minute(60)), told("failed", at, received=minute(90))
        assert settle(first, again) is settle(again, first) is first


def test_the_ledger_has_one_fact_a_key_in_the_order_of_keys() -> None:
    facts = [told("failed", 1, id=name) for name in ("b", "a", "Z", "a")] + [told("delivered", 1, id="a")]
    assert [" ".join(key) for key in fold(facts)] == [
        "Z message.failed",
        "a message.delivered",
        "a message.failed",
        "b message.failed",
    ]


def test_keys_are_sorted_as_both_databases_sort_them() -> None:
    """By their bytes: another order here, and two workers would lock the same rows in a circle."""
    ids = ["\uffff", "\U00010000", "a", "B", "é", "e\u0301", "_", "10", "9"]
    keys = list(fold(told("failed", 1, id=name) for name in ids))
    assert keys == sorted(keys, key=lambda key: [part.encode() for part in key])
    assert list(by_subject(told("failed", 1, id=name) for name in ids)) == [subject for subject, _ in keys]


def test_facts_are_grouped_by_their_subject() -> None:
    facts = [told("failed", 1), told("delivered", 1, id="y"), fact("campaign.sent", 1), told("optout", 1)]
    assert {subject: {one.name for one in some} for subject, some in by_subject(facts).items()} == {
        "x": {"message.failed", "campaign.sent", "message.optout"},
        "y": {"message.delivered"},
    }


# For any set of facts

one_fact = st.builds(
    lambda event, at, received, data: fact(event, at, received=minute(received), **data),
    st.sampled_from(
        [
            *("message.delivered", "message.failed", "message.undeliverable", "message.optout", "message.read"),
            *("campaign.sent", "campaign.completed"),
        ]
    ),
    st.none() | st.integers(0, 2),
    st.integers(60, 62),
    st.fixed_dictionaries(
        {},
        optional={
            "to": st.sampled_from([ANA, "912345678", RUI]),
            "channel": st.sampled_from(["sms", "SMS", "email"]),
            "from_": st.sampled_from(["ZEXA", "LOJA"]),
            "error": st.sampled_from(["busy", "no route"]),
            "delivered_at": st.just(minute(1).isoformat()),
        },
    ),
)
some_facts = st.lists(one_fact, max_size=8)


@st.composite
def shuffled_with_copies(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    facts = draw(some_facts)
    copies = draw(st.lists(st.sampled_from(facts), max_size=4)) if facts else []
    return facts, draw(st.permutations(facts + copies))


@patient
@given(shuffled_with_copies())
def test_the_ledger_depends_neither_on_order_nor_on_copies(given: tuple[list[Event], list[Event]]) -> None:
    facts, others = given
    assert list(fold(facts).items()) == list(fold(others).items())


@patient
@given(some_facts, st.data())
def test_the_ledger_does_not_depend_on_how_facts_are_batched(facts: list[Event], data: st.DataObject) -> None:
    middle = data.draw(st.integers(0, len(facts)))
    batches = [fold(facts[:middle]), fold(facts[middle:])]
    assert fold(event for batch in batches for event in batch.values()) == fold(facts)


@patient
@given(shuffled_with_copies())
def test_rows_depend_neither_on_order_nor_on_copies(given: tuple[list[Event], list[Event]]) -> None:
    facts, others = (fold(some).values() for some in given)
    assert message_row(facts) == message_row(reversed(list(others)))
    assert campaign_row(facts) == campaign_row(reversed(list(others)))
    assert claims(*facts) == claims(*reversed(list(others)))


@patient
@given(some_facts)
def test_of_any_two_facts_one_is_the_stronger(facts: list[Event]) -> None:
    for one, other in combinations(fold(facts).values(), 2):
        assert (strength(one) > strength(other)) != (strength(one) < strength(other))


@patient
@given(some_facts, one_fact)
def test_one_more_fact_never_takes_an_opt_out_away(facts: list[Event], another: Event) -> None:
    before, after = claims(*facts), claims(*facts, another)
    assert before.keys() <= after.keys()
    assert all(claim.opted_out_at <= after[key].opted_out_at for key, claim in before.items())


@patient
@given(some_facts, one_fact)
def test_one_more_fact_never_brings_a_status_back(facts: list[Event], another: Event) -> None:
    before, after = message_row(facts), message_row([*facts, another])
    if before and before.status_at:
        assert after is not None
        assert after.status_at is not None
        assert after.status_at >= before.status_at
        assert after.conflict >= before.conflict
