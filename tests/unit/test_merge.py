"""The rule of merging, clause by clause: which of several bodies holds, and what rows follow from all of them."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from itertools import combinations, permutations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sync.events.addresses import person_of
from sync.events.event import Event
from sync.events.interpretation import ParseOptions
from sync.events.merge import (
    CampaignRow,
    MessageRow,
    Status,
    by_subject,
    campaign_row,
    distinct,
    holding,
    message_row,
    row_of_one,
    row_of_several,
    strength,
)
from sync.events.opt_outs import (
    OptOutKey,
    OptOutRow,
    OptOutStatement,
    StoredStatement,
    ended_at,
    is_in_force,
    nameless_opt_outs,
    opt_out_rows,
    opt_outs_of,
)
from sync.events.parse import parse
from tests.events_builder import ANA, AO, RECEIVED, RUI, body, minute, patient, raw

CODE = "21610"
STRICT = ParseOptions(default_region="AO", opt_out_failures=frozenset({CODE}))
FINAL = ("delivered", "failed", "undeliverable")


def fact(
    event: str, at: float | None, *, received: datetime = RECEIVED, options: ParseOptions = AO, **data: Any
) -> Event:
    """The fact of message or campaign `x` that occurred `at` minutes after ten; None names no time."""
    return parse(raw(body(event, None if at is None else minute(at), **({"id": "x"} | data)), received), options)


def told(status: str, at: float | None, **data: Any) -> Event:
    return fact(f"message.{status}", at, **data)


def refused(at: float, **data: Any) -> Event:
    """A failure by which a carrier says that the recipient has opted out."""
    return fact("message.failed", at, options=STRICT, error_code=CODE, **data)


def row(*facts: Event) -> MessageRow:
    """The row of these facts, which is the same in every order."""
    found = [message_row(some) for some in permutations(facts)]
    assert all(one == found[0] for one in found)
    assert found[0] is not None
    return found[0]


def kept(*facts: Event) -> Event:
    """The body that holds, of these bodies of one key, in every order."""
    found = {event for some in permutations(facts) for event in holding(some).values()}
    (event,) = found
    return event


def campaign(*facts: Event) -> CampaignRow:
    found = [campaign_row(some) for some in permutations(facts)]
    assert all(one == found[0] for one in found)
    assert found[0] is not None
    return found[0]


def claims(*facts: Event) -> dict[OptOutKey, datetime]:
    """Whom these facts stop, and since when."""
    return {key: found.opted_out_at for key, found in opt_outs(stored(*facts)).items()}


def stored(*facts: Event) -> list[StoredStatement]:
    """What these facts state, as the history has it with the times of the ledger."""
    by_digest = {event.digest: event for event in distinct(facts)}
    found = []
    for of in by_subject(by_digest.values()).values():
        for statement in opt_outs_of(of):
            assert statement.digest is not None
            event = by_digest[statement.digest]
            found.append(_columns(statement, event.occurred_at, event.received_at))
    return found


def said(kind: str, at: float, **data: Any) -> StoredStatement:
    """What a person states of ANA, for any channel and sender unless `data` says so."""
    anything = "" if kind == "opted_out" else None
    scope = {"channel": anything, "sender": anything}
    statement = {"kind": kind, "address": ANA, "occurred_at": minute(at), "received_at": None, "source": "manual"}
    statement |= dict.fromkeys(("message_id", "digest", "reason", "opt_out_id")) | scope | data
    return statement | {"person": person_of(str(statement["address"]))}


def _columns(statement: OptOutStatement, occurred_at: datetime, received_at: datetime) -> StoredStatement:
    of = {name: getattr(statement, name) for name in ("kind", "channel", "address", "sender", "source")}
    of |= {name: getattr(statement, name) for name in ("message_id", "digest", "reason", "opt_out_id")}
    return of | {"person": person_of(statement.address), "occurred_at": occurred_at, "received_at": received_at}


def opt_outs(statements: Sequence[StoredStatement]) -> dict[OptOutKey, OptOutRow]:
    """The rows of these statements, which are the same in every order."""
    found = opt_out_rows(statements)
    assert found == opt_out_rows(statements[::-1]) == opt_out_rows(sorted(statements, key=repr))
    return found


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


def test_a_body_that_does_not_hold_changes_no_status_and_makes_no_conflict() -> None:
    lesser, greater = told("failed", 1, error="busy"), told("failed", 5, error="no route")
    assert row(lesser, greater, told("delivered", 3)) == row(greater, told("delivered", 3))
    assert row(lesser, greater) == row(greater)


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


def test_a_failure_that_opts_out_is_an_opt_out_of_its_message_too() -> None:
    found = row(refused(2, to=ANA))
    assert (found.status, found.failure_code, found.opted_out_at) == ("failed", CODE, minute(2))
    assert row(told("failed", 2, to=ANA, error_code=CODE)).opted_out_at is None


def test_a_message_was_opted_out_of_at_the_latest_of_its_opt_outs_whether_that_body_holds_or_not() -> None:
    assert row(told("optout", 1), told("optout", 3, error="x"), told("delivered", 5)).opted_out_at == minute(3)
    assert row(told("optout", 1), refused(4)).opted_out_at == row(refused(4), told("failed", 9)).opted_out_at
    undated = told("optout", None, received=minute(70))
    assert row(undated, told("optout", 1)).opted_out_at == minute(70)


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
    stop = told("optout", 1, channel="SMS", to="912 345 678", from_=" ZEXA ")
    assert opt_outs(stored(stop)) == {
        ("sms", ANA, "ZEXA"): OptOutRow(
            channel="sms",
            address=ANA,
            sender="ZEXA",
            opted_out_at=minute(1),
            opted_in_at=None,
            received_at=RECEIVED,
            source="event",
            message_id="x",
            note=None,
            opt_out_id=stop.digest,
        )
    }


def test_of_two_words_alike_the_same_one_counts_in_whatever_order_they_come() -> None:
    (found,) = opt_outs([said("opted_out", 1, opt_out_id="b"), said("opted_out", 1, opt_out_id="a")]).values()
    assert found.opt_out_id == "b"


def test_an_opt_out_without_sender_or_channel_holds_for_any() -> None:
    assert claims(told("optout", 1, to=ANA)).keys() == {("", ANA, "")}
    assert claims(told("optout", 1, channel="sms", to=ANA)).keys() == {("sms", ANA, "")}


def test_an_opt_out_without_a_message_needs_only_an_address() -> None:
    (found,) = opt_outs(stored(told("optout", 1, id=None, channel="sms", to=ANA))).values()
    assert (found.key, found.message_id) == (("sms", ANA, ""), None)


@pytest.mark.parametrize("status", FINAL)
@pytest.mark.parametrize("at", [0, 2])
def test_an_opt_out_without_an_address_takes_it_from_its_message(at: int, status: str) -> None:
    facts = [told("optout", 1, from_="ZEXA"), told(status, at, channel="sms", to=ANA)]
    assert claims(*facts) == claims(*reversed(facts)) == {("sms", ANA, "ZEXA"): minute(1)}


def test_the_channel_an_opt_out_names_comes_before_that_of_its_message() -> None:
    delivered = told("delivered", 2, channel="sms", to=ANA)
    assert claims(told("optout", 1, channel="whatsapp"), delivered).keys() == {("whatsapp", ANA, "")}
    assert claims(told("optout", 1), delivered).keys() == {("sms", ANA, "")}


def test_an_opt_out_without_an_address_holds_for_every_address_its_message_went_to() -> None:
    facts = [told("optout", 3), told("failed", 1, channel="sms", to=ANA), told("delivered", 2, channel="sms", to=RUI)]
    assert claims(*facts).keys() == {("sms", ANA, ""), ("sms", RUI, "")}


def test_an_opt_out_with_an_address_holds_for_that_and_for_every_one_that_its_message_went_to() -> None:
    facts = [told("optout", 3, channel="sms", to=ANA), told("delivered", 2, channel="whatsapp", to=RUI)]
    assert claims(*facts) == {("sms", ANA, ""): minute(3), ("sms", RUI, ""): minute(3)}


def test_a_body_that_does_not_hold_names_an_address_too() -> None:
    facts = [told("delivered", 1, channel="sms", to=ANA), told("delivered", 2), told("optout", 3)]
    assert claims(*facts) == {("sms", ANA, ""): minute(3)}


def test_an_opt_out_that_does_not_hold_stops_people_too() -> None:
    facts = [told("optout", 1, to=ANA, from_="ZEXA"), told("optout", 2, from_="LOJA")]
    assert claims(*facts) == {("", ANA, "ZEXA"): minute(1), ("", ANA, "LOJA"): minute(2)}


def test_nothing_outside_the_opt_out_decides_its_sender() -> None:
    assert claims(told("optout", 1, to=ANA), told("delivered", 2, from_="ZEXA")).keys() == {("", ANA, "")}


def test_a_failure_that_opts_out_does_so_by_the_rules_of_any_opt_out() -> None:
    (found,) = opt_outs(stored(refused(2, channel="sms", to=ANA, from_="ZEXA"))).values()
    assert (found.key, found.source, found.opted_out_at) == (("sms", ANA, "ZEXA"), "failure", minute(2))
    assert claims(refused(2), told("delivered", 1, channel="sms", to=RUI)) == {("sms", RUI, ""): minute(2)}
    assert claims(refused(2, id=None, to=ANA)) == {("", ANA, ""): minute(2)}


def test_an_opt_out_whose_message_has_no_address_yet_stops_nobody_yet() -> None:
    assert claims(told("optout", 1)) == claims(told("optout", 1), told("delivered", 2)) == {}


def test_an_opt_out_is_nameless_while_no_body_of_its_message_names_anybody() -> None:
    nameless = [told("optout", 1), refused(2)]
    assert nameless_opt_outs([*nameless, told("delivered", 3), told("read", 4, to=ANA)]) == nameless
    assert nameless_opt_outs([*nameless, told("delivered", 3, to=ANA)]) == []
    assert nameless_opt_outs([told("optout", 1), told("optout", 2, to=ANA)]) == []
    assert nameless_opt_outs([told("delivered", 3)]) == []


def test_an_event_that_is_ignored_names_nobody() -> None:
    """It is in the ledger only; what it says must not depend on which batch it came in."""
    assert claims(told("optout", 1), told("read", 2, channel="sms", to=ANA)) == {}


def test_nothing_but_an_opt_out_stops_anybody() -> None:
    others = [told(status, 1, channel="sms", to=ANA) for status in (*FINAL, "read", "opted_out")]
    assert claims(*others, fact("campaign.sent", 1, to=ANA), fact("contact.optout", 1, to=ANA)) == {}


def test_of_two_opt_outs_of_one_address_the_later_counts() -> None:
    (found,) = opt_outs(stored(told("optout", 1, id="m1", to=ANA), told("optout", 2, id="m0", to=ANA))).values()
    assert (found.opted_out_at, found.message_id) == (minute(2), "m0")


def test_of_two_opt_outs_of_one_moment_one_is_always_told() -> None:
    """By the message's id, then an event before a failure, then the digest."""
    stops = [told("optout", 1, id=name, to=ANA) for name in ("m1", "m2", None)]
    assert opt_outs(stored(*stops))["", ANA, ""].message_id == "m2"
    of_one = [told("optout", 1, to=ANA), refused(1, to=ANA)]
    assert opt_outs(stored(*of_one))["", ANA, ""].source == "event"
    assert opt_outs(stored(refused(1, id="y", to=ANA), *of_one))["", ANA, ""].source == "failure"


def test_what_people_say_of_one_moment_comes_before_a_failure_without_a_message_and_after_a_stop() -> None:
    word = said("opted_out", 1, reason="by letter")
    assert opt_outs([word, *stored(refused(1, id=None, to=ANA))])["", ANA, ""].note == "by letter"
    assert opt_outs([word, *stored(told("optout", 1, id=None, to=ANA))])["", ANA, ""].source == "event"
    assert opt_outs([said("opted_out", 1, reason="a"), word])["", ANA, ""].note == "by letter"


# The end of an opt-out


@pytest.mark.parametrize(("ended", "holds"), [(None, True), (9, True), (10, True), (10.001, False), (11, False)])
def test_an_opt_out_is_in_force_unless_it_was_ended_after_it_was_received(ended: float | None, holds: bool) -> None:
    assert is_in_force(None if ended is None else minute(ended), minute(10)) is holds


def test_a_row_was_received_when_the_latest_of_its_opt_outs_was_received_first() -> None:
    """A STOP that claims an early time, but comes late, counts against an end in between."""
    late = told("optout", 1, id="m1", to=ANA, received=minute(90))
    early = told("optout", 5, id="m2", to=ANA, received=minute(60))
    again = replace(late, received_at=minute(200))
    (found,) = opt_outs([*stored(late, early, again), said("opted_in", 80)]).values()
    assert (found.opted_out_at, found.message_id, found.received_at) == (minute(5), "m2", minute(90))
    assert found.opted_in_at is not None
    assert is_in_force(found.opted_in_at, found.received_at)


def test_what_a_person_states_was_received_at_the_time_that_they_state() -> None:
    (found,) = opt_outs([said("opted_out", 7), said("opted_out", 3)]).values()
    assert (found.opted_out_at, found.received_at) == (minute(7), minute(7))


def test_of_several_ends_the_latest_counts() -> None:
    statements = [said("opted_out", 1), said("opted_in", 5), said("opted_in", 9), said("opted_in", 7)]
    assert opt_outs(statements)["", ANA, ""].opted_in_at == minute(9)


def test_an_end_holds_within_its_scope_only() -> None:
    keys = [(channel, address, sender) for channel in ("", "sms") for address in (ANA, RUI) for sender in ("", "ZEXA")]
    ends = [said("opted_in", 5), said("opted_in", 5, channel="sms"), said("opted_in", 5, channel="", sender="ZEXA")]
    ended = [{key for key in keys if ended_at(key, [end])} for end in ends]
    assert ended == [
        {key for key in keys if key[1] == ANA},
        {("sms", ANA, ""), ("sms", ANA, "ZEXA")},
        {("", ANA, "ZEXA")},
    ]


def test_an_end_alone_makes_no_row() -> None:
    assert opt_outs([said("opted_in", 5)]) == {}


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


def test_a_campaigns_body_that_does_not_hold_says_nothing() -> None:
    lesser, greater = fact("campaign.sent", 1, name="June", total=2), fact("campaign.sent", 2)
    assert campaign(lesser, greater) == campaign(greater)


# What describes a message


def test_what_one_event_leaves_out_another_tells() -> None:
    found = row(told("delivered", 2), told("failed", 1, channel="sms", to=ANA), told("optout", 3, from_="ZEXA"))
    assert (found.channel, found.recipient, found.sender) == ("sms", ANA, "ZEXA")


def test_of_two_descriptions_that_of_the_greatest_event_holds() -> None:
    found = row(told("failed", 1, to=RUI, campaign_id="c1"), told("delivered", 2, to=ANA, campaign_id="c2"))
    assert (found.recipient, found.campaign_id) == (ANA, "c2")
    assert row(told("delivered", 1, to=ANA), told("optout", 9, to=RUI)).recipient == ANA


def test_what_no_event_that_holds_tells_the_greatest_of_the_other_bodies_does() -> None:
    told_it = [told("failed", 1, to=RUI, channel="sms"), told("failed", 2, to=ANA)]
    greatest = told("failed", 3)
    found = row(*told_it, greatest)
    assert (found.recipient, found.channel, found.status_at) == (ANA, "sms", minute(3))
    assert row(*told_it, greatest, told("optout", 4, to=RUI)).recipient == RUI


# Of two bodies under one ledger key


def test_the_later_of_two_bodies_holds() -> None:
    early, late = told("failed", 1, error="busy"), told("failed", 2, error="no route")
    assert kept(early, late) is late


def test_of_two_bodies_of_one_moment_that_with_the_greater_digest_holds() -> None:
    for reason in ("a", "b", "c", "d"):
        one, other = told("failed", 1, error="busy"), told("failed", 1, error=reason)
        assert kept(one, other) is max(one, other, key=lambda event: hashlib.sha256(event.body).hexdigest())


def test_a_body_that_names_no_time_gives_way_to_one_that_does() -> None:
    undated, dated = told("failed", None, received=minute(60)), told("failed", 1, error="busy")
    assert kept(undated, dated) is dated


def test_a_body_whose_time_is_not_believed_gives_way_like_one_that_names_none() -> None:
    dated = told("failed", 1, error="busy")
    assert kept(told("failed", 48 * 60, received=minute(60)), dated) is dated


def test_of_two_bodies_that_name_no_time_that_which_came_first_later_holds_and_then_the_digest_decides() -> None:
    for reason in ("a", "b", "c", "d"):
        one = told("failed", None, error="busy", received=minute(1))
        other = told("failed", None, error=reason, received=minute(2))
        assert kept(one, other) is other
        other = replace(other, received_at=minute(1), occurred_at=minute(1))
        assert kept(one, other) is max(one, other, key=lambda event: event.digest)


def test_of_copies_the_one_received_first_is_kept() -> None:
    for at in (1, None):
        copies = [told("failed", at, received=minute(received)) for received in (90, 60, 70)]
        for some in permutations(copies):
            assert distinct(some) == [copies[1]]


def test_of_one_key_every_body_is_kept_and_sorted_by_key() -> None:
    facts = [told("failed", 1, id=name) for name in ("b", "a", "Z", "a")] + [told("delivered", 1, id="a")]
    facts.append(told("failed", 2, id="a"))
    assert [" ".join(event.key) for event in distinct(facts)] == [
        "Z message.failed",
        "a message.delivered",
        "a message.failed",
        "a message.failed",
        "b message.failed",
    ]


def test_the_ledger_has_one_fact_a_key_in_the_order_of_keys() -> None:
    facts = [told("failed", 1, id=name) for name in ("b", "a", "Z", "a")] + [told("delivered", 1, id="a")]
    facts.append(told("failed", 2, id="a"))
    assert {" ".join(key): event.occurred_at for key, event in holding(distinct(facts)).items()} == {
        "Z message.failed": minute(1),
        "a message.delivered": minute(1),
        "a message.failed": minute(2),
        "b message.failed": minute(1),
    }
    assert list(holding(distinct(facts))) == sorted(holding(facts))


def test_keys_are_sorted_as_both_databases_sort_them() -> None:
    """By their bytes: another order here, and two workers would lock the same rows in a circle."""
    ids = ["\uffff", "\U00010000", "a", "B", "é", "e\u0301", "_", "10", "9"]
    keys = [event.key for event in distinct(told("failed", 1, id=name) for name in ids)]
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
    lambda event, at, received, data: fact(event, at, received=minute(received), options=STRICT, **data),
    st.sampled_from(
        [
            *("message.delivered", "message.failed", "message.undeliverable", "message.optout", "message.read"),
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
def test_which_bodies_hold_depends_neither_on_order_nor_on_copies(given: tuple[list[Event], list[Event]]) -> None:
    facts, others = given
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
def test_rows_depend_neither_on_order_nor_on_copies(given: tuple[list[Event], list[Event]]) -> None:
    facts, others = (distinct(some) for some in given)
    others.reverse()
    assert message_row(facts) == message_row(others)
    assert campaign_row(facts) == campaign_row(others)
    assert set(opt_outs_of(facts)) == set(opt_outs_of(others))
    assert claims(*facts) == claims(*others)


@patient
@given(some_facts)
def test_of_any_two_facts_one_is_the_stronger(facts: list[Event]) -> None:
    for one, other in combinations(distinct(facts), 2):
        if one.digest != other.digest:
            assert (strength(one) > strength(other)) != (strength(one) < strength(other))


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
    event = told(status, at, options=STRICT, **data)
    assert row_of_one(event) == row_of_several([event]) == message_row([event])
