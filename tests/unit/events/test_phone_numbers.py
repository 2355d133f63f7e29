"""Whose number it is, held to what libphonenumber knows of every region."""

import random
import sqlite3
from functools import cache

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sync.events import phone_numbers as module
from sync.events.address_readings import Address, AddressProblem
from sync.events.addresses import read_address
from sync.events.numbering_plan import is_canonical, quickly_judged, quickly_read
from sync.events.phone_numbers import REGIONS, person_of, read_number, spellings_of
from tests.support.events_builder import patient

EVERY_REGION = sorted(REGIONS)
TYPES = [None, *phonenumbers.PhoneNumberType.values()]
# Of every region an example of every type, by its form in E.164.
NATIONAL = {
    (region, phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)): number
    for region in EVERY_REGION
    for kind in TYPES
    if (
        number := phonenumbers.example_number(region)
        if kind is None
        else phonenumbers.example_number_for_type(region, kind)
    )
}
ABROAD = [
    phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    for code in sorted(phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS)
    if (number := phonenumbers.example_number_for_non_geo_entity(code))
]
EXAMPLES = sorted({number for _, number in NATIONAL} | set(ABROAD))
# Of all pairs of an example and a region one in so many is tried, each region with other numbers. All of them were
# tried once, in 20 seconds, with the same result.
ONE_IN = 20


def people(text: str, region: str) -> list[str]:
    reading = read_number(text, region)
    return [] if isinstance(reading, AddressProblem) else [address.person for address in reading]


# With a cache of its own: hundreds of regions read a number in one way if it begins with a country code.
judged_by_the_library = cache(module.slowly_judged.__wrapped__)


def said_by_the_library(text: str, region: str) -> list[str]:
    """Whose number in plain digits `text` is, without the quick answers."""
    readings = [judged_by_the_library(*reading) for reading in module.possible_readings(text, region)]
    numbers = [reading.number for reading in readings if reading.is_valid] or [
        reading.number for reading in readings if reading.is_possible
    ]
    return list({person_of(number): number for number in reversed(numbers)}.values())[::-1]


def test_the_examples_are_of_every_region() -> None:
    assert {region for region, _ in NATIONAL} == REGIONS
    assert len(EXAMPLES) > 1000


def test_every_number_is_found_under_every_default_region_with_and_without_plus() -> None:
    for place, number in enumerate(EXAMPLES):
        for region in EVERY_REGION[place % ONE_IN :: ONE_IN]:
            assert people(number, region) == [person_of(number)]
            persons = people(number[1:], region)
            assert person_of(number) in persons
            # Another person's too only if that is a valid number of the region.
            assert len(persons) == 1 or all(module.is_valid(text) for text in said_by_the_library(number[1:], region))


def test_every_number_within_its_country_is_found_under_its_own_region() -> None:
    missed = []
    for (region, number), parsed in NATIONAL.items():
        written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
        international = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
        significant = phonenumbers.national_significant_number(parsed)
        for text in (written, significant, international):
            persons = people(text, region)
            assert not persons or person_of(number) in persons
            missed += [] if persons else [(region, text)]
    # With its first nine digits it is a valid number of Bangladesh, and with all of them none.
    assert missed == [("KZ", "8 (808) 123-45-67"), ("RU", "8 (808) 123-45-67")]


def test_what_is_read_quickly_is_what_the_library_reads() -> None:
    for place, number in enumerate(EXAMPLES):
        assert quickly_read(number, "AO") in (None, number)
        for region in EVERY_REGION[place % ONE_IN :: ONE_IN]:
            if quick := quickly_read(number[1:], region):
                assert [quick] == said_by_the_library(number[1:], region)
    for place, (region, parsed) in enumerate((region, parsed) for (region, _), parsed in NATIONAL.items()):
        significant = phonenumbers.national_significant_number(parsed)
        for other in {region, *EVERY_REGION[place % ONE_IN :: ONE_IN]}:
            if quick := quickly_read(significant, other):
                assert [quick] == said_by_the_library(significant, other)


def test_what_is_judged_quickly_is_what_the_library_judges() -> None:
    for place, number in enumerate(EXAMPLES):
        for region in EVERY_REGION[place % ONE_IN :: ONE_IN]:
            assert_judged_alike(number[1:], region)
    for (region, number), parsed in NATIONAL.items():
        assert_judged_alike(number, "")
        assert_judged_alike(phonenumbers.national_significant_number(parsed), region)


def assert_judged_alike(digits: str, region: str) -> None:
    if quick := quickly_judged(digits, region):
        whole = judged_by_the_library(digits, region)
        assert quick.is_valid is whole.is_valid
        assert quick.is_valid or quick.is_possible is whole.is_possible
        assert not quick.is_possible or quick.number == whole.number


codes = st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)).map(str)
every_region = st.sampled_from(EVERY_REGION)
digits = st.one_of(
    st.from_regex(r"[0-9]{2,15}", fullmatch=True),
    st.builds(str.__add__, codes, st.from_regex(r"[0-9]{2,12}", fullmatch=True)),
    st.sampled_from(EXAMPLES).map(lambda number: number[1:]),
    st.builds(lambda number, end: f"{number[1:-2]}{end}", st.sampled_from(EXAMPLES), st.integers(0, 999)),
)


@settings(patient, max_examples=1000)
@given(digits, every_region)
@example("0612345678", "IT")  # an Italian nought is part of the number
@example("07911123456", "GB")  # a British one is not
@example("1481960194", "GG")  # shares its calling code with Great Britain
@example("8107912345678", "RU")  # dialled abroad
@example("0112445550", "US")  # likewise
@example("244912345", "AO")  # it begins with the calling code, and is long enough for a number
@example("0867518326552", "CN")  # no calling code begins with a nought
@example("37580254109976", "AO")  # 80 is dialled within Belarus
@example("910912345", "AO")  # behind India's calling code a nought
@example("997912345", "AO")  # no calling code
@example("5422971530714", "AO")  # 15 behind an area stands for the nine
def test_any_digits_are_read_quickly_as_the_library_reads_them(text: str, region: str) -> None:
    for way in ((text, region), (f"+{text}", "")):
        assert_judged_alike(*way)
    for written in (text, f"+{text}"):
        if quick := quickly_read(written, region):
            assert [quick] == said_by_the_library(written, region)


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("+244912345678", "PT", "+244912345678"),
        ("244912345678", "AO", "+244912345678"),
        ("912345678", "AO", "+244912345678"),
        ("912345678", "PT", "+351912345678"),
        ("351912345678", "AO", "+351912345678"),
        ("258841234567", "MZ", "+258841234567"),
        ("5511912345678", "BR", "+5511912345678"),
    ],
)
def test_the_commonest_forms_are_read_quickly(text: str, region: str, number: str) -> None:
    assert quickly_read(text, region) == number
    assert is_canonical(number)


@pytest.mark.parametrize("region", ["BR", "TJ"])
def test_a_number_dialled_with_00_is_whole_if_its_beginning_is_a_number_of_the_region(region: str) -> None:
    assert people("00447911 123 456", region) == ["+447911123456"]
    for number in EXAMPLES[::4]:
        digits = f"00{number[1:]}"
        for written in (f"{digits[:9]} {digits[9:]}", f"{digits[:-4]}-{digits[-4:]}"):
            assert person_of(number) in people(written, region)


# What stands in cells of spreadsheets behind a number.
GLUED = [".0", ".00", ",00", "/02", "-1", " (2)", " / 7", "  3", " -11", "/1/2", " (1) 2"]


def test_a_number_with_something_behind_it_is_that_persons_or_nobodys() -> None:
    chance = random.Random(14)
    for _ in range(8000):
        number = f"9{chance.choice('1234')}{chance.randrange(10**7):07}"
        behind = chance.choice(GLUED)
        persons = people(number + behind, "AO")
        assert persons == ([f"+244{number}"] if behind in (".0", ".00", ",00") else [])


def test_a_number_of_one_region_with_something_behind_it_is_no_strangers_abroad() -> None:
    for (region, number), parsed in NATIONAL.items():
        significant = phonenumbers.national_significant_number(parsed)
        if len(significant) < 8 or significant[0] == "0" or person_of(number) not in people(significant, region):
            continue
        for behind in ("/02", "-1", " (2)"):
            reading = read_number(significant + behind, region)
            # In some countries a longer number is valid too, and looks the same as a number with an extension.
            assert isinstance(reading, AddressProblem) or all(
                address.person == person_of(number) or module.valid_number(_digits(significant + behind), region)
                for address in reading
            )


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


@pytest.mark.parametrize(
    ("number", "other"),
    [("+525512345678", "+5215512345678"), ("+551181234567", "+5511981234567"), ("+541123456789", "+5491123456789")],
)
def test_two_numbers_of_one_person_by_the_plan_are_one_person(number: str, other: str) -> None:
    assert person_of(other) == person_of(number) == number
    assert spellings_of(number) == (number, other)
    for text in (number, other):
        for region in ("AO", "MX", "BR", "AR", "DE"):
            assert read_address("sms", text, region).addresses == (Address(text, number),)
            assert Address(text, number) in read_address("sms", text[1:], region).addresses


@pytest.mark.parametrize(
    ("text", "region", "person"),
    [
        ("55 1234 5678", "MX", "+525512345678"),
        ("(11) 8123-4567", "BR", "+551181234567"),
        ("(11) 98123-4567", "BR", "+551181234567"),
        ("0 15 11 98123-4567", "BR", "+551181234567"),  # with the number of a carrier
        ("011 15-2345-6789", "AR", "+541123456789"),
        ("9 11 2345-6789", "AR", "+541123456789"),
        ("+54 11 15 2345 6789", "AO", "+541123456789"),
    ],
)
def test_a_number_within_such_a_country_is_folded_too(text: str, region: str, person: str) -> None:
    assert people(text, region) == [person]


# What stands in plain SQL wherever rows of one person are brought together: true of every text that the tables hold.
PERSON_SQL = """
    CASE WHEN length(address) <> 14 OR address LIKE '%@%' THEN address
         WHEN address LIKE '+521%' OR address LIKE '+549%' THEN substr(address, 1, 3) || substr(address, 5)
         WHEN address LIKE '+55__9%' THEN substr(address, 1, 5) || substr(address, 7)
         ELSE address END
"""
OTHER_SPELLING_SQL = """
    CASE WHEN length(person) <> 13 OR person LIKE '%@%' THEN NULL
         WHEN person LIKE '+52%' THEN substr(person, 1, 3) || '1' || substr(person, 4)
         WHEN person LIKE '+54%' THEN substr(person, 1, 3) || '9' || substr(person, 4)
         WHEN person LIKE '+55%' THEN substr(person, 1, 5) || '9' || substr(person, 6) END
"""


def test_sql_says_who_is_one_person_by_prefix_and_length() -> None:
    written = [
        *EXAMPLES,
        "+5215512345678",
        "+5511981234567",
        "+521ab@b.co.mz",
        "+521a@b.co.mz",
        "U012AB3CD",
        "#general",
    ]
    texts = [address.text for text in written for address in read_address("", text, "AO").addresses]
    with sqlite3.connect(":memory:") as database:
        for text in {*texts, *(spelling for address in texts for spelling in spellings_of(person_of(address)))}:
            query = (
                f"SELECT person, {OTHER_SPELLING_SQL} FROM (SELECT {PERSON_SQL} AS person FROM (SELECT ? AS address))"
            )
            person, other = database.execute(query, (text,)).fetchone()
            assert person == person_of(text)
            assert spellings_of(person) == ((person,) if other is None else (person, other))
    database.close()
