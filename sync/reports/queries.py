"""The questions people ask of delivery, for all code that shows the answers. Reads the views; changes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, and_, or_, select

from models.report_views import REPORT_CAMPAIGNS, REPORT_DAILY, REPORT_FAILURES, REPORT_LAG, REPORT_OPT_OUTS
from models.tables import MESSAGES
from sync.reports import counting
from sync.rollups.recount import stored_timezone

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSelection:
    """Which rows are asked for: days from `since` to and with `until`, a channel, a campaign; None is any."""

    since: date | None = None
    until: date | None = None
    channel: str | None = None
    campaign_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Rows with the columns of the view of this name; days are those of `timezone`, times are aware UTC."""

    name: str
    timezone: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def report_daily(connection: Connection, selection: ReportSelection) -> Report:
    """How the messages of each day ended, by channel and sender; of a campaign counted from its messages."""
    query = select(REPORT_DAILY)
    if selection.campaign_id is not None:
        query = counting.daily(MESSAGES.c.campaign_id == selection.campaign_id)
    return _report(connection, REPORT_DAILY, _of_days(query, selection))


def report_failures(connection: Connection, selection: ReportSelection) -> Report:
    """Why messages failed, by day; of a campaign counted from its messages. The caller masks the reasons."""
    query = select(REPORT_FAILURES)
    within = within_days(connection, MESSAGES.c.status_at, selection)
    if selection.campaign_id is not None:
        query = counting.failures(MESSAGES.c.campaign_id == selection.campaign_id)
    elif within is not None:
        query = counting.failures(within)
    return _report(connection, REPORT_FAILURES, _of_days(query, selection))


def report_opt_outs(connection: Connection, selection: ReportSelection) -> Report:
    """How many people opted out on each day, and by which way. For a campaign see `report_campaigns`."""
    return _report(connection, REPORT_OPT_OUTS, _of_days(select(REPORT_OPT_OUTS), selection))


def report_campaigns(connection: Connection, selection: ReportSelection) -> Report:
    """The state of each campaign that was sent in the days asked for, or of which that is not known."""
    time = REPORT_CAMPAIGNS.c.sent_at
    conditions = [
        or_(time.is_(None), within) for within in [within_days(connection, time, selection)] if within is not None
    ]
    if selection.channel is not None:
        conditions.append(REPORT_CAMPAIGNS.c.channel == selection.channel)
    if selection.campaign_id is not None:
        conditions.append(REPORT_CAMPAIGNS.c.campaign_id == selection.campaign_id)
    query = select(REPORT_CAMPAIGNS).where(and_(True, *conditions))
    return _report(
        connection, REPORT_CAMPAIGNS, query.order_by(time.desc().nulls_last(), REPORT_CAMPAIGNS.c.campaign_id)
    )


def report_lag(connection: Connection, selection: ReportSelection) -> Report:
    """How long events took from the provider to the tables, by the hour in which they were received."""
    within = within_days(connection, REPORT_LAG.c.hour, selection)
    query = select(REPORT_LAG) if within is None else select(REPORT_LAG).where(within)
    return _report(connection, REPORT_LAG, query.order_by(REPORT_LAG.c.hour))


REPORTS: Mapping[str, Callable[[Connection, ReportSelection], Report]] = {
    "daily": report_daily,
    "campaigns": report_campaigns,
    "failures": report_failures,
    "opt-outs": report_opt_outs,
    "lag": report_lag,
}


def _report(connection: Connection, view: Table, query: Select[Any]) -> Report:
    columns = tuple(column.name for column in view.columns)
    return Report(
        name=view.name,
        timezone=stored_timezone(connection) or "UTC",
        columns=columns,
        # For ten thousand campaigns, mappings would cost as much time as the query.
        rows=tuple(dict(zip(columns, row, strict=True)) for row in connection.execute(query)),
    )


def _of_days(query: Select[Any], selection: ReportSelection) -> Select[Any]:
    columns = query.selected_columns
    conditions: list[ColumnElement[bool]] = []
    if selection.since is not None:
        conditions.append(columns["day"] >= selection.since)
    if selection.until is not None:
        conditions.append(columns["day"] <= selection.until)
    if selection.channel is not None:
        conditions.append(columns["channel"] == selection.channel)
    # In the order of their columns, so that the same question gets the same answer.
    return query.where(*conditions).order_by(*list(columns)[:4])


def within_days(connection: Connection, time: Column[Any], selection: ReportSelection) -> ColumnElement[bool] | None:
    """Return the condition that `time` lies in the days asked for, as reports count days; None if any time does."""
    begin, end = day_bounds(connection, selection)
    conditions = []
    if begin is not None:
        conditions.append(time >= begin)
    if end is not None:
        conditions.append(time < end)
    return and_(*conditions) if conditions else None


def day_bounds(connection: Connection, selection: ReportSelection) -> tuple[datetime | None, datetime | None]:
    """Return when the first day begins and when the last one has ended, UTC; None if any time does."""
    zone = ZoneInfo(stored_timezone(connection) or "UTC")
    begin = None if selection.since is None else _begin_of(selection.since, zone)
    return begin, None if selection.until is None else _begin_of(selection.until + timedelta(days=1), zone)


def _begin_of(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
