"""For any set of facts: the rows depend neither on order nor on copies, and no fact takes an opt-out away."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.events.event import Event
from sync.events.merge import campaign_row, distinct, holding, message_row, row_of_one, row_of_several, strength
from sync.events.opt_outs import opt_outs_of
from tests.support.events_builder import ANA, RUI, minute, patient
from tests.unit.events.facts import CODE, STRICT, claims, fact, message_fact, opt_outs, stored

# For any set of facts

one_fact = st.builds(
    lambda event, at, received, data: fact(event, at, received=minute(received), options=STRICT, **data),
    st.sampled_from(
        [
            *("message.delivered", "message.failed", "message.undeliverable", "message.optout", "message.unknown"),
            *("campaign.sent", "campaign.completed"),
        ]
    ),
    st.none() | st.integers(0, 2) | st.sampled_from([24 * 60 + 61, 72 * 60]),
    st.integers(60, 62),
    st.fixed_dictionaries(
        {},
        optional={
            "to": st.sampled_from([ANA, "912345678", RUI]),
            "channel": st.sampled_from(["sms", "SMS", "email"]),
            "from_": st.sampled_from(["ZEXA", "LOJA"]),
            "error": st.sampled_from(["busy", "no route"]),
            "error_code": st.sampled_from([CODE, "30003"]),
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
def test_which_bodies_hold_depends_neither_on_order_nor_on_copies(
    facts_and_copies: tuple[list[Event], list[Event]],
) -> None:
    facts, others = facts_and_copies
    assert {(event.key, event.digest): event for event in distinct(facts)} == {
        (event.key, event.digest): event for event in distinct(others)
    }
    assert holding(distinct(facts)) == holding(distinct(others))


@patient
@given(some_facts, st.data())
def test_which_bodies_hold_does_not_depend_on_how_facts_are_batched(facts: list[Event], data: st.DataObject) -> None:
    middle = data.draw(st.integers(0, len(facts)))
    batches = [distinct(facts[:middle]), distinct(facts[middle:])]
    joined = distinct(event for batch in batches for event in batch)
    assert set(joined) == set(distinct(facts))
    assert holding(joined) == holding(distinct(facts))


@patient
@given(shuffled_with_copies())
def test_rows_depend_neither_on_order_nor_on_copies(facts_and_copies: tuple[list[Event], list[Event]]) -> None:
    facts, others = (distinct(drawn) for drawn in facts_and_copies)
    others.reverse()
    assert message_row(facts) == message_row(others)
    assert campaign_row(facts) == campaign_row(others)
    assert set(opt_outs_of(facts)) == set(opt_outs_of(others))
    assert claims(*facts) == claims(*others)


@patient
@given(some_facts)
def test_of_any_two_facts_one_is_the_stronger(facts: list[Event]) -> None:
    for first, second in combinations(distinct(facts), 2):
        if first.digest != second.digest:
            assert (strength(first) > strength(second)) != (strength(first) < strength(second))


@patient
@given(some_facts, one_fact)
def test_one_more_fact_never_takes_an_opt_out_away(facts: list[Event], another: Event) -> None:
    """Only an earlier copy may set its time back: that of a body without one is its first receipt."""
    before, after = opt_outs(stored(*facts)), opt_outs(stored(*facts, another))
    assert before.keys() <= after.keys()
    if another.digest not in {event.digest for event in facts}:
        assert all(row.opted_out_at <= after[key].opted_out_at for key, row in before.items())
        assert all(row.received_at <= after[key].received_at for key, row in before.items())


@patient
@given(some_facts, one_fact)
def test_one_more_fact_never_takes_a_conflict_away_or_names_nobody_where_somebody_was_named(
    facts: list[Event], another: Event
) -> None:
    before, after = message_row(distinct(facts)), message_row(distinct([*facts, another]))
    if before:
        assert after is not None
        assert after.conflict >= before.conflict
        assert (before.recipient is None) or (after.recipient is not None)


@patient
@given(some_facts, one_fact)
def test_one_more_fact_that_names_a_time_never_brings_a_status_back(facts: list[Event], another: Event) -> None:
    """A dated body may take the place of one without a time that was received later, but not of another status."""
    facts = [event for event in facts if event.is_dated]
    before, after = message_row(distinct(facts)), message_row(distinct([*facts, another]))
    if before and before.status_at and another.is_dated:
        assert after is not None
        assert after.status_at is not None
        assert after.status_at >= before.status_at


@pytest.mark.parametrize("status", ["delivered", "failed", "undeliverable", "optout"])
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "channel": st.sampled_from(["sms", "email", "Pigeon"]),
            "to": st.sampled_from([ANA, RUI, "ana@example.com", "nobody"]),
            "from_": st.sampled_from(["ZEXA", RUI]),
            "campaign_id": st.just("cmp_1"),
            "error_code": st.sampled_from([CODE, "1"]),
            "reason": st.just("No such number"),
            "failed_at": st.just("2026-06-24T10:01:00Z"),
            "delivered_at": st.just("2026-06-24T10:02:00Z"),
        },
    ),
    st.sampled_from([None, 3]),
)
@patient
def test_the_row_of_one_body_follows_from_the_rule_for_several(
    status: str, data: dict[str, Any], at: int | None
) -> None:
    event = message_fact(status, at, options=STRICT, **data)
    assert row_of_one(event) == row_of_several([event]) == message_row([event])
