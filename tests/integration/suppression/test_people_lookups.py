"""Look-ups go by person, channel and sender: what was said under one spelling is known under every other."""

from collections.abc import Sequence

import pytest
from redis import Redis
from sqlalchemy import URL, Engine

from models.database import open_database
from sync.events.interpretation import ParseOptions
from sync.queue.connection import open_queue
from sync.suppression import Lookup
from tests.integration.people import all_of, give, read, statuses
from tests.support.events_builder import clear
from tests.support.people import (
    CHANNELS,
    EMAIL_KEPT,
    EMAILS,
    GLUED,
    NUMBERS,
    NUMERIC_SENDERS,
    SENDERS,
    TWO_NUMBERS,
    UNREADABLE,
    stop,
)

PERSON = "911000002"
PAIRS = tuple(TWO_NUMBERS.values())


# Addresses


def test_a_number_is_found_under_every_spelling_on_every_channel_of_numbers(engine: Engine, lookup: Lookup) -> None:
    give(engine, stop("+244" + PERSON))
    asked = [form.format(PERSON) for form in NUMBERS.values()]
    for channel in (None, "", "sms", "whatsapp", "telegram", "push"):
        assert statuses(lookup, asked, channel=channel) == all_of(asked, "suppressed"), channel


def test_what_is_glued_to_a_number_makes_nobody_of_it(engine: Engine, lookup: Lookup) -> None:
    give(engine, stop("+244" + PERSON))
    asked = [form.format(number) for form in GLUED for number in (PERSON, "911000005")] + list(UNREADABLE)
    for channel in (None, "sms", "email"):
        assert statuses(lookup, asked, channel=channel) == all_of(asked, "invalid"), channel
    assert all(answer.problem for answer in lookup.check(asked))


def test_a_number_that_a_spreadsheet_calculated_with_is_never_allowed(engine: Engine, lookup: Lookup) -> None:
    asked = [form.format("911000005") for form in ("{}.0", "{}.00", "244{}.0", "{},0", "+244{}.00")]
    assert statuses(lookup, asked) == all_of(asked, "invalid")
    give(engine, stop("+244911000005"))
    assert statuses(lookup, asked) == all_of(asked, "suppressed")


def test_a_number_without_plus_is_read_as_what_exists(engine: Engine, migrated_url: URL, redis: Redis) -> None:
    """Of the region if that is a number in use, else with its country code; both if both are."""
    for region, number, meant in (
        ("DE", "4915123456789", {"+4915123456789", "+494915123456789"}),
        ("FR", "33612345678", {"+33612345678"}),
        ("DE", "015123456789", {"+4915123456789"}),
        ("AO", "22507123456", set()),
        ("AO", "2250712345678", {"+2250712345678"}),
        ("AO", "951234567", {"+244951234567", "+951234567"}),
        ("MX", "15512345678", {"+5215512345678", "+15512345678"}),
        ("US", "5215512345678", {"+5215512345678"}),
    ):
        clear(engine)
        give(engine, stop(number, message_id="m1"), options=ParseOptions(default_region=region))
        assert {row.address for row in read(engine, "SELECT address FROM opt_outs")} == meant, (region, number)
        reader = open_database(migrated_url, is_read_only=True)
        lookup = Lookup(reader, open_queue(redis), default_region=region)
        asked = [number, *meant]
        assert statuses(lookup, asked) == all_of(asked, "suppressed" if meant else "invalid"), (region, number)
        for person in meant:
            clear(engine)
            give(engine, stop(person))
            assert statuses(lookup, [number]) == {number: "suppressed"}, (region, number, person)
        reader.dispose()


def test_an_email_address_is_found_under_every_spelling_on_every_channel(engine: Engine, lookup: Lookup) -> None:
    asked = list(EMAILS.values())
    for channel in ("email", "sms", "slack", "whatsapp", None):
        give(engine, stop(EMAILS["name"], channel=channel))
        for scope in {channel, None}:
            assert statuses(lookup, asked, channel=scope) == all_of(asked, "suppressed"), (channel, scope)
        clear(engine)
    for spelling in asked:
        give(engine, stop(spelling, channel="email"))
        assert statuses(lookup, [EMAIL_KEPT]) == {EMAIL_KEPT: "suppressed"}, spelling
        clear(engine)


def test_a_slack_id_is_one_without_marks_and_blanks_and_with_its_case(engine: Engine, lookup: Lookup) -> None:
    give(engine, stop(" U024BE7LH\u200b", channel="Slack"))
    for channel in ("slack", " SLACK", None):
        assert statuses(lookup, ["U024BE7LH", "\ufeffU024BE7LH "], channel=channel) == {
            "U024BE7LH": "suppressed",
            "\ufeffU024BE7LH ": "suppressed",
        }
    assert statuses(lookup, ["u024be7lh"], channel="slack") == {"u024be7lh": "allowed"}


# Scopes


@pytest.mark.parametrize("spellings", [SENDERS, NUMERIC_SENDERS], ids=["name", "number"])
def test_a_sender_is_one_however_it_is_spelled(engine: Engine, lookup: Lookup, spellings: Sequence[str]) -> None:
    for spelling in spellings:
        give(engine, stop("+244" + PERSON, channel="sms", from_=spelling))
        for asked in spellings:
            assert statuses(lookup, [PERSON], sender=asked) == {PERSON: "suppressed"}, (spelling, asked)
        if spellings is SENDERS:
            assert statuses(lookup, [PERSON], sender="ZEXB") == {PERSON: "allowed"}
        clear(engine)


@pytest.mark.parametrize("spellings", CHANNELS.values(), ids=CHANNELS)
def test_a_channel_is_one_however_it_is_spelled(engine: Engine, lookup: Lookup, spellings: Sequence[str]) -> None:
    address = EMAIL_KEPT if spellings[0] == "email" else "+244" + PERSON
    for spelling in spellings:
        give(engine, stop(address, channel=spelling))
        for asked in spellings:
            assert statuses(lookup, [address], channel=asked) == {address: "suppressed"}, (spelling, asked)
        assert statuses(lookup, ["U024BE7LH", address], channel="slack")[address] == "allowed"
        clear(engine)


def test_a_channel_or_sender_that_is_none_narrows_nothing(engine: Engine, lookup: Lookup) -> None:
    give(engine, stop("+244" + PERSON, channel="sms", from_="ZEXA"))
    for odd in ("fax", "", " ", "\u200b", "-", "sms,email"):
        assert statuses(lookup, [PERSON], channel=odd) == {PERSON: "suppressed"}, odd
    for odd in ("", " ", "\u200b", "undefined", "null"):
        assert statuses(lookup, [PERSON], sender=odd) == {PERSON: "suppressed"}, odd
