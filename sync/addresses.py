"""Normalises addresses: one spelling per person, for writing and for looking up. Pure.

Numbers become E.164 with https://github.com/google/libphonenumber; e-mail addresses are stripped and
casefolded; Slack ids stay as they are. What cannot be read as a number is kept, never dropped.
"""

import re
import unicodedata
from functools import lru_cache

import phonenumbers

REGIONS = frozenset(phonenumbers.SUPPORTED_REGIONS)
PHONE_CHANNELS = frozenset({"sms", "whatsapp", "telegram"})

_SCHEME = re.compile(r"^(?:tel|sms|whatsapp|telegram):", re.IGNORECASE)
# What people put between digits. Letters are no part of a number here: libphonenumber would read a user name
# such as @ana912345678 as one.
_BETWEEN = re.compile(r"[\s().\-/\u00b7\u2212]+")
_NUMBER = re.compile(r"\+?\d+")


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
