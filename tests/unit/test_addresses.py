"""One spelling per person: a STOP under one spelling must be found under every other."""

import unicodedata
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sync.events import addresses as module
from sync.events.addresses import (
    CHANNELS,
    PHONE_CHANNELS,
    Address,
    AddressProblem,
    AddressReading,
    can_be_person,
    channel_name,
    persons_of,
    read_address,
    sender_key,
    sender_text,
    spellings_of,
    texts_of,
)
from sync.events.written_text import is_storable
from tests.events_builder import ANA, patient


def normalise(channel: str, text: str, region: str) -> str:
    """How the tables keep the first address that `text` may be; what is none as it is."""
    texts = texts_of(channel, text, region)
    return texts[0] if texts else text.strip()


def is_address(channel: str | None, text: str) -> bool:
    """Can messages on `channel` be sent to `text`, which the tables keep in this form?"""
    reading = read_address(channel or "", text, "")
    return reading.problem is None and text in [address.text for address in reading.addresses]


def spellings(channel: str | None, text: str, region: str) -> tuple[str, ...]:
    """Every text under which an opt-out of `text` may stand, the one that the tables keep first."""
    meant = persons_of(channel, text, region)
    texts = [address.text for address in meant]
    texts += [spelling for address in meant for spelling in spellings_of(address.person)]
    return tuple(dict.fromkeys(texts)) or (text.strip(),)


def same_sender_key(sender: str, region: str) -> str:
    return sender_key(sender_text(sender, region))


def in_digits_from(zero: str, number: str) -> str:
    """`number` in the digits of the script whose nought is `zero`."""
    return "".join(chr(ord(zero) + int(digit)) for digit in number)


SPELLINGS = {
    "E.164": "+244912345678",
    "grouped": "+244 912 345 678",
    "without plus": "244912345678",
    "without plus, grouped": "244 912 345 678",
    "international prefix": "00244912345678",
    "international prefix, grouped": "00 244 912 345 678",
    "national": "912345678",
    "national, grouped": "912 345 678",
    "brackets": "(912) 345-678",
    "country in brackets": "(+244) 912 345 678",
    "hyphens": "+244-912-345-678",
    "dots": "+244.912.345.678",
    "middle dots": "+244·912·345·678",
    "slashes": "912/345/678",
    "blank after the plus": "+ 244 912 345 678",
    "blanks around": "  +244912345678 ",
    "tab": "912\t345\t678",
    "newline after": "+244912345678\r\n",
    "full-width digits": in_digits_from("\uff10", "912345678"),
    "full-width, with plus": "\uff0b" + in_digits_from("\uff10", "244912345678"),
    "Arabic digits": in_digits_from("\u0660", "912345678"),
    "mathematical digits": in_digits_from("\U0001d7ce", "912345678"),
    "tel:": "tel:+244912345678",
    "tel: with hyphens": "tel:+244-912-345-678",
    "TEL:": "TEL:912345678",
    "sms:": "sms:+244912345678",
    "whatsapp:": "whatsapp:+244912345678",
    "whatsapp: without plus": "whatsapp:244912345678",
    "Whatsapp: and a blank": "Whatsapp: +244 912 345 678",
    "en dash": "912\u2013345\u2013678",
    "figure dash": "912\u2012345\u2012678",
    "no-break hyphen": "912\u2011345\u2011678",
    "minus sign": "912\u2212345\u2212678",
    "NO-BREAK SPACE": "+244\u00a0912\u00a0345\u00a0678",
    "narrow NO-BREAK SPACE": "+244\u202f912\u202f345\u202f678",
    "NO-BREAK SPACE before": "\u00a0912345678",
    "zero-width space": "\u200b912\u200b345\u200b678",
    "zero-width joiners": "912\u200c345\u200d678",
    "word joiner": "912\u2060345\u2060678",
    "byte order mark": "\ufeff+244912345678",
    "soft hyphens": "912\u00ad345\u00ad678",
    "marks of direction": "\u202a+244 912 345 678\u202c",
    "isolates of direction": "\u2066+244912345678\u2069",
    "mark of direction before a scheme": "\u200etel:912345678",
    "invisible accent": "912\u034f345\ufe0f678",
    "WhatsApp id": "244912345678@s.whatsapp.net",
    "WhatsApp id of old": "244912345678@c.us",
    "WhatsApp id of a device": "244912345678:3@s.whatsapp.net",
    "WhatsApp id of an agent's device": "244912345678.0:3@S.WhatsApp.Net",
    "trunk zero": "+244 (0) 912 345 678",
    "decimal": "912345678.0",
    "decimal with comma": "912345678,00",
    "decimal, without plus": "244912345678.00",
    "quoted": '"+244912345678"',
    "text of a spreadsheet": "'912345678",
    "with a name": "Ana Silva <+244912345678>",
    "with a comma behind": "+244912345678,",
    "a link of Slack": "<tel:+244912345678|+244 912 345 678>",
    "a link with a text": "sms:+244912345678?body=STOP",
}

# Every character that Unicode or Python holds for a blank.
BLANKS = [chr(point) for point in range(0x110000) if chr(point).isspace()]


@pytest.mark.parametrize("channel", sorted([*PHONE_CHANNELS, ""]))
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_number_is_one(spelling: str, channel: str) -> None:
    assert normalise(channel, SPELLINGS[spelling], "AO") == ANA


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


EMAILS = {
    "as it is": "ana.silva@example.com",
    "capitals": "Ana.Silva@Example.COM",
    "blanks around": "\u00a0ana.silva@example.com\u2003\n",
    "zero-width space": "ana.\u200bsilva@example.com",
    "byte order mark": "\ufeffana.silva@example.com",
    "mark of direction": "ana.silva@example.com\u200e",
    "soft hyphen": "ana.silva@exam\u00adple.com",
    "link": "mailto:Ana.Silva@example.com",
    "link with a subject": "MAILTO:ana.silva@example.com?subject=STOP",
    "link with an escape": "mailto:ana%2Esilva@example.com",
    "angle brackets": "<ana.silva@example.com>",
    "name": "A. Silva <ana.silva@example.com>",
    "quoted name": '"Silva, Ana" <ana.silva@example.com>',
    "the address as name": '"ana.silva@example.com" <Ana.Silva@example.com>',
    "comment": "ana.silva@example.com (Ana Silva)",
    "a link of Slack": "<mailto:ana.silva@example.com|ana.silva@example.com>",
    "quotes": '"ana.silva@example.com"',
    "apostrophes": "'ana.silva@example.com'",
    "curly quotes": "\u201cana.silva@example.com\u201d",
    "full stop": "ana.silva@example.com.",
    "comma": "ana.silva@example.com, ",
    "semicolon": "ana.silva@example.com;",
    "full-width": "\uff41\uff4e\uff41\uff0e\uff53ilva\uff20example\uff0ecom",
    "ideographic full stop": "ana.silva@example\u3002com",
    "quoted local part": '"ana.silva"@example.com',
}


@pytest.mark.parametrize("channel", sorted([*CHANNELS, "", "push"]))
@pytest.mark.parametrize("spelling", EMAILS)
def test_every_spelling_of_an_email_address_is_one_on_every_channel(spelling: str, channel: str) -> None:
    assert normalise(channel, EMAILS[spelling], "AO") == "ana.silva@example.com"


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


# What cannot be one address, and why. On a channel of phones as on one that is not known.
UNREADABLE = {
    "": AddressProblem.NO_ADDRESS,
    " \u200b": AddressProblem.NO_ADDRESS,
    "Ana": AddressProblem.NO_ADDRESS,
    "undefined": AddressProblem.NO_ADDRESS,
    "null": AddressProblem.NO_ADDRESS,
    "NULL": AddressProblem.NO_ADDRESS,
    "[object Object]": AddressProblem.NO_ADDRESS,
    "@ana912345678": AddressProblem.NO_ADDRESS,
    "ana912345678": AddressProblem.NO_ADDRESS,
    "0800FLORES": AddressProblem.NO_ADDRESS,
    "tel:ana": AddressProblem.NO_ADDRESS,
    "2.44912E+11": AddressProblem.NO_ADDRESS,
    "912345678\u00b2": AddressProblem.NO_ADDRESS,
    "()": AddressProblem.NO_ADDRESS,
    "12345": AddressProblem.IMPOSSIBLE_NUMBER,
    "91234567": AddressProblem.IMPOSSIBLE_NUMBER,
    "0912345678": AddressProblem.IMPOSSIBLE_NUMBER,
    "+911000005": AddressProblem.IMPOSSIBLE_NUMBER,
    "+2440912345678": AddressProblem.IMPOSSIBLE_NUMBER,
    "22507123456": AddressProblem.IMPOSSIBLE_NUMBER,
    "+999": AddressProblem.IMPOSSIBLE_NUMBER,
    "0" * 40: AddressProblem.IMPOSSIBLE_NUMBER,
    "9" * 1024: AddressProblem.IMPOSSIBLE_NUMBER,
    "1 " * 512: AddressProblem.IMPOSSIBLE_NUMBER,
    "912345678@c.us": AddressProblem.IMPOSSIBLE_NUMBER,
    "912345678/02": AddressProblem.MORE_BEHIND,
    "912345678-1": AddressProblem.MORE_BEHIND,
    "912345678 (2)": AddressProblem.MORE_BEHIND,
    "912345678 / 2 / 3": AddressProblem.MORE_BEHIND,
    "912345678 923000111": AddressProblem.MORE_BEHIND,
    "912345678\n923000111": AddressProblem.MORE_BEHIND,
    "+244912345678-1": AddressProblem.MORE_BEHIND,
    "+244912345678 ext. 5": AddressProblem.MORE_BEHIND,
    "tel:+244912345678;ext=5": AddressProblem.MORE_BEHIND,
    "912345678ana": AddressProblem.MORE_BEHIND,
    "912345678x2": AddressProblem.MORE_BEHIND,
    "912345678,923000111": AddressProblem.SEVERAL,
    "912345678; 912345679": AddressProblem.SEVERAL,
    "+244912345678+244912345679": AddressProblem.SEVERAL,
    "912345678 ou 923000111": AddressProblem.SEVERAL,
    "a@example.com, b@example.com": AddressProblem.SEVERAL,
    "a@example.com;b@example.com": AddressProblem.SEVERAL,
    "b@example.com <a@example.com>": AddressProblem.SEVERAL,
    "912345678 <a@example.com>": AddressProblem.SEVERAL,
    "+24491*****78": AddressProblem.HIDDEN,
    "*****5678": AddressProblem.HIDDEN,
    "+24491\u2022\u2022\u2022\u2022\u202278": AddressProblem.HIDDEN,
    "+24491XXXXX78": AddressProblem.HIDDEN,
    "+24491...78": AddressProblem.HIDDEN,
    "a***@example.com": AddressProblem.HIDDEN,
    "9123456.78": AddressProblem.DECIMAL,
    "912345678.5": AddressProblem.DECIMAL,
    "912 345 678,50": AddressProblem.DECIMAL,
    "123456789012345@lid": AddressProblem.ID_WITHOUT_NUMBER,
    "244912345678-1623456789@g.us": AddressProblem.ID_WITHOUT_NUMBER,
    "status@broadcast": AddressProblem.ID_WITHOUT_NUMBER,
    "\0+244912345678": AddressProblem.UNSTORABLE,
    "\ud800@example.com": AddressProblem.UNSTORABLE,
    "\u00fc@" + "b" * 1024: AddressProblem.UNSTORABLE,
    "\u3300" * 300 + "@example.com": AddressProblem.UNSTORABLE,
}


@pytest.mark.parametrize("channel", ["sms", "email", ""])
@pytest.mark.parametrize("text", UNREADABLE)
def test_what_cannot_be_one_address_is_nobodys_and_says_why(text: str, channel: str) -> None:
    assert read_address(channel, text, "AO") == AddressReading((), UNREADABLE[text])
    assert not can_be_person(channel, text, "AO")
    assert normalise(channel, text, "AO") == text.strip()
    assert not is_address(channel, text.strip())


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
            assert read_address("email", text, "AO") == module._read_whole.__wrapped__("email", text, "AO"), ascii(text)


@patient
@given(channels, addresses, regions)
def test_the_quick_answer_is_the_whole_one(channel: str, text: str, region: str) -> None:
    assert read_address(channel, text, region) == module._read_whole.__wrapped__(channel, text, region)


@patient
@given(channels, addresses, regions)
def test_an_address_that_is_not_blank_never_becomes_blank(channel: str, address: str, region: str) -> None:
    assert normalise(channel, address, region).strip() or not address.strip()


@patient
@given(st.integers(900_000_000, 999_999_999), st.data())
def test_blanks_marks_and_dashes_anywhere_in_a_number_do_not_make_it_another(number: int, data: st.DataObject) -> None:
    marks = [*BLANKS, *(chr(point) for point in range(0x3000) if unicodedata.category(chr(point)) in ("Cf", "Pd"))]
    between = st.text(st.sampled_from(marks), max_size=2)
    spelled = "".join(digit + data.draw(between) for digit in f"+244{number}")
    # A number in no known range may seem to be a known number with something behind it, and is no person's then.
    assert read_address("sms", spelled, "AO").addresses in ((Address(f"+244{number}", f"+244{number}"),), ())
    if module.read_address("sms", f"+244{number}", "AO").addresses and number // 10_000_000 in (91, 92, 93, 94):
        assert normalise("sms", spelled, "AO") == f"+244{number}"


WRITTEN = [*SPELLINGS.values(), "+525512345678", "5215512345678", "+55 11 8123-4567", "5511981234567"]


@pytest.mark.parametrize("text", [*WRITTEN, *sorted(EMAILS.values())])
def test_whoever_is_opted_out_under_one_spelling_is_found_under_every_other(text: str) -> None:
    for one, other in product([*sorted(CHANNELS), ""], repeat=2):
        if "slack" in (one, other) and "@" not in text and "+" not in text:
            continue  # only Slack knows whose that is
        told = read_address(one, text, "AO").addresses[0]
        for spelling in module.spellings_of(told.person):
            assert {told.text, spelling} <= set(spellings(other, text, "AO")), (one, other)
            assert read_address(other, spelling, "AO").addresses[0].person == told.person, (one, other)


@patient
@given(addresses, regions)
@example("tel:912345678", "AO")
def test_who_names_no_channel_asks_for_the_spellings_of_all(address: str, region: str) -> None:
    found = spellings(None, address, region)
    assert found[0] == normalise("", address, region) or not read_address("", address, region).addresses
    for channel in ("", "sms", "email", "slack"):
        for one in read_address(channel, address, region).addresses:
            assert set(module.spellings_of(one.person)) <= set(found)


@patient
@given(addresses, regions)
def test_a_number_that_every_channel_spells_alike_is_one(address: str, region: str) -> None:
    if module.is_spelled_alike(address):
        assert {normalise(of, address, region) for of in ("", "sms", "email", "slack")} == {address}
        assert spellings(None, address, region) == (address,)
        assert is_address(None, address)


def test_what_providers_send_is_spelled_alike_everywhere() -> None:
    assert all(module.is_spelled_alike(number) for number in ("+244912345678", "+351912345678", "+258841234567"))
    assert not any(module.is_spelled_alike(number) for number in ("+5511912345678", "+525512345678", "+541123456789"))
