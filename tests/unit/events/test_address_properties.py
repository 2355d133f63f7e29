"""For any text: reading an address twice changes nothing, and the quick answer is the whole one."""

import unicodedata
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sync.events import addresses as module
from sync.events.addresses import CHANNELS, Address, AddressProblem, read_address
from sync.events.written_text import is_storable
from tests.support.events_builder import patient
from tests.unit.events.spellings import BLANKS, EMAILS, SPELLINGS, UNREADABLE, is_address, normalise, spellings

channels = st.sampled_from(["sms", "whatsapp", "telegram", "email", "slack", "", "push"])
regions = st.sampled_from(["AO", "PT", "US", "IT", "RU", "GB", "MX", "BR", "AR", "DE"])

# Much that nearly is a number: digits of many scripts, signs, blanks, marks, and letters now and then.
nearly_numbers = st.text(
    st.sampled_from(
        "0123456789+-()./\u00b7 \t\u00a0\u1680\u2028\u200b\u200e\u2013\u2212\uff19\u0669\u00b2\u2460\u00aatel:x@\0"
    ),
    max_size=24,
)
nearly_emails = st.text(
    st.sampled_from(
        "aZ\u00df\u0130\u03a3\u1e9e\u212a\u00e3\u0303@@.,;:<>()\"' \u3002\uff0e\uff20\u200b\u00ad\u0345\u1fb3|-_1\u2764"
    ),
    max_size=16,
)
addresses = st.one_of(
    st.text(st.characters(codec=None)),
    nearly_numbers,
    nearly_emails,
    st.builds("{}@{}.com".format, nearly_emails, nearly_emails),
    st.sampled_from(sorted([*SPELLINGS.values(), *EMAILS.values(), *UNREADABLE])),
)


@patient
@given(channels, addresses, regions)
@example("", "\u0130@EXAMPLE.COM", "AO")
@example("sms", "tel: tel:912345678", "AO")
@example("sms", "tel:  ", "AO")
@example("email", '"\'ana"@example.com', "AO")
@example("email", '"ana"@example.com\'', "AO")
def test_normalising_twice_changes_nothing(channel: str, address: str, region: str) -> None:
    once = normalise(channel, address, region)
    assert normalise(channel, once, region) == once


@patient
@given(channels, addresses, regions)
def test_what_is_read_stands_in_the_tables_as_itself(channel: str, text: str, region: str) -> None:
    reading = read_address(channel, text, region)
    if reading.problem is not AddressProblem.DECIMAL:  # which has an address if the fraction is nought
        assert bool(reading.addresses) is (reading.problem in (None, AddressProblem.OTHER_CHANNEL))
    for address in reading.addresses:
        assert is_storable(address.text)
        assert read_address(channel, address.text, region).addresses == (address,)
        assert (
            is_address(channel, address.text) is (reading.problem is None) or reading.problem is AddressProblem.DECIMAL
        )


def test_the_quick_answer_is_the_whole_one_for_every_letter_of_latin_scripts() -> None:
    for letter in map(chr, range(0x80, 0x250)):
        for text in (f"gra{letter}a@example.com", f"{letter}@Example.com", f"ana@ex{letter}mple.com"):
            assert read_address("email", text, "AO") == module.read_whole.__wrapped__("email", text, "AO"), ascii(text)


@patient
@given(channels, addresses, regions)
def test_the_quick_answer_is_the_whole_one(channel: str, text: str, region: str) -> None:
    assert read_address(channel, text, region) == module.read_whole.__wrapped__(channel, text, region)


@patient
@given(channels, addresses, regions)
def test_an_address_that_is_not_blank_never_becomes_blank(channel: str, address: str, region: str) -> None:
    assert normalise(channel, address, region).strip() or not address.strip()


marks = [*BLANKS, *(chr(point) for point in range(0x3000) if unicodedata.category(chr(point)) in ("Cf", "Pd"))]
between = st.text(st.sampled_from(marks), max_size=2)


@patient
@given(st.integers(900_000_000, 999_999_999), st.data())
def test_blanks_marks_and_dashes_anywhere_in_a_number_do_not_make_it_another(number: int, data: st.DataObject) -> None:
    spelled = "".join(digit + data.draw(between) for digit in f"+244{number}")
    # A number in no known range may seem to be a known number with something behind it, and is no person's then.
    assert read_address("sms", spelled, "AO").addresses in ((Address(f"+244{number}", f"+244{number}"),), ())
    if module.read_address("sms", f"+244{number}", "AO").addresses and number // 10_000_000 in (91, 92, 93, 94):
        assert normalise("sms", spelled, "AO") == f"+244{number}"


WRITTEN = [*SPELLINGS.values(), "+525512345678", "5215512345678", "+55 11 8123-4567", "5511981234567"]


@pytest.mark.parametrize("text", [*WRITTEN, *sorted(EMAILS.values())])
def test_whoever_is_opted_out_under_one_spelling_is_found_under_every_other(text: str) -> None:
    for stated_channel, asked_channel in product([*sorted(CHANNELS), ""], repeat=2):
        if "slack" in (stated_channel, asked_channel) and "@" not in text and "+" not in text:
            continue  # only Slack knows whose that is
        address = read_address(stated_channel, text, "AO").addresses[0]
        for spelling in module.spellings_of(address.person):
            assert {address.text, spelling} <= set(spellings(asked_channel, text, "AO")), (
                stated_channel,
                asked_channel,
            )
            assert read_address(asked_channel, spelling, "AO").addresses[0].person == address.person, (
                stated_channel,
                asked_channel,
            )


@patient
@given(addresses, regions)
@example("tel:912345678", "AO")
def test_who_names_no_channel_asks_for_the_spellings_of_all(address: str, region: str) -> None:
    texts = spellings(None, address, region)
    assert texts[0] == normalise("", address, region) or not read_address("", address, region).addresses
    for channel in ("", "sms", "email", "slack"):
        for possible in read_address(channel, address, region).addresses:
            assert set(module.spellings_of(possible.person)) <= set(texts)


@patient
@given(addresses, regions)
def test_a_number_that_every_channel_spells_alike_is_one(address: str, region: str) -> None:
    if module.is_spelled_alike(address):
        assert {normalise(channel, address, region) for channel in ("", "sms", "email", "slack")} == {address}
        assert spellings(None, address, region) == (address,)
        assert is_address(None, address)


def test_what_providers_send_is_spelled_alike_everywhere() -> None:
    assert all(module.is_spelled_alike(number) for number in ("+244912345678", "+351912345678", "+258841234567"))
    assert not any(module.is_spelled_alike(number) for number in ("+5511912345678", "+525512345678", "+541123456789"))
