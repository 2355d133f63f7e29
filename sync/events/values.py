"""What a single field says: an identifier, or prose for people. Pure."""

import re
from collections.abc import Iterable
from typing import Any

from sync.events.addresses import channel_name
from sync.events.event import Reason, Unreadable

# PostgreSQL keeps at most 2,704 bytes of key in an index page's row; these bounds leave room for any pair.
ID_BYTES_MAX = 1024
NAME_BYTES_MAX = 255
PROSE_CHARACTERS_MAX = 1000

_CHANNEL = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def identity(values: Iterable[Any]) -> str | None:
    """Return the first of `values` that is an identifier: a text that is not blank, or a whole number.

    Raises Unreadable if one is there, but none that can be stored.
    """
    unusable: Unreadable | None = None
    for value in values:
        if value is None:
            continue  # by far the most common, so nothing else is asked
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if isinstance(text, str) and text and not text.isspace():
            try:
                return bounded(text, ID_BYTES_MAX)
            except Unreadable as error:
                unusable = unusable or error
    if unusable:
        raise unusable
    return None


def quick_identity(values: Iterable[str | None]) -> str | None:
    """Return what `identity` does of texts that are short and storable, as the quick decoder's are."""
    for value in values:
        if value and not value.isspace():
            return value
    return None


def usable_identity(values: Iterable[Any]) -> str | None:
    """Return what `identity` does, but None if no identifier can be stored."""
    try:
        return identity(values)
    except Unreadable:
        return None


def bounded(text: str, bytes_max: int) -> str:
    """Return `text`; raise Unreadable if no table could hold it as a key."""
    if text.isascii() and text.isprintable() and len(text) <= bytes_max:
        return text
    if "\0" in text:
        raise Unreadable(Reason.UNSTORABLE_TEXT, "a field that identifies something contains NUL")
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise Unreadable(
            Reason.UNSTORABLE_TEXT, "a field that identifies something contains half a surrogate pair"
        ) from None
    if size > bytes_max:
        raise Unreadable(Reason.TOO_LONG, f"a field that identifies something is over {bytes_max} bytes")
    return text


def prose(value: Any) -> str | None:
    """Return text that is only read by people: cut to size, and cleaned of what no database takes."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(int(value) if value == int(value) else value)
    if not isinstance(value, str) or not value.strip():
        return None
    text = value.strip()[:PROSE_CHARACTERS_MAX]
    if text.isascii() and text.isprintable():
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def channel(value: Any) -> str | None:
    """Return one of the provider's five channels, however it is spelled; another in lower case, if it can be a name."""
    if not isinstance(value, str):
        return None
    if name := channel_name(value):
        return name
    return value.strip().lower() if _CHANNEL.fullmatch(value.strip()) else None
