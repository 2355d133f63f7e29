"""Reads what people, documents and protocols wrap around an address: invisible marks, schemes, quotes, names. Pure."""

import re
import unicodedata
from urllib.parse import unquote

# Format characters (category Cf) show nothing, nor do these, which Unicode counts as letters and accents.
_ALSO_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
QUOTES = "\"'`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2039\u203a\u00ab\u00bb"
_QUOTED_LOCAL_PART = re.compile(r'"[^"@]+"@')
_AT_THE_END = ".,;:\u3002"
_SCHEME = re.compile(r"(?:mailto|tel|smsto|sms|whatsapp|telegram):(?://)?", re.IGNORECASE)
_AFTER_A_LINK = re.compile(r"[?|].*", re.DOTALL)
_IN_BRACKETS = re.compile(r"<([^<>]*)>|\(([^()]*)\)|\[([^\[\]]*)\]")
_NAMED = re.compile(r"([^<>]+)<([^<>]+)>")
_COMMENTED = re.compile(r"([^\s@]+@[^\s@()]+)\s*\([^()@]*\)")
_DIGITS_OF_A_NUMBER = 7
# What a table takes as an address, or as a name or a reason.
ADDRESS_BYTES_MAX = 1024


def visible(text: str) -> str:
    """Return `text` in Unicode's form NFKC, without marks that show nothing and without blanks around it."""
    if text.isascii():
        return text.strip()
    return _without_marks(unicodedata.normalize("NFKC", _without_marks(text))).strip()


def _without_marks(text: str) -> str:
    text = _ALSO_INVISIBLE.sub("", text)
    return "".join(character for character in text if unicodedata.category(character) != "Cf")


def unwrap(text: str) -> str:
    """Return the address within `text`, which is visible: without scheme, quotes, brackets, or a name before it.

    A name that could itself be another address stays, so that nobody takes the whole for one address.
    """
    while (inner := _without_one_wrapper(text)) != text:
        text = inner
    return text


def _without_one_wrapper(text: str) -> str:
    text = text.strip().rstrip(_AT_THE_END).rstrip()
    if not _QUOTED_LOCAL_PART.match(text):
        text = text.strip(QUOTES)
    if scheme := _SCHEME.match(text):
        link = _AFTER_A_LINK.sub("", text[scheme.end() :])
        return unquote(link, errors="ignore") if scheme[0][0] in "mM" else link
    if whole := _IN_BRACKETS.fullmatch(text):
        return next(inner for inner in whole.groups() if inner is not None)
    if (named := _NAMED.fullmatch(text)) and not _may_be_another(named[1], named[2]):
        return named[2]
    commented = _COMMENTED.fullmatch(text)
    return commented[1] if commented else text


def _may_be_another(name: str, address: str) -> bool:
    digits = sum(character.isdigit() for character in name)
    is_number = digits >= _DIGITS_OF_A_NUMBER and not any(character.isalpha() for character in name)
    return (is_number or "@" in name) and unwrap(name).casefold() != unwrap(address).casefold()


def is_storable(address: str) -> bool:
    """Return whether `address` could stand in a table at all: not blank, not endless, and text to any database."""
    if address.isascii() and len(address) <= ADDRESS_BYTES_MAX:
        return "\0" not in address and not address.isspace() and bool(address)
    try:
        return len(address.encode()) <= ADDRESS_BYTES_MAX and "\0" not in address and bool(address.strip())
    except UnicodeEncodeError:
        return False
