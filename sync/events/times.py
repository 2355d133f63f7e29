"""Reads times in every form that a body may have them in, and says which of them are none. Pure."""

import email.utils
import re
from datetime import UTC, datetime, timedelta
from typing import Any

# No event of this provider is older: such a time is a broken clock.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
# A time further ahead of the receipt is a broken clock, or a number misread. It would outrank every true one until
# it has come, so it counts as no time.
AHEAD_MAX = timedelta(days=1)
# No time that is stored lies behind this one.
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

_EPOCH = re.compile(r"\d+(?:\.\d*)?", re.ASCII)
# As seconds it would be the year 5138, so a number as great as this one counts milliseconds.
_MILLISECONDS_FROM = 1e11
_EPOCH_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_ZONE_IN_WORDS = re.compile(r"\s*(?:UTC|GMT)$", re.IGNORECASE)
_MIDNIGHT_AS_24 = re.compile(r"(\d{4}-?\d\d-?\d\d[T ])24(?=(?::?00)?(?::?00(?:[.,]0+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?$)")
_LEAP_SECOND = re.compile(r"(\d{4}-?\d\d-?\d\d[T ]\d\d(:?)\d\d\2)60(?=[.,Z+-]|$)")
_RFC_2822 = re.compile(
    r"(?:[A-Z]{3},?\s+)?\d{1,2}\s+[A-Z]{3}[A-Z]*\s+\d{4}\s+\d\d:\d\d(?::\d\d)?"
    # Of a zone that is not known by its name nobody can say which time it is.
    r"(?:\s+(?:[+-]\d{4}|UTC?|GMT|Z|[ECMP][SD]T))?(?:\s+\([^()]*\))?",
    re.IGNORECASE,
)


def read_time(value: Any) -> datetime | None:
    """Read a time in any form that `_text_time` names, or as epoch seconds or milliseconds; None if it is none."""
    if isinstance(value, str):
        if value[4:5] == "-" and value.isascii():  # ISO 8601, as nearly every time is: read as it stands
            try:
                time = datetime.fromisoformat(value)
            except ValueError:
                return _text(value)
            if time.tzinfo is UTC:
                return time if EARLIEST <= time < LATEST else None
        return _text(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return _believed(_epoch_time(value))
        except (ValueError, OverflowError, OSError):
            return None
    return None


def _text(value: str) -> datetime | None:
    try:
        return _believed(_text_time(value.strip()))
    except (ValueError, OverflowError, OSError):
        return None


def _believed(time: datetime) -> datetime | None:
    return time if EARLIEST <= time < LATEST else None


def _epoch_time(number: float) -> datetime:
    if number >= _MILLISECONDS_FROM:
        return _EPOCH_BEGIN + timedelta(milliseconds=number)
    return datetime.fromtimestamp(number, UTC)


def _text_time(text: str) -> datetime:
    """Read ISO 8601, RFC 2822, or epoch seconds or milliseconds. In ISO 8601 no offset means UTC; 24:00:00, a second 60
    and the zone as ` UTC` are read too. Raise ValueError if it is none."""
    if "-" not in text and _EPOCH.fullmatch(text) and len(text) != len("20260624"):
        return _epoch_time(float(text))
    text = text.upper()
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = _unusual_time(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _unusual_time(text: str) -> datetime:
    if _RFC_2822.fullmatch(text):
        return email.utils.parsedate_to_datetime(text)
    text = _ZONE_IN_WORDS.sub("Z", text)
    text, days = _MIDNIGHT_AS_24.subn(r"\g<1>00", text)
    text, seconds = _LEAP_SECOND.subn(r"\g<1>59", text)
    return datetime.fromisoformat(text) + timedelta(days=days, seconds=seconds)
