"""Reads the recorded outages, and says whether one lasts. Changes nothing."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from models.tables import OUTAGES
from sync.provider.outages.losses import KnownOutage
from sync.provider.outages.marks import OutageKind

# The latest ones. An installation has a few in a year, or one with each deploy.
OUTAGES_MAX = 1000


def read_outages(connection: Connection) -> list[KnownOutage]:
    """Return the latest outages that are recorded, OUTAGES_MAX at the most, in the order of their numbers."""
    query = select(OUTAGES).order_by(OUTAGES.c.id.desc()).limit(OUTAGES_MAX)
    rows = connection.execute(query).mappings().all()
    return [
        KnownOutage(number=row["id"], **{name: row[name] for name in row if name != "id"}) for row in reversed(rows)
    ]


def with_current(outages: Sequence[KnownOutage], unreachable_since: datetime | None) -> list[KnownOutage]:
    """Return `outages` with the one that lasts `unreachable_since`, if nobody has recorded that yet."""
    if unreachable_since is None or any(outage.ended_at is None for outage in outages):
        return list(outages)
    lasting = KnownOutage(number=None, began_at=unreachable_since, ended_at=None, kind=OutageKind.NO_PROCESS)
    return [*outages, lasting]
