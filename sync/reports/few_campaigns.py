"""The rows of `report_campaigns` of a few campaigns, read by their keys.

SQLite makes the whole view before it leaves any campaign out: with 20,000 of them that takes 25 ms for each row.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, union_all

from models.report_views import REPORT_CAMPAIGNS
from models.tables import CAMPAIGNS, ROLLUP_CAMPAIGNS, ROLLUP_DELTAS
from sync.reports.queries import Row
from sync.rollups.contribution import COUNTS

_NONE = dict.fromkeys(COUNTS, 0)


def few_campaigns(connection: Connection, ids: Collection[str]) -> list[Row]:
    """Return the rows of these campaigns in the order of `ids`, with the columns of the view; none if it has none."""
    events = {
        row["campaign_id"]: row
        for row in connection.execute(select(CAMPAIGNS).where(CAMPAIGNS.c.campaign_id.in_(ids))).mappings()
    }
    counts = _counts(connection, ids)
    rows = (_row(key, events.get(key), counts.get(key, _NONE)) for key in ids if key in events or key in counts)
    return [row for row in rows if row["messages"] or row["campaign_id"] in events]


def _counts(connection: Connection, ids: Collection[str]) -> dict[str, Mapping[str, int]]:
    parts = union_all(
        *(
            select(table.c.campaign_id, *(table.c[name] for name in COUNTS)).where(table.c.campaign_id.in_(ids))
            for table in (ROLLUP_CAMPAIGNS, ROLLUP_DELTAS)
        )
    ).subquery()
    sums = (func.sum(parts.c[name]).label(name) for name in COUNTS)
    query = select(parts.c.campaign_id, *sums).group_by(parts.c.campaign_id)
    rows = connection.execute(query).mappings()
    return {row["campaign_id"]: {name: int(row[name]) for name in COUNTS} for row in rows}


def _row(campaign_id: str, event: RowMapping | None, counts: Mapping[str, int]) -> Row:
    columns: Mapping[str, Any] = dict.fromkeys(CAMPAIGNS.c.keys()) if event is None else dict(event)
    sent_at, completed_at, total = columns["sent_at"], columns["completed_at"], columns["message_total"]
    delivered, finalised = counts["delivered"], sum(counts[name] for name in ("delivered", "failed", "undeliverable"))
    is_counted = columns["status"] == "completed" and total is not None
    values = {
        **{name: columns[name] for name in ("name", "status", "sent_at", "completed_at", "message_total")},
        **counts,
        "campaign_id": campaign_id,
        "channel": columns["channel"] or "",
        "duration_seconds": (completed_at - sent_at).total_seconds() if sent_at and completed_at else None,
        "messages": finalised + counts["unfinished"],
        "finalised": finalised,
        "silent": max(0, total - finalised) if is_counted else None,
        "delivery_rate": delivered / finalised if finalised else None,
        "opt_out_rate": counts["opt_outs"] / delivered if delivered else None,
    }
    return {column.name: values[column.name] for column in REPORT_CAMPAIGNS.columns}
