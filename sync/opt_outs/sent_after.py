"""Reads the view `sent_after_opt_out`: messages with a status later than an opt-out of their address."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Double, Text, column, func, select, table

from models.types import UTCDateTime

_MOMENTS = ("status_at", "opted_out_at", "opt_out_received_at", "opt_out_applied_at")
_TEXTS = (
    "message_id", "channel", "address", "sender", "campaign_id", "status",
    "opt_out_channel", "opt_out_sender", "opt_out_source",
)  # fmt: skip
SENT_AFTER = table(
    "sent_after_opt_out",
    *(column(name, Text()) for name in _TEXTS),
    *(column(name, UTCDateTime()) for name in _MOMENTS),
    column("seconds_after_opt_out", Double()),
)


def latest_sent_after(connection: Connection, *, grace_seconds: int, limit: int) -> list[Mapping[str, Any]]:
    """Return at most `limit` messages, the latest first, that were later than `grace_seconds` after the opt-out."""
    query = select(*SENT_AFTER.c).where(SENT_AFTER.c.seconds_after_opt_out > grace_seconds)
    ordered = query.order_by(SENT_AFTER.c.status_at.desc(), SENT_AFTER.c.message_id).limit(limit)
    return [dict(row) for row in connection.execute(ordered).mappings()]


def count_sent_after(connection: Connection, *, grace_seconds: int) -> int:
    """Return how many there are in all."""
    query = select(func.count()).select_from(SENT_AFTER).where(SENT_AFTER.c.seconds_after_opt_out > grace_seconds)
    return connection.execute(query).scalar_one()
