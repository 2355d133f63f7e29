"""The keys of pages, as text for the address of a page: a key says after which row the page begins. Pure."""

import re
from datetime import UTC, datetime

# (), the id of a message, or a time and the id.
Key = tuple[()] | tuple[str] | tuple[datetime, str]

# A part of all that is shown has a name, which may be that of a channel.
_PART = re.compile(r"[A-Za-z0-9_.-]{0,64}")


def key_text(part: str, key: Key) -> str:
    """Return the key of the row `key` in the `part` of all that is shown."""
    at = key[0].astimezone(UTC).isoformat() if key and isinstance(key[0], datetime) else ""
    return "~".join((part, at, str(key[-1]) if key else ""))


def read_key(text: str) -> tuple[str, Key]:
    """Return part and key of what `key_text` made; ("", ()) for any other text."""
    part, *rest = text.split("~", 2)
    if len(rest) < 2 or not _PART.fullmatch(part):
        return "", ()
    at, message_id = rest
    if not at:
        return part, (message_id,) if message_id else ()
    try:
        time = datetime.fromisoformat(at).astimezone(UTC)
    except (ValueError, OverflowError):
        return "", ()
    return part, (time, message_id)
