"""Normalises addresses: one spelling per person, for writing and for looking up. Pure.

Numbers become E.164 with https://github.com/google/libphonenumber; e-mail addresses are stripped and
casefolded; Slack ids stay as they are. What cannot be read as a number is kept, never dropped.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import phonenumbers

REGIONS = frozenset(phonenumbers.SUPPORTED_REGIONS)
PHONE_CHANNELS = frozenset({"sms", "whatsapp", "telegram"})

_SCHEME = re.compile(r"^(?:tel|sms|whatsapp|telegram):", re.IGNORECASE)
# What people put between digits. Letters are no part of a number here: libphonenumber would read a user name
# such as @ana912345678 as one.
_BETWEEN = re.compile(r"[\s().\-/\u00b7\u2212]+")
_NUMBER = re.compile(r"\+?\d+")
_INTERNATIONAL = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_WITHOUT_PLUS = re.compile(r"[1-9]\d{6,14}", re.ASCII)
_NATIONAL = re.compile(r"[1-9]\d+", re.ASCII)
_PLUS_AND_DIGITS = re.compile(r"\+[1-9]\d{2}", re.ASCII)
_E164_DIGITS = range(7, 16)
_NOTHING = re.compile(r"(?!)")
# A plus, and a calling code has three digits at the most.
_START_CHARACTERS = 4


@lru_cache(maxsize=4096)
def normalise(channel: str, address: str, default_region: str) -> str:
    """Return the one spelling of `address` on `channel` ('' where the channel is not known).

    `default_region` is the ISO 3166 code of numbers without a country code. Normalising twice changes
    nothing. An address on a channel of no fixed kind is read as an e-mail address if it contains an @,
    else as a number if it can be one.
    """
    if channel == "slack":
        return address
    if channel == "email" or (channel not in PHONE_CHANNELS and "@" in address):
        return address.strip().casefold()
    return _e164(address, default_region) or address.strip()


def _e164(address: str, default_region: str) -> str | None:
    if (number := _quickly_read(address, default_region)) is not None:
        return number
    digits = _digits(address)
    if digits is None:
        return None
    return (_quickly_read(digits, default_region) if digits != address else None) or _read(digits, default_region)


def _quickly_read(number: str, default_region: str) -> str | None:
    """Return what parsing would surely make of `number`; None where only that tells.

    What providers send and people write nearly always is one of these, and parsing costs ten times as much.
    """
    if is_spelled_alike(number):
        return number
    if _lacks_only_plus(number, default_region):
        return f"+{number}"
    calling_code = _calling_code(number, default_region)
    return f"+{calling_code}{number}" if calling_code else None


@lru_cache(maxsize=4096)
def _kept(start: str) -> Callable[[str], object]:
    """Return what tells of a number that begins with `start`, a plus and three digits, whether it is in E.164 and
    parsing would surely give it back as it is."""
    if not _PLUS_AND_DIGITS.fullmatch(start):
        return _NOTHING.fullmatch
    for end in range(2, len(start) + 1):
        if plan := _plan(start[1:end]):
            lengths, prefix = plan
            digits = "|".join(rf"\d{{{length}}}" for length in sorted(lengths) if length + end - 1 in _E164_DIGITS)
            # Zeros in front, and what may be a prefix for calls within the country, are for the parser to judge.
            judged = f"0|{prefix.pattern}" if prefix else "0"
            return re.compile(rf"\+{start[1:end]}(?!{judged})(?:{digits})", re.ASCII).fullmatch
    return _NOTHING.fullmatch


def _lacks_only_plus(address: str, region: str) -> bool:
    """Return True where parsing `address` as a number of `region` would surely only put a plus before it.

    It begins with the calling code of the region, is longer than any number within it, and is not dialled abroad.
    """
    own = _own(region)
    if own is None or not _WITHOUT_PLUS.fullmatch(address):
        return False
    calling_code, digits_max, prefix = own
    is_whole = len(address) > digits_max and address.startswith(calling_code) and not prefix.match(address)
    return is_whole and is_spelled_alike(f"+{address}")


@cache
def _own(region: str) -> tuple[str, int, re.Pattern[str]] | None:
    """Return a region's calling code, how long numbers within it may be, and what is dialled before one abroad.

    None where the region shares its calling code and is not the one whose rules hold for all of it.
    """
    code = phonenumbers.country_code_for_region(region)
    if phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ("",))[0] != region:
        return None
    metadata: Any = phonenumbers.PhoneMetadata.metadata_for_region(region)
    lengths = (*metadata.general_desc.possible_length, *metadata.general_desc.possible_length_local_only)
    return str(code), max(lengths), re.compile(metadata.international_prefix or "(?!)")


@cache
def _plan(calling_code: str) -> tuple[frozenset[int], re.Pattern[str] | None] | None:
    """Return how long the numbers of a country may be, and what may stand before them within it."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(calling_code))
    if not regions:
        return None
    metadata: Any = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(int(calling_code), regions[0])
    prefix = metadata.national_prefix_for_parsing
    return frozenset(metadata.general_desc.possible_length), re.compile(prefix) if prefix else None


def _calling_code(digits: str, region: str) -> str | None:
    """Return the calling code of `region` where parsing `digits` as a number of it would surely only put that before.

    Not where they begin with a nought, with the calling code itself, or with what is dialled before a number.
    """
    own = _own_plan(region)
    if own is None or not _NATIONAL.fullmatch(digits):
        return None
    calling_code, lengths, before = own
    return calling_code if len(digits) in lengths and not before.match(digits) else None


@cache
def _own_plan(region: str) -> tuple[str, frozenset[int], re.Pattern[str]] | None:
    """Return a region's calling code, how long its numbers may be, and what may stand before them, as `_own` does."""
    own = _own(region)
    plan = _plan(own[0]) if own else None
    if own is None or plan is None:
        return None
    calling_code, _, abroad = own
    lengths, prefix = plan
    before = [calling_code, abroad.pattern, *([prefix.pattern] if prefix else [])]
    return calling_code, lengths, re.compile("|".join(f"(?:{one})" for one in before))


def _parsed(address: str, default_region: str) -> str | None:
    digits = _digits(address)
    return None if digits is None else _read(digits, default_region)


def _digits(address: str) -> str | None:
    """Return a number without what people put between its digits; None where it is none."""
    plain = address if address.isascii() else _plain(address)
    plain = _BETWEEN.sub("", _SCHEME.sub("", plain.strip(), count=1))
    return plain if _NUMBER.fullmatch(plain) else None


@lru_cache(maxsize=4096)
def _read(digits: str, default_region: str) -> str | None:
    # As a number of the region first; then with the plus that providers leave out.
    return _possible(digits, default_region) or _possible(f"+{digits}", None)


def _plain(text: str) -> str:
    """Replace what documents and keyboards make of a number: wide digits, dashes, invisible marks."""
    characters = [(character, unicodedata.category(character)) for character in unicodedata.normalize("NFKC", text)]
    return "".join("-" if category == "Pd" else character for character, category in characters if category != "Cf")


def _possible(text: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


ADDRESS_BYTES_MAX = 1024
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_SLACK = re.compile(r"[A-Z][A-Z0-9]{2,}", re.ASCII)
_ANY_ADDRESS = re.compile(f"(?a:{_INTERNATIONAL.pattern})|{_EMAIL.pattern}|(?a:{_SLACK.pattern})")


def is_storable(address: str) -> bool:
    """Return whether `address` could stand in a table at all: not blank, not endless, and text to any database."""
    if address.isascii() and len(address) <= ADDRESS_BYTES_MAX:
        return "\0" not in address and not address.isspace() and bool(address)
    try:
        return len(address.encode()) <= ADDRESS_BYTES_MAX and "\0" not in address and bool(address.strip())
    except UnicodeEncodeError:
        return False


def is_address(channel: str | None, normalised: str) -> bool:
    """Return whether messages on `channel` (None: on any) can be sent to `normalised`, by its form alone."""
    if channel in PHONE_CHANNELS:
        return _INTERNATIONAL.fullmatch(normalised) is not None
    if channel == "email":
        return _EMAIL.fullmatch(normalised) is not None
    if channel == "slack":
        return bool(normalised.strip())
    return _ANY_ADDRESS.fullmatch(normalised) is not None


def spellings(channel: str | None, address: str, default_region: str) -> tuple[str, ...]:
    """Return every spelling under which an opt-out of `address` may stand, the normalised one first.

    An opt-out is stored as its own channel spells addresses, or, where it names none, as no channel does; so
    whoever asks without a channel asks for the spellings of all of them.
    """
    if is_spelled_alike(address):
        return (address,)
    if channel is not None:
        return tuple(dict.fromkeys(normalise(one, address, default_region) for one in (channel, "")))
    # Those of no channel, sms, email and slack, with the number read once.
    plain = address.strip()
    email = plain.casefold()
    number = _e164(address, default_region) or plain
    return tuple(dict.fromkeys((email if "@" in address else number, number, email, address)))


def is_spelled_alike(address: str) -> bool:
    """Return whether `address` is a number that every channel spells as it is."""
    return _kept(address[:_START_CHARACTERS])(address) is not None
