"""Marks outages as resolved because a person has looked after what they cost. Removes nothing."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, select, update

from models.tables import OUTAGES


class NotToResolve(Exception):  # noqa: N818 - a state, not a mistake
    """An outage that was named is not there, or lasts; the text is one line for a person."""


def resolve(connection: Connection, numbers: Collection[int], *, by: str, reason: str, now: datetime) -> list[int]:
    """Resolve the outages of these numbers, or all that have ended if none is named; return those that were not yet.

    Raises NotToResolve, and changes nothing then.
    """
    rows = connection.execute(select(OUTAGES.c.id, OUTAGES.c.ended_at, OUTAGES.c.resolved_at)).all()
    ended_ids = {row.id for row in rows if row.ended_at is not None}
    for number in numbers:
        if number not in ended_ids:
            lasts = any(row.id == number for row in rows)
            raise NotToResolve(f"outage {number} still lasts" if lasts else f"there is no outage {number}")
    unresolved = [row.id for row in rows if row.id in ended_ids and row.resolved_at is None]
    outage_ids = [number for number in unresolved if not numbers or number in numbers]
    values = {"resolved_by": by, "resolved_reason": reason, "resolved_at": now}
    # Of two people who do so at once the first one is kept.
    still = OUTAGES.c.id.in_(outage_ids), OUTAGES.c.resolved_at.is_(None)
    resolved = connection.execute(update(OUTAGES).where(*still).values(values).returning(OUTAGES.c.id))
    return sorted(resolved.scalars())
