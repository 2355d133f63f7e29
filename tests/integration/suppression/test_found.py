"""Look-ups find who opted out, under every spelling and in every scope, and no other person."""

import pytest
from sqlalchemy import Engine

from sync.opt_outs.remove import Resubscription, resubscribe
from sync.suppression import Lookup, LookupStatus
from tests.integration.suppression.waiting import give, statuses, stop
from tests.support.events_builder import ANA, RUI, minute

SPELLINGS = (
    "+244912345678",
    "912 345 678",
    "00244912345678",
    "(912) 345-678",
    "tel:+244-912-345-678",
    "whatsapp:912345678",
)


# What is found


def test_who_opted_out_is_suppressed_under_every_spelling_and_nobody_else(engine: Engine, lookup: Lookup) -> None:
    give(engine, stop(message_id="m1", channel="sms", **{"from": "ZEXA"}))
    answers = lookup.check([*SPELLINGS, RUI])
    assert {answer.status for answer in answers[:-1]} == {LookupStatus.SUPPRESSED}
    assert {answer.address for answer in answers[:-1]} == {ANA}
    match = answers[0].match
    assert match is not None
    assert match == ("sms", "ZEXA", minute(1), "event", "m1")
    assert (answers[-1].status, answers[-1].address, answers[-1].match) == (LookupStatus.ALLOWED, RUI, None)
    assert [answer.input for answer in answers] == [*SPELLINGS, RUI]


@pytest.mark.parametrize(
    ("channel", "stored", "asked"),
    [
        ("email", "Ana@Example.COM", " ana@example.com "),
        ("slack", "U024BE7LH", "U024BE7LH"),
        ("telegram", "912 345 678", "+244912345678"),
        ("whatsapp", "+5215512345678", "+52 55 1234 5678"),
        ("fax", "912345678", "+244 912 345 678"),
    ],
)
def test_an_address_is_found_with_its_channel_and_without(
    engine: Engine, lookup: Lookup, channel: str, stored: str, asked: str
) -> None:
    give(engine, stop(stored, channel=channel))
    assert statuses(lookup, asked, channel=channel) == ["suppressed"]
    assert statuses(lookup, asked) == ["suppressed"]


def test_the_strict_scope_is_the_default_and_a_narrower_one_must_be_asked_for(engine: Engine, lookup: Lookup) -> None:
    give(engine, stop(channel="sms", **{"from": "A"}), stop(RUI))
    assert statuses(lookup, ANA) == ["suppressed"]
    assert statuses(lookup, ANA, channel=" SMS ", sender="A") == ["suppressed"]
    assert statuses(lookup, ANA, channel="whatsapp") == ["allowed"]
    assert statuses(lookup, ANA, sender="B") == ["allowed"]
    assert statuses(lookup, RUI, channel="whatsapp", sender="B") == ["suppressed"]  # it names neither


def test_of_several_opt_outs_the_earliest_is_told(engine: Engine, lookup: Lookup) -> None:
    give(engine, stop(channel="sms", at=3), stop(channel="whatsapp", at=2, message_id="first"))
    (answer,) = lookup.check([ANA])
    assert answer.match
    assert (answer.match.channel, answer.match.message_id) == ("whatsapp", "first")


def test_an_ended_opt_out_suppresses_nobody(engine: Engine, lookup: Lookup) -> None:
    give(engine, stop())
    stated = Resubscription(channel=None, sender=None, by="Rosa", reason="form")
    with engine.begin() as connection:
        resubscribe(connection, [ANA], stated, clock=lambda: minute(121), default_region="AO")
    assert statuses(lookup, ANA) == ["allowed"]


@pytest.mark.parametrize(
    "text", ["", "  ", "Ana", "12", "a" * 1025, "\0", "+244912345678\0", "\ud800", "@", "ana@", "912345678x"]
)
def test_what_is_no_address_is_invalid_and_not_to_be_messaged(lookup: Lookup, text: str) -> None:
    (answer,) = lookup.check([text])
    assert (answer.status, answer.address, answer.match) == (LookupStatus.INVALID, None, None)
    assert answer.is_suppressed()


@pytest.mark.parametrize("odd", ["\0", "\ud800"])
def test_a_scope_that_is_no_text_raises_nothing_and_hides_no_opt_out(engine: Engine, lookup: Lookup, odd: str) -> None:
    give(engine, stop())
    assert lookup.is_suppressed(ANA, channel=odd)
    assert lookup.is_suppressed(ANA, sender=odd)


ODD = (
    '"',
    "\\",
    '\\"',
    "{}",
    "{a,b}",
    "a,b",
    "NULL",
    "null",
    "'",
    "%s",
    ":x",
    "?",
    "a\nb",
    "\t x",
    "é",
    "a\u2028b",
    "\U0001f600",
    "()",
)


def test_whatever_an_address_is_made_of_it_is_found_and_no_other(engine: Engine, lookup: Lookup) -> None:
    give(engine, *(stop(odd, channel="slack", message_id=f"m{number}") for number, odd in enumerate(ODD[::2])))
    assert statuses(lookup, *ODD, channel="slack") == ["suppressed", "allowed"] * (len(ODD) // 2)


def test_nothing_asked_is_nothing_answered(lookup: Lookup) -> None:
    assert lookup.check([]) == []


def test_ten_thousand_addresses_are_answered_in_their_order(engine: Engine, lookup: Lookup) -> None:
    give(engine, *(stop(f"+2449120{number:05}", message_id=f"m{number}") for number in range(0, 10_000, 100)))
    answers = lookup.check(f"+2449120{number:05}" for number in range(10_000))
    assert [index for index, answer in enumerate(answers) if answer.is_suppressed()] == list(range(0, 10_000, 100))
