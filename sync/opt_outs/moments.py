"""Reads the times that people and files give, and writes them."""

from datetime import UTC, datetime


def read_moment(text: str) -> datetime | None:
    """Return a time of ISO 8601 as an aware moment, UTC where it names no offset; None where it is none."""
    try:
        moment = datetime.fromisoformat(text.strip().upper())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def iso_text(moment: datetime | None) -> str | None:
    """Return an aware moment as `read_moment` reads it back, to the microsecond where it has any."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
