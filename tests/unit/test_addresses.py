"""One spelling per person: a STOP under one spelling must be found under every other."""

import unicodedata

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sync import addresses as module
from sync.addresses import PHONE_CHANNELS, normalise
from tests.events_builder import ANA, patient


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


@pytest.mark.parametrize("channel", ["email", ""])
@pytest.mark.parametrize(
    "spelling",
    ["ana.silva@example.com", "Ana.Silva@Example.COM", " ana.silva@example.com\n", "\u00a0ANA.SILVA@EXAMPLE.COM\u2003"],
)
def test_an_email_address_is_one_in_any_case_and_between_any_blanks(channel: str, spelling: str) -> None:
    assert normalise(channel, spelling, "AO") == "ana.silva@example.com"


def test_an_email_address_is_otherwise_as_it_was_given() -> None:
    assert normalise("email", "912345678@example.com", "AO") == "912345678@example.com"
    assert normalise("email", "João.Ñandú@Example.com", "AO") == "joão.ñandú@example.com"
    assert normalise("email", "ana+news@example.com", "AO") == "ana+news@example.com"
    assert normalise("email", "912345678", "AO") == "912345678"


@pytest.mark.parametrize(
    "address", ["C024BE91L", "c024be91l", "#General", " U012AB3CD ", "912345678", "Ana@Example.com"]
)
def test_a_slack_id_is_untouched(address: str) -> None:
    assert normalise("slack", address, "AO") == address


@pytest.mark.parametrize("channel", sorted(PHONE_CHANNELS))
@pytest.mark.parametrize(
    "address",
    [
        "@ana912345678",
        "ana912345678",
        "912345678ana",
        "+244912345678 ext. 5",
        "91234567O",
        "0800FLORES",
        "tel:ana",
        "912345678,923000111",
        "912345678;912345679",
        "+244912345678+244912345679",
        "x912345678",
    ],
)
def test_what_holds_more_than_a_number_is_kept_and_not_read_as_one(channel: str, address: str) -> None:
    assert normalise(channel, address, "AO") == address


@pytest.mark.parametrize(
    "address", ["", "12345", "9", "+", "()", "-", "tel:", "0" * 40, "9" * 1024, "+999", "Ana", "\u200b"]
)
def test_what_can_be_no_number_is_kept(address: str) -> None:
    assert normalise("sms", address, "AO") == address


def test_what_can_be_no_number_is_kept_without_the_blanks_around_it() -> None:
    assert normalise("sms", " ZEXA ", "AO") == normalise("", "ZEXA\u00a0", "AO") == "ZEXA"


channels = st.sampled_from(["sms", "whatsapp", "telegram", "email", "slack", "", "push"])
regions = st.sampled_from(["AO", "PT", "US", "IT", "RU", "GB"])
# Much that nearly is a number: digits of many scripts, signs, blanks, marks, and letters now and then.
nearly_numbers = st.text(
    st.sampled_from("0123456789+()-./· \t\u00a0\u1680\u2028\u200b\u200e\u2013\u2212\uff19\u0669²①ªtel:x@\ud800\0"),
    max_size=24,
)
addresses = st.one_of(st.text(st.characters(codec=None)), nearly_numbers, st.sampled_from(sorted(SPELLINGS.values())))


@patient
@given(channels, addresses, regions)
@example("", "İ@EXAMPLE.COM", "AO")
@example("sms", "tel: tel:912345678", "AO")
@example("sms", "tel:  ", "AO")
def test_normalising_twice_changes_nothing(channel: str, address: str, region: str) -> None:
    once = normalise(channel, address, region)
    assert normalise(channel, once, region) == once


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
    assert normalise("sms", spelled, "AO") == f"+244{number}"


CALLING_CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
codes = st.sampled_from(CALLING_CODES).map(str)
local = st.from_regex(r"[0-9]{3,12}", fullmatch=True)


@given(st.sampled_from(CALLING_CODES), st.from_regex(r"[0-9]{3,13}", fullmatch=True), regions)
@example(244, "912345678", "AO")
@example(39, "0612345678", "AO")  # an Italian nought is part of the number
@example(44, "07911123456", "AO")  # a British one is not
@example(54, "91123456789", "AO")  # nor is an Argentinian nine
@example(1, "12015550123", "US")
@example(54, "22971530714", "AO")  # 15 behind an area stands for the nine
@example(375, "80254109976", "AO")  # 80 is dialled within Belarus
@settings(max_examples=1000)
def test_a_number_that_is_kept_without_parsing_is_one_that_parsing_keeps(code: int, national: str, region: str) -> None:
    number = f"+{code}{national}"
    if module.is_spelled_alike(number):
        assert module._parsed(number, region) == number


def test_what_providers_send_is_kept_without_parsing() -> None:
    assert all(module.is_spelled_alike(number) for number in ("+244912345678", "+351912345678", "+258841234567"))


every_region = st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS))


@given(every_region, st.from_regex(r"[0-9]{3,13}", fullmatch=True), st.booleans())
@example("AO", "912345678", True)
@example("GB", "07911123456", True)
@example("GG", "1481960194", True)  # shares its calling code with Great Britain
@example("RU", "8107912345678", False)  # dialled abroad
@settings(max_examples=2000)
def test_a_number_that_is_only_given_a_plus_is_one_that_parsing_only_gives_one(
    region: str, digits: str, begins_with_code: bool
) -> None:
    if begins_with_code:
        digits = f"{phonenumbers.country_code_for_region(region)}{digits}"
    if module._lacks_only_plus(digits, region):
        assert module._parsed(digits, region) == f"+{digits}"


@pytest.mark.parametrize(
    ("number", "region"), [("244912345678", "AO"), ("258841234567", "MZ"), ("5511912345678", "BR")]
)
def test_what_providers_send_without_plus_is_given_one_without_parsing(number: str, region: str) -> None:
    assert module._lacks_only_plus(number, region)


@given(
    every_region,
    st.one_of(st.from_regex(r"[0-9]{2,15}", fullmatch=True), st.builds(str.__add__, codes, local)),
)
@example("AO", "912345678")
@example("AO", "244912345")  # it begins with the calling code, and is long enough for a number
@example("IT", "0612345678")
@example("US", "2025550123")
@example("US", "12025550123")
@example("US", "0112445550")  # what is dialled before a number abroad
@example("BR", "11912345678")
@settings(patient, max_examples=1000)
def test_a_number_that_only_gets_its_calling_code_is_one_that_parsing_gives_it(region: str, digits: str) -> None:
    if calling_code := module._calling_code(digits, region):
        assert module._parsed(digits, region) == f"+{calling_code}{digits}"


def test_what_people_write_within_their_country_is_read_without_parsing() -> None:
    assert [module._calling_code("912345678", region) for region in ("AO", "PT")] == ["244", "351"]
    assert module._calling_code("841234567", "MZ") == "258"
    assert module._calling_code("11912345678", "BR") == "55"
    assert module._calling_code("912345678", "KZ") is None  # shares a calling code that is not its own


@patient
@given(st.one_of(addresses, st.builds("+{}{}".format, codes, local)), regions)
def test_a_number_that_every_channel_spells_alike_is_one(address: str, region: str) -> None:
    if module.is_spelled_alike(address):
        assert {module.normalise(of, address, region) for of in ("", "sms", "email", "slack")} == {address}
        assert module.is_address(None, address)


@patient
@given(addresses, regions)
@example("tel:912345678", "AO")
def test_who_names_no_channel_asks_for_the_spellings_of_all(address: str, region: str) -> None:
    of_all = [module.normalise(channel, address, region) for channel in ("", "sms", "email", "slack")]
    assert module.spellings(None, address, region) == tuple(dict.fromkeys(of_all))
