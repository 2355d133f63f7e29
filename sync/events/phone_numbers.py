"""Telephone numbers: whose number is written here? Pure.

What is possible and what is valid is for https://github.com/google/libphonenumber to say. This module decides what a
text may mean, and which numbers are one person.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, takewhile

import phonenumbers

from sync.events.address_readings import Address, AddressProblem
from sync.events.numbering_plan import E164_DIGITS, Judgement, quickly_judged

REGIONS = frozenset(phonenumbers.SUPPORTED_REGIONS)

# What people put between digits. Letters are no part of a number here: libphonenumber would read a user name
# such as @ana912345678 as one.
_BETWEEN = re.compile(r"[\s().\-/\u00b7\u2212]+")
_NUMBER = re.compile(r"\+?[0-9]+")
_TRUNK_ZERO = re.compile(r"\(\s*0\s*\)")
# A spreadsheet that took a number for a quantity writes it so, and a fraction that is nought says nothing.
_WHOLE_QUANTITY = re.compile(r"(\+?[0-9]+)[.,]0{1,2}")
_DECIMAL = re.compile(r"[^.,]*[0-9][^.,]*[.,][0-9]{1,2}")
_DOTS = re.compile(r"\.{2,}")
_NOT_BETWEEN = re.compile(r"[^0-9\s().\-/\u00b7\u2212]+")
_DIGIT = re.compile(r"[0-9]")
# Most of the world dials it before a number abroad, also in lists that are read elsewhere.
_ABROAD = "00"
_DIGITS_OF_A_NUMBER = 7
_SHORT_GROUP_DIGITS = 2
_DIGITS_MAX = 40  # of two numbers in one; there is no need to judge more


def person_of(number: str) -> str:
    """Return the one spelling of a number in E.164 whose country writes it in two ways; any other text as it is.

    Mexico's 1 and Argentina's 9 stand behind the country code, Brazil's 9 behind an area of two digits; each is left
    out. Prefix and length alone decide, so that SQL can say the same; a land line may be taken for a mobile.
    """
    if len(number) != 14 or number[:2] != "+5" or not number[1:].isdecimal():
        return number
    if number[2:4] in ("21", "49"):
        return number[:3] + number[4:]
    return number[:5] + number[6:] if number[2] == "5" and number[5] == "9" else number


def spellings_of(person: str) -> tuple[str, ...]:
    """Return every text that `person_of` makes `person`, that one first."""
    if len(person) != 13 or person[:3] not in _DIGIT_LEFT_OUT or not person[1:].isdecimal():
        return (person,)
    place, digit = _DIGIT_LEFT_OUT[person[:3]]
    return person, f"{person[:place]}{digit}{person[place:]}"


_DIGIT_LEFT_OUT = {"+52": (3, "1"), "+54": (3, "9"), "+55": (5, "9")}


def national_number(number: str) -> str:
    """Return the digits of a number in E.164 without its country code, as people of that country know it."""
    try:
        return phonenumbers.national_significant_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return number.lstrip("+")


def read_number(text: str, default_region: str) -> tuple[Address, ...] | AddressProblem:
    """Return whose number `text` is, which is visible and unwrapped: one person's, or one of two; or why nobody's.

    A number without a plus may be one of `default_region` and one with its country code. Valid readings are taken
    before merely possible ones; if both are alike, both are returned, the region's first.
    """
    plain = text if text.isascii() else _in_ascii(text)
    if quantity := _WHOLE_QUANTITY.fullmatch(plain):
        plain = quantity[1]
    elif _DECIMAL.fullmatch(plain):
        return AddressProblem.DECIMAL
    if _DOTS.search(plain):
        return AddressProblem.HIDDEN
    result: tuple[Address, ...] | AddressProblem = AddressProblem.IMPOSSIBLE_NUMBER
    for written in dict.fromkeys((plain, _TRUNK_ZERO.sub(" ", plain, count=1))):
        groups = [group for group in _BETWEEN.split(written) if group]
        if not _NUMBER.fullmatch("".join(groups)):
            return _why_none(plain)
        is_sure, addresses = _read_groups(groups, default_region)
        if is_sure:
            return addresses
        if result is AddressProblem.IMPOSSIBLE_NUMBER:
            result = addresses
    return result


def is_decimal(text: str) -> bool:
    """Return whether a spreadsheet took a number for a quantity, such as `911000001.0`."""
    plain = text if text.isascii() else _in_ascii(text)
    return _WHOLE_QUANTITY.fullmatch(plain) is not None


def _in_ascii(text: str) -> str:
    """Write every dash and digit of Unicode as ASCII does."""
    return "".join(
        character
        if character.isascii()
        else str(unicodedata.decimal(character))
        if character.isdecimal()
        else "-"
        if unicodedata.category(character) == "Pd"
        else character
        for character in text
    )


def _why_none(text: str) -> AddressProblem:
    numbers = [len(_DIGIT.findall(part)) for part in _NOT_BETWEEN.split(text.lstrip("+ ("))]
    if sum(digits >= _DIGITS_OF_A_NUMBER for digits in numbers) > 1:
        return AddressProblem.SEVERAL
    return AddressProblem.MORE_BEHIND if numbers[0] >= _DIGITS_OF_A_NUMBER else AddressProblem.NO_ADDRESS


def _read_groups(groups: Sequence[str], region: str) -> tuple[bool, tuple[Address, ...] | AddressProblem]:
    """Return whether the digits are a valid number, and whose. `groups` are those that are written together."""
    *joined, whole = accumulate(groups)
    if len(whole) > _DIGITS_MAX:
        return False, AddressProblem.IMPOSSIBLE_NUMBER
    readings = possible_readings(whole, region)
    valid = [valid_number(*reading) for reading in readings]
    # Several short groups at the end may each be something behind. Longer ones are how a number is grouped.
    short = list(takewhile(lambda group: len(group) <= _SHORT_GROUP_DIGITS, reversed(groups[1:])))
    is_from_abroad = whole.startswith(_ABROAD) and valid[-1] is not None
    for beginning in () if is_from_abroad else joined[-max(1, len(short)) :]:
        for number, reading in zip(valid, possible_readings(beginning, region), strict=True):
            if number is None and valid_number(*reading):
                return False, AddressProblem.MORE_BEHIND
    numbers = [number for number in valid if number]
    is_sure = bool(numbers)
    if not is_sure:
        judged = [quickly_judged(*reading) or slowly_judged(*reading) for reading in readings]
        numbers = [judgement.number for judgement in judged if judgement.is_possible]
    persons: dict[str, Address] = {}
    for number in numbers:
        person = person_of(number)
        persons.setdefault(person, Address(number, person))
    return is_sure, tuple(persons.values()) or AddressProblem.IMPOSSIBLE_NUMBER


def possible_readings(digits: str, region: str) -> tuple[tuple[str, str], ...]:
    """Return the ways to read `digits`, each with its region: as a number of it, and with a country code in front."""
    if digits[0] == "+":
        return ((digits, ""),)
    return (digits, region), (f"+{digits.removeprefix(_ABROAD)}", "")


def is_valid(number: str) -> bool:
    """Return whether a number in E.164 lies in a range that is known to be in use."""
    return valid_number(number, "") is not None


def valid_number(digits: str, region: str) -> str | None:
    judged = quickly_judged(digits, region) or slowly_judged(digits, region)
    return judged.number if judged.is_valid else None


@lru_cache(maxsize=4096)
def slowly_judged(digits: str, region: str) -> Judgement:
    """Return what the library says of `digits` as a number of `region`, '' if they begin with a plus.

    Of a number with two spellings it may know one only, so both are asked for.
    """
    try:
        number = phonenumbers.parse(digits, region or None)
    except phonenumbers.NumberParseException:
        return Judgement("", False, False)
    text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    others = [phonenumbers.parse(other) for other in spellings_of(person_of(text)) if other != text]
    return Judgement(
        number=text,
        is_valid=any(phonenumbers.is_valid_number(spelling) for spelling in (number, *others)),
        is_possible=len(text) - 1 in E164_DIGITS and any(_is_possible(spelling) for spelling in (number, *others)),
    )


def _is_possible(number: phonenumbers.PhoneNumber) -> bool:
    # Not `is_possible_number`: it takes a number without its area for a whole one.
    return phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
