"""The row of a message from its facts: status, times, conflicts. Opt-outs and statuses leave each other alone."""

from itertools import combinations, permutations, product

import pytest

from sync.events.merge import campaign_row, message_row, strength
from sync.events.statuses import Status
from tests.support.events_builder import ANA, RUI, minute
from tests.unit.events.facts import CODE, FINAL, claims, fact, message_fact, refused, row

# A message's status


@pytest.mark.parametrize("status", FINAL)
def test_a_message_has_the_status_of_its_event(status: str) -> None:
    message = row(message_fact(status, 1, channel="sms", to=ANA, from_="ZEXA", campaign_id="cmp_1"))
    assert (message.message_id, message.channel, message.recipient) == ("x", "sms", ANA)
    assert (message.sender, message.campaign_id) == ("ZEXA", "cmp_1")
    assert (message.status, message.status_at, message.conflict) == (status, minute(1), False)


@pytest.mark.parametrize(("older", "newer"), list(permutations(FINAL, 2)))
def test_an_older_status_never_replaces_a_newer_one(older: str, newer: str) -> None:
    message = row(message_fact(older, 1), message_fact(newer, 2))
    assert (message.status, message.status_at) == (newer, minute(2))


@pytest.mark.parametrize(
    ("stronger", "weaker"), [("delivered", "undeliverable"), ("delivered", "failed"), ("undeliverable", "failed")]
)
def test_of_statuses_of_one_moment_the_rank_decides(stronger: str, weaker: str) -> None:
    assert row(message_fact(stronger, 1), message_fact(weaker, 1)).status == stronger


def test_the_rank_is_that_of_the_contract() -> None:
    assert [str(status) for status in Status] == ["delivered", "undeliverable", "failed", "sent", "queued"]


def test_all_three_final_statuses_have_one_answer_in_any_order() -> None:
    for minutes in product((1, 2), repeat=3):
        message = row(*(message_fact(status, at) for status, at in zip(FINAL, minutes, strict=True)))
        latest = [status for status, at in zip(FINAL, minutes, strict=True) if at == max(minutes)]
        strongest = next(status for status in ("delivered", "undeliverable", "failed") if status in latest)
        assert (message.status, message.status_at) == (strongest, minute(max(minutes)))


def test_a_microsecond_makes_an_event_newer() -> None:
    assert row(message_fact("delivered", 1), message_fact("failed", 1 + 1 / 60_000_000)).status == "failed"


def test_final_comes_before_not_final_however_late_that_is() -> None:
    final, opted_out = message_fact("failed", 1), message_fact("optout", 9, to=ANA)
    assert max(final, opted_out, key=strength) is final


def test_an_unknown_event_of_a_message_says_nothing_of_its_status() -> None:
    assert row(message_fact("delivered", 1), message_fact("unknown", 2, to=RUI)) == row(message_fact("delivered", 1))
    assert message_row([message_fact("unknown", 2, to=ANA)]) is None


def test_no_facts_and_facts_without_a_message_make_no_row() -> None:
    assert message_row([]) is None
    assert message_row([message_fact("delivered", 1, id=None)]) is None
    assert message_row([fact("campaign.sent", 1)]) is None
    assert campaign_row([]) is None
    assert (
        campaign_row([message_fact("delivered", 1), fact("campaign.sent", 1, id=None), fact("campaign.paused", 1)])
        is None
    )


def test_a_body_that_does_not_hold_changes_no_status_and_makes_no_conflict() -> None:
    lesser, greater = message_fact("failed", 1, error="busy"), message_fact("failed", 5, error="no route")
    assert row(lesser, greater, message_fact("delivered", 3)) == row(greater, message_fact("delivered", 3))
    assert row(lesser, greater) == row(greater)


# When it was delivered, when and why it failed


def test_a_status_happened_at_the_moment_its_data_names_else_at_that_of_its_event() -> None:
    assert row(message_fact("delivered", 5, delivered_at=minute(4).isoformat())).delivered_at == minute(4)
    assert row(message_fact("delivered", 5)).delivered_at == minute(5)
    assert row(message_fact("failed", 5, failed_at=minute(4).isoformat())).failed_at == minute(4)
    assert row(message_fact("undeliverable", 5)).failed_at == minute(5)


def test_a_delivery_and_a_failure_keep_their_moments_beside_each_other() -> None:
    message = row(message_fact("failed", 1, error="no route"), message_fact("delivered", 2))
    assert (message.status, message.delivered_at, message.failed_at) == ("delivered", minute(2), minute(1))
    assert message.failure_reason == "no route"


def test_of_two_failures_the_greater_is_told_and_its_words_are_not_mixed_with_the_others() -> None:
    message = row(
        message_fact("failed", 1, code="E1", error="no route"), message_fact("undeliverable", 2, error="no such number")
    )
    assert (message.failed_at, message.failure_code, message.failure_reason) == (minute(2), None, "no such number")


# Conflicts


def test_two_different_final_statuses_are_a_conflict_for_ever() -> None:
    for status, other in combinations(FINAL, 2):
        assert row(message_fact(status, 1), message_fact(other, 2)).conflict
        assert row(message_fact(status, 1), message_fact(other, 2), message_fact("optout", 3, to=ANA)).conflict


def test_one_status_however_often_is_no_conflict() -> None:
    assert not row(message_fact("failed", 1), message_fact("failed", 1), message_fact("optout", 2, to=ANA)).conflict
    assert not row(message_fact("delivered", 1), message_fact("unknown", 2)).conflict


# Opt-outs and statuses leave each other alone


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("status", FINAL)
def test_an_opt_out_never_changes_a_delivery_status(status: str, at: int) -> None:
    alone, both = row(message_fact(status, 1)), row(message_fact(status, 1), message_fact("optout", at))
    assert (both.status, both.status_at, both.conflict) == (alone.status, alone.status_at, False)
    assert (both.delivered_at, both.failed_at) == (alone.delivered_at, alone.failed_at)
    assert both.opted_out_at == minute(at)


def test_a_failure_that_opts_out_is_an_opt_out_of_its_message_too() -> None:
    message = row(refused(2, to=ANA))
    assert (message.status, message.failure_code, message.opted_out_at) == ("failed", CODE, minute(2))
    assert row(message_fact("failed", 2, to=ANA, error_code=CODE)).opted_out_at is None


def test_a_message_was_opted_out_of_at_the_latest_of_its_opt_outs_whether_that_body_holds_or_not() -> None:
    assert row(
        message_fact("optout", 1), message_fact("optout", 3, error="x"), message_fact("delivered", 5)
    ).opted_out_at == minute(3)
    assert (
        row(message_fact("optout", 1), refused(4)).opted_out_at
        == row(refused(4), message_fact("failed", 9)).opted_out_at
    )
    undated = message_fact("optout", None, received=minute(70))
    assert row(undated, message_fact("optout", 1)).opted_out_at == minute(70)


@pytest.mark.parametrize("status", [*FINAL, "unknown"])
def test_no_event_of_a_delivery_clears_an_opt_out(status: str) -> None:
    opted_out = message_fact("optout", 1, channel="sms", to=ANA)
    assert row(opted_out, message_fact(status, 2)).opted_out_at == minute(1)
    assert claims(opted_out, message_fact(status, 2, channel="sms", to=ANA)) == claims(opted_out)


def test_an_opt_out_alone_makes_a_row_without_a_status() -> None:
    message = row(message_fact("optout", 1, channel="sms", to=ANA))
    assert (message.message_id, message.recipient, message.opted_out_at) == ("x", ANA, minute(1))
    assert (message.status, message.status_at, message.conflict) == (None, None, False)
