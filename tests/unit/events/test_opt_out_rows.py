"""Whom an opt-out stops, from when, and until when."""

from typing import Any

import pytest
from msgspec.structs import replace

from sync.events.addresses import person_of
from sync.events.opt_outs import OptOutRow, StoredStatement, ended_at, is_in_force, nameless_opt_outs
from tests.support.events_builder import ANA, RECEIVED, RUI, minute
from tests.unit.events.facts import FINAL, claims, fact, message_fact, opt_outs, refused, stored


def manual_statement(kind: str, at: float, **data: Any) -> StoredStatement:
    """What a person states of ANA, for any channel and sender unless `data` says so."""
    anything = "" if kind == "opted_out" else None
    scope = {"channel": anything, "sender": anything}
    statement = {"kind": kind, "address": ANA, "occurred_at": minute(at), "received_at": None, "source": "manual"}
    statement |= dict.fromkeys(("message_id", "digest", "reason", "opt_out_id")) | scope | data
    return statement | {"person": person_of(str(statement["address"]))}


# Whom an opt-out stops


def test_an_opt_out_holds_for_the_address_in_its_data() -> None:
    stop = message_fact("optout", 1, channel="SMS", to="912 345 678", from_=" ZEXA ")
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
    (opt_out,) = opt_outs(
        [manual_statement("opted_out", 1, opt_out_id="b"), manual_statement("opted_out", 1, opt_out_id="a")]
    ).values()
    assert opt_out.opt_out_id == "b"


def test_an_opt_out_without_sender_or_channel_holds_for_any() -> None:
    assert claims(message_fact("optout", 1, to=ANA)).keys() == {("", ANA, "")}
    assert claims(message_fact("optout", 1, channel="sms", to=ANA)).keys() == {("sms", ANA, "")}


def test_an_opt_out_without_a_message_needs_only_an_address() -> None:
    (opt_out,) = opt_outs(stored(message_fact("optout", 1, id=None, channel="sms", to=ANA))).values()
    assert (opt_out.key, opt_out.message_id) == (("sms", ANA, ""), None)


@pytest.mark.parametrize("status", FINAL)
@pytest.mark.parametrize("at", [0, 2])
def test_an_opt_out_without_an_address_takes_it_from_its_message(at: int, status: str) -> None:
    facts = [message_fact("optout", 1, from_="ZEXA"), message_fact(status, at, channel="sms", to=ANA)]
    assert claims(*facts) == claims(*reversed(facts)) == {("sms", ANA, "ZEXA"): minute(1)}


def test_the_channel_an_opt_out_names_comes_before_that_of_its_message() -> None:
    delivered = message_fact("delivered", 2, channel="sms", to=ANA)
    assert claims(message_fact("optout", 1, channel="whatsapp"), delivered).keys() == {("whatsapp", ANA, "")}
    assert claims(message_fact("optout", 1), delivered).keys() == {("sms", ANA, "")}


def test_an_opt_out_without_an_address_holds_for_every_address_its_message_went_to() -> None:
    facts = [
        message_fact("optout", 3),
        message_fact("failed", 1, channel="sms", to=ANA),
        message_fact("delivered", 2, channel="sms", to=RUI),
    ]
    assert claims(*facts).keys() == {("sms", ANA, ""), ("sms", RUI, "")}


def test_an_opt_out_with_an_address_holds_for_that_and_for_every_one_that_its_message_went_to() -> None:
    facts = [message_fact("optout", 3, channel="sms", to=ANA), message_fact("delivered", 2, channel="whatsapp", to=RUI)]
    assert claims(*facts) == {("sms", ANA, ""): minute(3), ("sms", RUI, ""): minute(3)}


def test_a_body_that_does_not_hold_names_an_address_too() -> None:
    facts = [
        message_fact("delivered", 1, channel="sms", to=ANA),
        message_fact("delivered", 2),
        message_fact("optout", 3),
    ]
    assert claims(*facts) == {("sms", ANA, ""): minute(3)}


def test_an_opt_out_that_does_not_hold_stops_people_too() -> None:
    facts = [message_fact("optout", 1, to=ANA, from_="ZEXA"), message_fact("optout", 2, from_="LOJA")]
    assert claims(*facts) == {("", ANA, "ZEXA"): minute(1), ("", ANA, "LOJA"): minute(2)}


def test_nothing_outside_the_opt_out_decides_its_sender() -> None:
    assert claims(message_fact("optout", 1, to=ANA), message_fact("delivered", 2, from_="ZEXA")).keys() == {
        ("", ANA, "")
    }


def test_a_failure_that_opts_out_does_so_by_the_rules_of_any_opt_out() -> None:
    (opt_out,) = opt_outs(stored(refused(2, channel="sms", to=ANA, from_="ZEXA"))).values()
    assert (opt_out.key, opt_out.source, opt_out.opted_out_at) == (("sms", ANA, "ZEXA"), "failure", minute(2))
    assert claims(refused(2), message_fact("delivered", 1, channel="sms", to=RUI)) == {("sms", RUI, ""): minute(2)}
    assert claims(refused(2, id=None, to=ANA)) == {("", ANA, ""): minute(2)}


def test_an_opt_out_whose_message_has_no_address_yet_stops_nobody_yet() -> None:
    assert claims(message_fact("optout", 1)) == claims(message_fact("optout", 1), message_fact("delivered", 2)) == {}


def test_an_opt_out_is_nameless_while_no_body_of_its_message_names_anybody() -> None:
    nameless = [message_fact("optout", 1), refused(2)]
    assert nameless_opt_outs([*nameless, message_fact("delivered", 3), message_fact("unknown", 4, to=ANA)]) == nameless
    assert nameless_opt_outs([*nameless, message_fact("delivered", 3, to=ANA)]) == []
    assert nameless_opt_outs([message_fact("optout", 1), message_fact("optout", 2, to=ANA)]) == []
    assert nameless_opt_outs([message_fact("delivered", 3)]) == []


def test_an_event_that_is_ignored_names_nobody() -> None:
    """It is in the ledger only; what it says must not depend on which batch it came in."""
    assert claims(message_fact("optout", 1), message_fact("unknown", 2, channel="sms", to=ANA)) == {}


def test_nothing_but_an_opt_out_stops_anybody() -> None:
    others = [message_fact(status, 1, channel="sms", to=ANA) for status in (*FINAL, "unknown", "opted_out")]
    assert claims(*others, fact("campaign.sent", 1, to=ANA), fact("contact.optout", 1, to=ANA)) == {}


def test_of_two_opt_outs_of_one_address_the_later_counts() -> None:
    (opt_out,) = opt_outs(
        stored(message_fact("optout", 1, id="m1", to=ANA), message_fact("optout", 2, id="m0", to=ANA))
    ).values()
    assert (opt_out.opted_out_at, opt_out.message_id) == (minute(2), "m0")


def test_of_two_opt_outs_of_one_moment_one_is_always_told() -> None:
    """By the message's id, then an event before a failure, then the digest."""
    stops = [message_fact("optout", 1, id=name, to=ANA) for name in ("m1", "m2", None)]
    assert opt_outs(stored(*stops))["", ANA, ""].message_id == "m2"
    of_one = [message_fact("optout", 1, to=ANA), refused(1, to=ANA)]
    assert opt_outs(stored(*of_one))["", ANA, ""].source == "event"
    assert opt_outs(stored(refused(1, id="y", to=ANA), *of_one))["", ANA, ""].source == "failure"


def test_what_people_say_of_one_moment_comes_before_a_failure_without_a_message_and_after_a_stop() -> None:
    word = manual_statement("opted_out", 1, reason="by letter")
    assert opt_outs([word, *stored(refused(1, id=None, to=ANA))])["", ANA, ""].note == "by letter"
    assert opt_outs([word, *stored(message_fact("optout", 1, id=None, to=ANA))])["", ANA, ""].source == "event"
    assert opt_outs([manual_statement("opted_out", 1, reason="a"), word])["", ANA, ""].note == "by letter"


# The end of an opt-out


@pytest.mark.parametrize(("ended", "holds"), [(None, True), (9, True), (10, True), (10.001, False), (11, False)])
def test_an_opt_out_is_in_force_unless_it_was_ended_after_it_was_received(ended: float | None, holds: bool) -> None:
    assert is_in_force(None if ended is None else minute(ended), minute(10)) is holds


def test_a_row_was_received_when_the_latest_of_its_opt_outs_was_received_first() -> None:
    """A STOP that claims an early time, but comes late, counts against an end in between."""
    late = message_fact("optout", 1, id="m1", to=ANA, received=minute(90))
    early = message_fact("optout", 5, id="m2", to=ANA, received=minute(60))
    again = replace(late, received_at=minute(200))
    (opt_out,) = opt_outs([*stored(late, early, again), manual_statement("opted_in", 80)]).values()
    assert (opt_out.opted_out_at, opt_out.message_id, opt_out.received_at) == (minute(5), "m2", minute(90))
    assert opt_out.opted_in_at is not None
    assert is_in_force(opt_out.opted_in_at, opt_out.received_at)


def test_what_a_person_states_was_received_at_the_time_that_they_state() -> None:
    (opt_out,) = opt_outs([manual_statement("opted_out", 7), manual_statement("opted_out", 3)]).values()
    assert (opt_out.opted_out_at, opt_out.received_at) == (minute(7), minute(7))


def test_of_several_ends_the_latest_counts() -> None:
    statements = [
        manual_statement("opted_out", 1),
        manual_statement("opted_in", 5),
        manual_statement("opted_in", 9),
        manual_statement("opted_in", 7),
    ]
    assert opt_outs(statements)["", ANA, ""].opted_in_at == minute(9)


def test_an_end_holds_within_its_scope_only() -> None:
    keys = [(channel, address, sender) for channel in ("", "sms") for address in (ANA, RUI) for sender in ("", "ZEXA")]
    ends = [
        manual_statement("opted_in", 5),
        manual_statement("opted_in", 5, channel="sms"),
        manual_statement("opted_in", 5, channel="", sender="ZEXA"),
    ]
    ended = [{key for key in keys if ended_at(key, [end])} for end in ends]
    assert ended == [
        {key for key in keys if key[1] == ANA},
        {("sms", ANA, ""), ("sms", ANA, "ZEXA")},
        {("", ANA, "ZEXA")},
    ]


def test_an_end_alone_makes_no_row() -> None:
    assert opt_outs([manual_statement("opted_in", 5)]) == {}
