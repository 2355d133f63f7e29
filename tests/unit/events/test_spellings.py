"""Every spelling of an address is one, and what cannot be one address is nobody's."""

import pytest

from sync.events.addresses import (
    CHANNELS,
    PHONE_CHANNELS,
    Address,
    AddressProblem,
    AddressReading,
    can_be_person,
    channel_name,
    read_address,
    sender_key,
    sender_text,
)
from tests.support.events_builder import ANA
from tests.unit.events.spellings import BLANKS, EMAILS, SPELLINGS, UNREADABLE, is_address, normalise, spellings


def same_sender_key(sender: str, region: str) -> str:
    return sender_key(sender_text(sender, region))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_number_is_one(spelling: str) -> None:
    channels = [*PHONE_CHANNELS, ""]
    assert {name: normalise(name, SPELLINGS[spelling], "AO") for name in channels} == dict.fromkeys(channels, ANA)


@pytest.mark.parametrize("blank", BLANKS, ids=lambda blank: f"U+{ord(blank):04X}")
def test_any_blank_may_stand_between_and_around_the_digits(blank: str) -> None:
    assert normalise("sms", f"{blank}912{blank}345{blank}678{blank}", "AO") == ANA


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("+351912345678", "+351912345678"),
        ("351912345678", "+351912345678"),
        ("00351912345678", "+351912345678"),
        ("+55 11 91234-5678", "+5511912345678"),
        ("5511912345678", "+5511912345678"),
        ("+1 (202) 555-0123", "+12025550123"),
        ("12025550123", "+12025550123"),
        ("+44 7911 123456", "+447911123456"),
        ("447911123456", "+447911123456"),
        ("+258841234567", "+258841234567"),
        ("258841234567", "+258841234567"),
    ],
)
def test_foreign_numbers_are_read_with_and_without_plus(spelling: str, expected: str) -> None:
    assert normalise("whatsapp", spelling, "AO") == expected


def test_numbers_without_country_code_belong_to_the_default_region() -> None:
    assert normalise("sms", "912345678", "PT") == "+351912345678"
    assert normalise("sms", "(11) 91234-5678", "BR") == "+5511912345678"
    assert normalise("sms", "+244912345678", "PT") == ANA
    assert normalise("sms", "244912345678", "PT") == ANA


@pytest.mark.parametrize("spelling", EMAILS)
def test_every_spelling_of_an_email_address_is_one_on_every_channel(spelling: str) -> None:
    channels, normal = [*CHANNELS, "", "push"], "ana.silva@example.com"
    assert {name: normalise(name, EMAILS[spelling], "AO") for name in channels} == dict.fromkeys(channels, normal)


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("912345678@example.com", "912345678@example.com"),
        ("Jo\u00e3o.\u00d1and\u00fa@Example.com", "jo\u00e3o.\u00f1and\u00fa@example.com"),
        ("Joa\u0303o@example.com", "jo\u00e3o@example.com"),
        ("ana+news@example.com", "ana+news@example.com"),
        ("+244912345678@example.com", "+244912345678@example.com"),
        ("ana@localhost", "ana@localhost"),
        ("xxx@example.com", "xxx@example.com"),
        ("ana@m\u00fcnchen.example", "ana@xn--mnchen-3ya.example"),
        ("ana@mu\u0308nchen.example", "ana@xn--mnchen-3ya.example"),
        ("ana@M\u00dcNCHEN.example", "ana@xn--mnchen-3ya.example"),
        ("ana@XN--mnchen-3ya.example", "ana@xn--mnchen-3ya.example"),
        ("ana@\u2764.example", "ana@xn--qei.example"),
    ],
)
def test_an_email_address_is_otherwise_as_it_was_given(spelling: str, expected: str) -> None:
    assert normalise("email", spelling, "AO") == expected


@pytest.mark.parametrize(
    "address", ["C024BE91L", "c024be91l", "#General", "912345678", "@ana", "ana@work", "ZEXA", "null"]
)
def test_a_slack_id_keeps_its_case_and_every_visible_character(address: str) -> None:
    for spelling in (address, f" {address}\u00a0", f"\ufeff{address[0]}\u200b{address[1:]}"):
        assert read_address("slack", spelling, "AO") == AddressReading((Address(address, address),), None)


def test_an_email_address_or_a_number_with_a_plus_is_one_on_slack_too() -> None:
    assert normalise("slack", " Ana@Example.com", "AO") == "ana@example.com"
    assert normalise("slack", "+244 912 345 678", "AO") == ANA
    assert normalise("slack", "244912345678@s.whatsapp.net", "AO") == ANA


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_cannot_be_one_address_is_nobodys_and_says_why(text: str) -> None:
    for channel in ("sms", "email", ""):
        assert read_address(channel, text, "AO") == AddressReading((), UNREADABLE[text]), channel
        assert not can_be_person(channel, text, "AO"), channel
        assert normalise(channel, text, "AO") == text.strip(), channel
        assert not is_address(channel, text.strip()), channel


@pytest.mark.parametrize(
    ("channel", "text"),
    [("sms", "ana@example.com"), ("telegram", " Ana@Example.com"), ("email", "912345678"), ("email", ANA)],
)
def test_an_address_of_another_channel_is_known_and_cannot_be_messaged(channel: str, text: str) -> None:
    elsewhere = read_address("", text, "AO")
    assert elsewhere.addresses
    assert elsewhere.problem is None
    assert read_address(channel, text, "AO") == AddressReading(elsewhere.addresses, AddressProblem.OTHER_CHANNEL)


def test_a_number_without_plus_that_may_be_two_peoples_is_both() -> None:
    reading = read_address("sms", "951234567", "AO")  # of Angola, and of Myanmar
    assert reading == AddressReading(
        (Address("+244951234567", "+244951234567"), Address("+951234567", "+951234567")), None
    )
    assert spellings("sms", "951234567", "AO") == ("+244951234567", "+951234567")
    # 1 is what Mexico wrote before a mobile, and the calling code of New Jersey.
    assert [address.person for address in read_address("sms", "15512345678", "MX").addresses] == [
        *("+525512345678", "+15512345678")
    ]


def test_an_address_on_a_channel_that_is_not_known_is_what_it_looks_like() -> None:
    for channel in ("", "push"):
        assert normalise(channel, "912345678", "AO") == ANA
        assert normalise(channel, "A@Example.com", "AO") == "a@example.com"
        assert read_address(channel, "U012AB3CD", "AO").problem is None
        assert read_address(channel, "u012ab3cd", "AO").problem is AddressProblem.NO_ADDRESS
    assert read_address("sms", "U012AB3CD", "AO").problem is AddressProblem.NO_ADDRESS


@pytest.mark.parametrize(
    ("channel", "text", "expected"),
    [
        ("sms", "+244912345678", True),
        ("sms", "923000000", True),
        ("sms", "+244923000000", True),  # a sender, but a number does not show that
        ("sms", "ana@example.com", True),
        ("whatsapp", "244912345678@s.whatsapp.net", True),
        ("", "U012AB3CD", True),
        ("slack", "C024BE91L", True),
        ("slack", "#general", True),
        ("slack", "ZEXA", False),
        ("slack", "undefined", False),
        ("", "ZEXA", False),
        ("sms", "ZEXA", False),
        ("", "ZEXABANK", False),
        ("", "INFOBANK", False),
        ("", "21610", False),
        ("sms", "21610", False),
    ],
)
def test_a_senders_name_is_no_persons_address(channel: str, text: str, expected: bool) -> None:
    assert can_be_person(channel, text, "AO") is expected


def test_a_short_code_is_no_persons_address_where_short_numbers_exist() -> None:
    assert read_address("sms", "21610", "DE").addresses  # a possible land line, in no known range
    assert not can_be_person("sms", "21610", "DE")
    assert can_be_person("sms", "211234", "FO")  # a mobile of the Faroe Islands, whose numbers have six digits


def test_a_sender_is_one_in_any_case_and_with_or_without_plus() -> None:
    assert {same_sender_key(name, "AO") for name in ("ZEXA", "zexa", " ZEXA ", "ZE\u200bXA", "\uff3aEXA")} == {"zexa"}
    numbers = ("+244923000000", "244923000000", "923 000 000", "tel:+244923000000")
    assert {same_sender_key(number, "AO") for number in numbers} == {"+244923000000"}
    assert same_sender_key("Zexa  Bank", "AO") == same_sender_key("ZEXA BANK", "AO") == "zexa bank"
    assert same_sender_key("Zexa <no-reply@Zexa.example>", "AO") == "no-reply@zexa.example"
    assert same_sender_key("21610", "AO") == same_sender_key(" 21610", "DE") == "21610"
    assert same_sender_key(" ", "AO") == ""


def test_a_channel_is_one_without_case_blanks_and_separators() -> None:
    for name, channel in {
        **dict.fromkeys(("email", "e-mail", "E_Mail", " E-MAIL ", "e\u2011mail"), "email"),
        **dict.fromkeys(("WhatsApp", "whats-app", "WHATS APP"), "whatsapp"),
        **dict.fromkeys(("SMS", "s.m.s.", "\ufeffsms"), "sms"),
        **dict.fromkeys(("", "push", "mail", "sms2", "text"), ""),
    }.items():
        assert channel_name(name) == channel
