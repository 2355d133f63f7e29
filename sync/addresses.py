"""Normalises addresses: one spelling per person, for writing and for looking up. Pure.

Numbers become E.164 with https://github.com/google/libphonenumber; e-mail addresses are stripped and
casefolded; Slack ids stay as they are. What cannot be read as a number is kept, never dropped.
"""

import re
import unicodedata
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
CALLING_CODE_DIGITS_MAX = 3


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
    # What providers send nearly always is one of these two, and parsing costs ten times as much.
    if _INTERNATIONAL.fullmatch(address) and _is_kept(address):
        return address
    if _lacks_only_plus(address, default_region):
        return f"+{address}"
    return _parsed(address, default_region)


def _is_kept(number: str) -> bool:
    """Return True where parsing `number`, plus and digits, would surely give it back as it is."""
    for digits in range(1, CALLING_CODE_DIGITS_MAX + 1):
        if plan := _plan(number[1 : 1 + digits]):
            lengths, prefix = plan
            national = number[1 + digits :]
            # Zeros in front, and what may be a prefix for calls within the country, are for the parser to judge.
            return len(national) in lengths and national[0] != "0" and not (prefix and prefix.match(national))
    return False


def _lacks_only_plus(address: str, region: str) -> bool:
    """Return True where parsing `address` as a number of `region` would surely only put a plus before it.

    It begins with the calling code of the region, is longer than any number within it, and is not dialled abroad.
    """
    own = _own(region)
    if own is None or not _WITHOUT_PLUS.fullmatch(address):
        return False
    calling_code, digits_max, prefix = own
    is_whole = len(address) > digits_max and address.startswith(calling_code) and not prefix.match(address)
    return is_whole and _is_kept(f"+{address}")


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


def _parsed(address: str, default_region: str) -> str | None:
    plain = address if address.isascii() else _plain(address)
    plain = _BETWEEN.sub("", _SCHEME.sub("", plain.strip(), count=1))
    if not _NUMBER.fullmatch(plain):
        return None
    # As a number of the region first; then with the plus that providers leave out.
    return _possible(plain, default_region) or _possible(f"+{plain}", None)


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
    return any(form.fullmatch(normalised) for form in (_INTERNATIONAL, _EMAIL, _SLACK))


def spellings(channel: str | None, address: str, default_region: str) -> tuple[str, ...]:
    """Return every spelling under which an opt-out of `address` may stand, the normalised one first.

    An opt-out is stored as its own channel spells addresses, or, where it names none, as no channel does; so
    whoever asks without a channel asks for the spellings of all of them.
    """
    if _INTERNATIONAL.fullmatch(address) and _is_kept(address):
        return (address,)  # all channels spell it alike
    channels = ("", "sms", "email", "slack") if channel is None else (channel, "")
    return tuple(dict.fromkeys(normalise(one, address, default_region) for one in channels))
