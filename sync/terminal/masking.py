"""Masks telephone numbers and e-mail addresses. Pure."""

import re

# A number short enough to be guessed from its first four and last three characters is hidden but for its first one.
_LONG_NUMBER_DIGITS = 11


_EMAIL = re.compile(r"[^\s@\"'<>(),:;]+@[^\s@\"'<>(),:;]+")


_NUMBER = re.compile(r"\+?\d(?:[\s().\-/]{0,2}\d){6,}")


def masked_address(address: str) -> str:
    """Return an address as +244…678, a…@example.com or, of any other kind, its first character."""
    if _NUMBER.fullmatch(address):
        return _masked_number(address)
    if "@" in address[1:]:
        return f"{address[0]}…@{address.rpartition('@')[2]}"
    return f"{address[:1]}…"


def _masked_number(number: str) -> str:
    is_long = sum(character.isdigit() for character in number) >= _LONG_NUMBER_DIGITS
    return f"{number[:4]}…{number[-3:]}" if is_long else f"{number[:1]}…"


def masked_text(text: str) -> str:
    """Return a free text with all that looks like a number or an e-mail address in it masked."""
    without_emails = _EMAIL.sub(lambda match: masked_address(match.group()), text)
    return _NUMBER.sub(lambda match: _masked_number(match.group()), without_emails)
