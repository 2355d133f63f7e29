"""Reads what an outage may have cost: campaigns that were open, and how many STOPs usually come in such a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from models.report_views import REPORT_CAMPAIGNS
from models.tables import CAMPAIGNS, HISTORY, ROLLUP_DAILY
from sync.provider.outages.losses import KnownOutage, Loss
from sync.provider.outages.retries import Interval

# A campaign that was sent longer ago, and whose completion no event reported, is not taken for one that still runs.
CAMPAIGN_DAYS_MAX = timedelta(days=30)
WEEKS = 4
_WEEK = timedelta(weeks=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCampaign:
    """A campaign that ran in an outage: `silent` of its messages have no final status, None if nobody knows."""

    campaign_id: str
    name: str | None
    sent_at: datetime | None
    completed_at: datetime | None
    message_total: int | None
    silent: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageCost:
    """What is known of an outage. `usual_opt_outs` are the people who opted out in the same hours of earlier weeks.

    The week before comes first; there is none for a week in which nothing was recorded yet.
    """

    loss: Loss
    campaigns: Sequence[OpenCampaign] = ()
    usual_opt_outs: Sequence[int] = ()


def find_cost(connection: Connection, loss: Loss, now: datetime) -> OutageCost:
    """Return what `loss` may have cost; of an outage in which nothing was lost, nothing is asked."""
    if not loss.perhaps:
        return OutageCost(loss=loss)
    return OutageCost(
        loss=loss,
        campaigns=_open_campaigns(connection, loss.outage, now),
        usual_opt_outs=_usual_opt_outs(connection, loss.perhaps),
    )


def _open_campaigns(connection: Connection, outage: KnownOutage, now: datetime) -> list[OpenCampaign]:
    sent_at, completed_at = CAMPAIGNS.c.sent_at, CAMPAIGNS.c.completed_at
    begun = or_(
        and_(sent_at <= (outage.ended_at or now), sent_at >= outage.began_at - CAMPAIGN_DAYS_MAX),
        and_(sent_at.is_(None), completed_at <= outage.began_at + CAMPAIGN_DAYS_MAX),
    )
    ran = select(CAMPAIGNS.c.campaign_id).where(begun, or_(completed_at.is_(None), completed_at >= outage.began_at))
    query = select(REPORT_CAMPAIGNS).where(REPORT_CAMPAIGNS.c.campaign_id.in_(ran))
    rows = connection.execute(query.order_by(REPORT_CAMPAIGNS.c.sent_at, REPORT_CAMPAIGNS.c.campaign_id)).mappings()
    return [_open_campaign(row) for row in rows]


def _open_campaign(row: Any) -> OpenCampaign:
    total = row["message_total"]
    return OpenCampaign(
        campaign_id=row["campaign_id"],
        name=row["name"],
        sent_at=row["sent_at"],
        completed_at=row["completed_at"],
        message_total=total,
        silent=None if total is None else max(0, total - row["finalised"]),
    )


def _usual_opt_outs(connection: Connection, windows: Sequence[Interval]) -> list[int]:
    """Return for each of the last WEEKS weeks how many people opted out in the same hours, as far back as is known."""
    first = connection.execute(select(func.min(ROLLUP_DAILY.c.day))).scalar()
    if first is None:
        return []
    known_from = datetime.combine(_next_day(first), time_of_day(), UTC)
    counts = []
    for weeks in range(1, WEEKS + 1):
        shifted = [(began - weeks * _WEEK, ended - weeks * _WEEK) for began, ended in windows]
        if min(began for began, _ in shifted) >= known_from:
            counts.append(sum(_opt_outs(connection, began, ended) for began, ended in shifted))
    return counts


def _next_day(day: date) -> date:
    return day + timedelta(days=1)


def _opt_outs(connection: Connection, began: datetime, ended: datetime) -> int:
    query = select(func.count(HISTORY.c.person.distinct())).where(
        HISTORY.c.applied_at >= began,
        HISTORY.c.applied_at < ended,
        HISTORY.c.kind == "opted_out",
        HISTORY.c.source.in_(("event", "failure")),
    )
    return connection.execute(query).scalar_one()
