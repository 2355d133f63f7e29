"""Reads the times that people and files give, and writes them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any


def read_time(text: str) -> datetime | None:
    """Return a time of ISO 8601 as an aware time, in UTC if it names no offset; None if `text` is no time."""
    try:
        time = datetime.fromisoformat(text.strip().upper())
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def iso_text(time: datetime | None) -> str | None:
    """Return an aware time as `read_time` reads it back, to the microsecond if it has any."""
    return None if time is None else time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def row_in_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return `row` with its times as `iso_text` writes them; JSON has no times."""
    return {name: iso_text(value) if isinstance(value, datetime) else value for name, value in row.items()}


_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def lag_text(lag: timedelta) -> str:
    """Return a duration in the two greatest units that say something, and which way it goes."""
    seconds = abs(lag.total_seconds())
    return f"{duration_text(seconds)} {'earlier' if lag < timedelta() else 'later'}"


def duration_text(seconds: float) -> str:
    """Return a duration in the two greatest units that say something."""
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    return " ".join(f"{count} {unit}" for count, unit in greatest_units(seconds))


def greatest_units(seconds: float) -> list[tuple[int, str]]:
    """Return whole seconds in the two greatest units that say something, each with its number."""
    whole, parts = round(seconds), []
    for size, unit in _UNITS:
        count, whole = divmod(whole, size)
        if count:
            parts.append((count, unit))
    return parts[:2]


def time_text(time: datetime | None) -> str:
    """Return an aware UTC time as people read it, to the microsecond if it has any; a dash for none."""
    return "-" if time is None else time.isoformat(sep=" ").replace("+00:00", "Z")
