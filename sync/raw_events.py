"""A raw event: a body whose signature was verified, and when it reached us. Not yet parsed.

Raw events travel through the queue as JSON. A body may be any bytes; read as Latin-1 every byte is one
character, so nothing is lost and nothing needs a second encoding.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEvent:
    """`body` is exactly what the provider signed; `received_at` is aware.

    `inbox_id` is the key of the inbox's row that holds the event too, and goes once it is applied.
    """

    body: bytes
    received_at: datetime
    inbox_id: int | None = None


_OPT_OUT = b"message.optout"
_FAILURES = (b"message.failed", b"message.undeliverable")
# JSON may spell any character as an escape, and nobody does so with plain letters but to hide them.
_ESCAPED_LETTER = re.compile(rb"\\u00(?:2[eE]|6[1-9a-fA-F]|7[0-9aA])")


def may_opt_out(body: bytes, *, failures_may: bool) -> bool:
    """Return False only where `body`, as UTF-8 or UTF-16, surely does not say that somebody has opted out.

    The one look that is taken into a body before it is parsed: what may opt out is taken before all that waits.
    `failures_may`: whether some failures opt out too (`Reading.opt_out_failures`).
    """
    if _OPT_OUT in body:
        return True
    if b"\0" in body and may_opt_out(body.replace(b"\0", b""), failures_may=failures_may):
        return True
    if failures_may and any(name in body for name in _FAILURES):
        return True
    return b"\\u00" in body and _ESCAPED_LETTER.search(body) is not None


def to_json(raw_events: Iterable[RawEvent]) -> list[list[Any]]:
    """Return `[received_at, body]`, or `[received_at, body, inbox_id]`, of each, which any JSON encoder takes."""
    return [
        [raw.received_at.isoformat(), raw.body.decode("latin-1"), *([raw.inbox_id] if raw.inbox_id else [])]
        for raw in raw_events
    ]


def from_json(entries: Any) -> list[RawEvent]:
    """Return the raw events that `to_json` was given; raise ValueError where `entries` are none."""
    try:
        raw_events = [
            RawEvent(
                received_at=datetime.fromisoformat(received_at),
                body=body.encode("latin-1"),
                inbox_id=inbox_id[0] if inbox_id else None,
            )
            for received_at, body, *inbox_id in entries
        ]
    except (AttributeError, TypeError, ValueError):
        raise ValueError("no raw events") from None
    if any(raw.received_at.tzinfo is None for raw in raw_events):
        raise ValueError("a raw event without a time zone")
    return raw_events
