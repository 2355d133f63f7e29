"""A raw event: a body whose signature was verified, and when it reached us. Not yet parsed.

Raw events travel through the queue as JSON. A body may be any bytes; read as Latin-1 every byte is one
character, so nothing is lost and nothing needs a second encoding.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEvent:
    """`body` is exactly what the provider signed; `received_at` is aware."""

    body: bytes
    received_at: datetime


def to_json(raw_events: Iterable[RawEvent]) -> list[list[str]]:
    """Return `[received_at, body]` pairs that any JSON encoder takes."""
    return [[raw.received_at.isoformat(), raw.body.decode("latin-1")] for raw in raw_events]


def from_json(pairs: Iterable[list[str]]) -> list[RawEvent]:
    """Return the raw events that `to_json` was given."""
    return [
        RawEvent(received_at=datetime.fromisoformat(received_at), body=body.encode("latin-1"))
        for received_at, body in pairs
    ]
