"""Opt-outs: whose they are, from when they hold, and that no event takes one away."""

import pytest
from sqlalchemy import Engine

from sync.events.interpretation import ParseOptions
from sync.opt_outs.add import OptOutWord, state_opt_outs
from sync.opt_outs.remove import Resubscription, resubscribe
from sync.store.tally import Tally
from tests.conftest import NOW
from tests.integration.store.ledger import (
    CODE,
    active,
    assert_one_answer,
    digest,
    give,
    in_every_order,
    message,
    message_event,
    only_row,
    refused,
    stopped,
)
from tests.support.events_builder import ANA, RECEIVED, RUI, body, minute, raw, rows

STRICT = ParseOptions(default_region="AO", opt_out_failures=frozenset({CODE}))


# Opt-outs


def test_an_opt_out_takes_its_address_from_its_message_whichever_comes_first(engine: Engine) -> None:
    states = in_every_order(
        engine, message_event("optout", 2, from_="ZEXA"), message_event("delivered", 1, channel="sms", to=ANA)
    )
    assert_one_answer(states)
    assert stopped(engine) == {("sms", ANA, "ZEXA"): minute(2)}
    assert message(engine)["opted_out_at"] == minute(2)


def test_an_opt_out_is_kept_as_nameless_until_its_message_tells_whose_it_is(engine: Engine) -> None:
    give(engine, message_event("optout", 2, 60))
    waiting = only_row(rows(engine, "nameless_opt_outs"))
    assert (waiting["subject_id"], waiting["digest"]) == ("msg_1", digest(message_event("optout", 2).body))
    assert (waiting["received_at"], waiting["holds_until"]) == (minute(60), minute(120))
    give(engine, message_event("optout", 2, 50), message_event("delivered", 1), message_event("unknown", 3, to=ANA))
    assert only_row(rows(engine, "nameless_opt_outs"))["holds_until"] == minute(110)
    give(engine, message_event("failed", 1, to=ANA))
    assert rows(engine, "nameless_opt_outs") == []
    assert active(engine) == [ANA]


def test_an_opt_out_takes_its_address_from_whatever_tells_it_last(engine: Engine) -> None:
    events = [
        message_event("optout", 1),
        message_event("failed", 2),
        message_event("undeliverable", 3, channel="sms", to=ANA),
    ]
    assert_one_answer(in_every_order(engine, *events))
    assert stopped(engine) == {("sms", ANA, ""): minute(1)}


def test_an_opt_out_with_an_address_needs_neither_message_nor_channel(engine: Engine) -> None:
    give(engine, body("message.optout", minute(1), to="912 345 678"), body("message.optout", minute(2), to="A@B.co"))
    assert stopped(engine) == {("", ANA, ""): minute(1), ("", "a@b.co", ""): minute(2)}
    assert rows(engine, "message_status") == []


@pytest.mark.parametrize(
    ("channel", "to"), [("telegram", "@Ana"), ("sms", "9" * 1024), ("sms", "+244…678"), (None, "?")]
)
def test_an_opt_out_that_can_be_read_as_no_persons_waits_for_its_message_or_is_a_dead_letter(
    engine: Engine, channel: str | None, to: str
) -> None:
    assert give(engine, message_event("optout", 1, channel=channel, to=to)) == Tally(received=1, applied=1)
    assert (stopped(engine), message(engine)["recipient"]) == ({}, None)
    assert only_row(rows(engine, "nameless_opt_outs"))["subject_id"] == "msg_1"
    assert give(engine, message_event("optout", 1, message_id=None, channel=channel, to=to)) == Tally(
        received=1, dead=1
    )
    letter = only_row(rows(engine, "dead_letters"))
    assert (letter["reason"], letter["may_opt_out"]) == ("no_subject", True)


def test_an_opt_out_stops_both_its_recipient_and_its_sender_if_each_can_be_a_persons(engine: Engine) -> None:
    """Many providers turn `to` and `from` round in a STOP."""
    give(
        engine,
        message_event("optout", 1, channel="sms", to="ZEXA", from_=ANA),
        message_event("delivered", 1, from_=RUI),
    )
    assert stopped(engine) == {("sms", ANA, "ZEXA"): minute(1)}
    assert message(engine)["recipient"] == ANA
    give(engine, message_event("optout", 2, message_id="msg_2", to=ANA, from_=RUI))
    assert stopped(engine) == {
        ("sms", ANA, "ZEXA"): minute(1),
        ("", ANA, ""): minute(2),
        ("", RUI, ""): minute(2),
    }


def test_an_opt_out_on_a_channel_of_no_known_name_holds_for_any(engine: Engine) -> None:
    give(engine, message_event("optout", 1, channel="fax", to=ANA))
    assert stopped(engine) == {("", ANA, ""): minute(1)}


def test_every_opt_out_of_an_address_is_one_row_with_the_latest(engine: Engine) -> None:
    spelled = ["+244 912 345 678", "244912345678", "912345678"]
    events = [
        message_event("optout", at, message_id=f"msg_{at}", channel="SMS", to=to) for at, to in enumerate(spelled)
    ]
    assert_one_answer(in_every_order(engine, *events))
    row = only_row(rows(engine, "opt_outs"))
    assert (row["address"], row["opted_out_at"], row["message_id"]) == (ANA, minute(2), "msg_2")


def test_a_row_was_received_when_the_latest_of_its_opt_outs_came_first(engine: Engine) -> None:
    events = [
        message_event("optout", 1, 90, message_id="msg_1", to=ANA),
        message_event("optout", 5, 60, message_id="msg_2", to=ANA),
        message_event("optout", 5, 500, message_id="msg_2", to=ANA),
    ]
    assert_one_answer(in_every_order(engine, *events))
    row = only_row(rows(engine, "opt_outs"))
    assert (row["opted_out_at"], row["message_id"], row["received_at"]) == (minute(5), "msg_2", minute(90))


def test_each_channel_and_each_sender_has_an_opt_out_of_its_own(engine: Engine) -> None:
    scopes = [(channel, sender) for channel in ("sms", "whatsapp", None) for sender in ("ZEXA", "LOJA", None)]
    batch = [
        message_event("optout", number, message_id=f"msg_{number}", channel=channel, to=ANA, from_=sender)
        for number, (channel, sender) in enumerate(scopes)
    ]
    give(engine, *batch)
    assert stopped(engine) == {
        (channel or "", ANA, sender or ""): minute(number) for number, (channel, sender) in enumerate(scopes)
    }


def test_every_address_that_any_body_of_an_opt_out_names_is_stopped(engine: Engine) -> None:
    """Whichever body holds, both persons may have said STOP, so each is stopped by both."""
    states = in_every_order(
        engine, message_event("optout", 1, channel="sms", to=ANA), message_event("optout", 2, channel="sms", to=RUI)
    )
    assert_one_answer(states)
    assert stopped(engine) == {("sms", ANA, ""): minute(2), ("sms", RUI, ""): minute(2)}


def test_an_opt_out_with_an_address_stops_every_other_that_its_message_names_too(engine: Engine) -> None:
    events = [
        message_event("optout", 3, channel="sms", to=ANA),
        message_event("delivered", 2, channel="whatsapp", to=RUI),
    ]
    states = in_every_order(engine, *events, message_event("delivered", 4))
    assert_one_answer(states)
    assert stopped(engine) == {("sms", ANA, ""): minute(3), ("sms", RUI, ""): minute(3)}


def test_an_opt_out_finds_its_address_even_where_the_body_that_told_it_does_not_hold(engine: Engine) -> None:
    """A STOP must not depend on whether it or the second body of its delivery came first."""
    naming, holds = message_event("delivered", 1, channel="sms", to=ANA), message_event("delivered", 2)
    states = in_every_order(engine, naming, holds, message_event("optout", 3, channel="sms"))
    assert_one_answer(states)
    assert stopped(engine) == {("sms", ANA, ""): minute(3)}


def test_a_message_keeps_its_address_however_many_bodies_give_way(engine: Engine) -> None:
    naming, lesser, holds = (
        message_event("failed", 1, channel="sms", to=ANA),
        message_event("failed", 2),
        message_event("failed", 3),
    )
    states = in_every_order(engine, naming, lesser, holds, message_event("optout", 4))
    assert_one_answer(states)
    assert only_row(states[0]["message_status"])["recipient"] == ANA
    assert active(engine) == [ANA]


def test_an_opt_outs_channel_is_its_own_else_that_of_the_body_which_names_the_address_else_any(engine: Engine) -> None:
    """Not that of any other body of the message: a body names address and channel together, or neither."""
    events = [
        message_event("failed", 1, to=ANA),
        message_event("failed", 2),
        message_event("undeliverable", 3, channel="sms"),
        message_event("optout", 4),
    ]
    assert_one_answer(in_every_order(engine, *events))
    assert stopped(engine) == {("", ANA, ""): minute(4)}
    assert message(engine)["channel"] == "sms"


def test_an_opt_out_for_which_one_address_is_told_on_two_channels_is_two_rows(engine: Engine) -> None:
    events = [
        message_event("failed", 1, to=ANA),
        message_event("undeliverable", 3, to=ANA, channel="sms"),
        message_event("optout", 4),
    ]
    assert_one_answer(in_every_order(engine, *events))
    assert stopped(engine) == {("", ANA, ""): minute(4), ("sms", ANA, ""): minute(4)}


def test_an_event_that_is_ignored_changes_no_opt_out_in_any_order(engine: Engine) -> None:
    states = in_every_order(engine, message_event("optout", 1), message_event("unknown", 2, channel="sms", to=ANA))
    assert_one_answer(states)
    assert stopped(engine) == {}


def test_an_opt_out_that_names_no_time_was_made_when_it_was_first_received(engine: Engine) -> None:
    undated = [message_event("optout", None, received, channel="sms", to=ANA) for received in (60, 70, 80)]
    states = in_every_order(engine, *undated)
    assert_one_answer(states)
    row = only_row(states[0]["opt_outs"])
    assert (row["opted_out_at"], row["received_at"]) == (minute(60), minute(60))
    assert only_row(states[0]["message_status"])["opted_out_at"] == minute(60)


def test_an_opt_out_with_and_without_a_time_was_made_at_the_later_of_both(engine: Engine) -> None:
    events = [
        message_event("optout", None, 60, channel="sms", to=ANA),
        message_event("optout", 5, 75, channel="sms", to=ANA),
    ]
    states = in_every_order(engine, *events)
    assert_one_answer(states)
    row = only_row(states[0]["opt_outs"])
    assert (row["opted_out_at"], row["received_at"]) == (minute(60), minute(75))
    assert only_row(states[0]["message_status"])["opted_out_at"] == minute(60)


def test_an_opt_out_that_claims_a_time_far_ahead_was_made_when_it_was_received(engine: Engine) -> None:
    give(engine, body("message.optout", minute(60 * 24 * 365 * 24), to=ANA))
    assert stopped(engine) == {("", ANA, ""): RECEIVED}


def test_a_redelivered_opt_out_that_names_no_time_is_no_later_opt_out(engine: Engine) -> None:
    event = message_event("optout", None, 60, channel="sms", to=ANA)
    give(engine, event)
    give(engine, raw(event.body, minute(90)))
    assert stopped(engine) == {("sms", ANA, ""): minute(60)}


def test_a_failure_that_opts_out_stops_its_address_and_every_one_that_its_message_names(engine: Engine) -> None:
    events = [refused(1, channel="sms", to=ANA), message_event("delivered", 2, channel="sms", to=RUI)]
    states = in_every_order(engine, *events, options=STRICT)
    assert_one_answer(states)
    assert stopped(engine) == {("sms", ANA, ""): minute(1), ("sms", RUI, ""): minute(1)}
    assert {row["source"] for row in states[0]["opt_outs"]} == {"failure"}
    row = message(engine)
    assert (row["status"], row["opted_out_at"]) == ("delivered", minute(1))


def test_a_failure_that_opts_out_takes_its_address_from_its_message_whichever_comes_first(engine: Engine) -> None:
    events = [refused(2), message_event("delivered", 1, channel="sms", to=ANA)]
    assert_one_answer(in_every_order(engine, *events, options=STRICT))
    assert stopped(engine) == {("sms", ANA, ""): minute(2)}
    give(engine, refused(3, message_id="msg_2"), options=STRICT)
    assert only_row(rows(engine, "nameless_opt_outs"))["subject_id"] == "msg_2"


def test_in_any_order_a_stop_stands_before_a_failure_of_the_same_moment(engine: Engine) -> None:
    events = [refused(2, to=ANA), message_event("optout", 2, to=ANA)]
    states = in_every_order(engine, *events, options=STRICT)
    assert_one_answer(states)
    assert only_row(states[0]["opt_outs"])["source"] == "event"
    assert only_row(states[0]["message_status"])["opted_out_at"] == minute(2)


# Opt-outs only grow


def opt_out(engine: Engine, at: float, reason: str = "by telephone") -> None:
    """As a person says so, whose clock is `now`."""
    with engine.begin() as connection:
        statement = OptOutWord(channel="sms", sender="", at=minute(at), by="Rosa", reason=reason)
        state_opt_outs(connection, [(ANA,)], statement, NOW)


def end_opt_outs(engine: Engine, at: float) -> None:
    stated = Resubscription(channel=None, sender=None, by="Rosa", reason="signed up again")
    with engine.begin() as connection:
        resubscribe(connection, [ANA], stated, clock=lambda: minute(at), default_region="AO")


@pytest.mark.parametrize(("received", "is_active"), [(70, False), (80, True), (90, True)])
@pytest.mark.parametrize("claimed", [1, 79, 81, None])
def test_an_opt_out_holds_again_unless_it_was_received_before_it_was_ended(
    engine: Engine, received: int, is_active: bool, claimed: int | None
) -> None:
    """Whatever time it claims."""
    give(engine, message_event("optout", 0, 10, message_id="msg_0", channel="sms", to=ANA))
    end_opt_outs(engine, 80)
    assert active(engine) == []
    give(engine, message_event("optout", claimed, received, channel="sms", to=ANA))
    row = only_row(rows(engine, "opt_outs"))
    assert (row["opted_out_at"], row["opted_in_at"]) == (minute(received if claimed is None else claimed), minute(80))
    assert (row["received_at"], row["source"]) == (minute(received), "event")
    assert active(engine) == ([ANA] if is_active else [])


def test_an_end_that_is_stated_before_the_first_opt_out_is_applied_holds_for_it(engine: Engine) -> None:
    end_opt_outs(engine, 80)
    give(engine, message_event("optout", 1, 70, channel="sms", to=ANA))
    assert (len(rows(engine, "opt_outs")), active(engine)) == (1, [])
    give(engine, message_event("optout", 1, 81, message_id="msg_2", channel="sms", to=ANA))
    assert active(engine) == [ANA]


@pytest.mark.parametrize(("at", "since"), [(2, 3), (3, 3), (4, 4)])
def test_an_opt_out_is_never_set_back(engine: Engine, at: int, since: int) -> None:
    end_opt_outs(engine, 1)
    opt_out(engine, 3)
    give(engine, message_event("optout", at, channel="sms", to=ANA))
    row = only_row(rows(engine, "opt_outs"))
    assert (row["opted_out_at"], row["opted_in_at"]) == (minute(since), minute(1))
    assert active(engine) == [ANA]


def test_an_earlier_opt_out_leaves_a_persons_words_as_they_are(engine: Engine) -> None:
    opt_out(engine, 3)
    before = only_row(rows(engine, "opt_outs"))
    give(engine, message_event("optout", 2, channel="sms", to=ANA))
    assert only_row(rows(engine, "opt_outs")) == before | {"received_at": minute(120)}


def test_a_redelivered_opt_out_does_not_undo_a_later_resubscription(engine: Engine) -> None:
    event = message_event("optout", 1, channel="sms", to=ANA)
    give(engine, event)
    end_opt_outs(engine, 130)
    assert give(engine, raw(event.body, minute(600))) == Tally(received=1, unchanged=1)
    give(engine, message_event("delivered", 5, 600, channel="sms", to=ANA))
    assert active(engine) == []
    give(engine, message_event("optout", 3, 140, message_id="msg_2", channel="sms", to=ANA))
    assert active(engine) == [ANA]


def test_no_event_of_a_delivery_touches_an_opt_out(engine: Engine) -> None:
    give(engine, message_event("optout", 1, channel="sms", to=ANA))
    before = rows(engine, "opt_outs")
    for status in ("delivered", "failed", "undeliverable", "unknown"):
        give(
            engine,
            message_event(status, 9, channel="sms", to=ANA),
            message_event(status, 9, message_id="msg_2", channel="sms", to=ANA),
        )
    assert rows(engine, "opt_outs") == before
    assert active(engine) == [ANA]
