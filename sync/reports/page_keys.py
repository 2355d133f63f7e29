"""The keys of pages, as text for the address of a page: a key says after which row the page begins. Pure."""

from datetime import UTC, datetime

# (), the id of a message, or a time and the id.
Key = tuple[()] | tuple[str] | tuple[datetime, str]


def key_text(part: int, key: Key) -> str:
    """Return the key of the row `key` in the `part` of all that is shown."""
    at = key[0].astimezone(UTC).isoformat() if key and isinstance(key[0], datetime) else ""
    return "~".join((str(part), at, str(key[-1]) if key else ""))


def read_key(text: str) -> tuple[int, Key]:
    """Return part and key of what `key_text` made; (0, ()) for any other text."""
    number, _, rest = text.partition("~")
    at, _, message_id = rest.partition("~")
    if not (number.isascii() and number.isdigit() and len(number) < 4):
        return 0, ()
    if not at:
        return int(number), (message_id,) if message_id else ()
    try:
        time = datetime.fromisoformat(at).astimezone(UTC)
    except (ValueError, OverflowError):
        return 0, ()
    return int(number), (time, message_id)
