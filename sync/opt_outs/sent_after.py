"""Reads the view `sent_after_opt_out`: messages with a status later than an opt-out of their address."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from models.statements import is_one_of, slices
from models.views import SENT_AFTER


def latest_sent_after(connection: Connection, *, grace_seconds: float, limit: int) -> list[Mapping[str, Any]]:
    """Return at most `limit` messages, the latest first, that were later than `grace_seconds` after the opt-out."""
    query = select(*SENT_AFTER.c).where(SENT_AFTER.c.seconds_after_opt_out > grace_seconds)
    ordered = query.order_by(SENT_AFTER.c.status_at.desc(), SENT_AFTER.c.message_id).limit(limit)
    return [dict(row) for row in connection.execute(ordered).mappings()]


def count_sent_after(connection: Connection, *, grace_seconds: float) -> int:
    """Return how many there are in all."""
    query = select(func.count()).select_from(SENT_AFTER).where(SENT_AFTER.c.seconds_after_opt_out > grace_seconds)
    return connection.execute(query).scalar_one()


def sent_after_of(connection: Connection, message_ids: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return those of these messages that are later than an opt-out, the latest first.

    Asked by message, the view reads these messages and the statements about their people only.
    """
    rows = [
        dict(row)
        for piece in slices(message_ids)
        for row in connection.execute(
            select(*SENT_AFTER.c).where(is_one_of(connection, SENT_AFTER.c.message_id, piece))
        ).mappings()
    ]
    return sorted(rows, key=lambda row: (row["status_at"], row["message_id"]), reverse=True)
