"""The overview: what became of the messages today and in thirty days, and what needs a person."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from flask import Response
from sqlalchemy import Connection, select

from models.tables import CAMPAIGNS
from receiver.console.charts import share_bar, stacked_bars
from receiver.console.language import zone
from receiver.console.listing import day_parameter
from receiver.console.needs import count_failed_work, held_by_text, needs
from receiver.console.numbers import by_channel, by_day, last_days, since_first, summed, worst_day
from receiver.console.pages import Pages, parameter, problem, rendered, stores
from sync.reports.few_campaigns import few_campaigns
from sync.reports.queries import ReportSelection, Row, report_daily
from sync.status import Latency, Numbers, measure

DAYS = 30
CAMPAIGNS_SHOWN = 5
# With fewer messages in all these days, pages say how to see them with traffic.
FEW_MESSAGES = 10
SENDERS_ON_A_PAGE = 60


def add_pages(pages: Pages) -> None:
    pages.page("/", overview)
    pages.page("/day", day)


def overview() -> Response:
    today = datetime.now(zone()).date()
    days = last_days(today, DAYS)
    channel = parameter("channel")
    with stores().reader.connect() as connection:
        report = report_daily(connection, ReportSelection(since=days[0], until=today))
        running = running_campaigns(connection)
        failed_work = count_failed_work(connection, datetime.now(UTC))
    numbers = measured()
    of_today = [row for row in report.rows if row["day"] == today]
    channels = by_channel(of_today)
    rows = [row for row in report.rows if channel in ("", row["channel"])]
    day_counts, first = since_first(by_day(rows, days))
    most = max((ended.finalised for _, ended in channels), default=0)
    return rendered(
        "overview.html",
        today=today,
        few=FEW_MESSAGES,
        first_day=days[0],
        total=summed(of_today),
        today_parts=share_bar(summed(of_today).parts, summed(of_today).finalised),
        of_days=summed(report.rows),
        of_channel=summed(rows),
        first=first,
        channels=[(name, ended, share_bar(ended.parts, most)) for name, ended in channels],
        days=day_counts,
        chart=stacked_bars([ended.parts for _, ended in day_counts]),
        opt_outs=stacked_bars([[("opt_outs", ended.opt_outs)] for _, ended in day_counts]),
        worst=worst_day(day_counts),
        channel=channel,
        every_channel=[name for name, _ in by_channel(report.rows) if name],
        needs=needs(numbers, failed_work=failed_work),
        numbers=numbers,
        held_by=held_by_text(numbers.freshness.held_by),
        running=running,
    )


def day() -> Response:
    """Show the rows of `report_daily` of one day, which the numbers of the overview are sums of."""
    of_day = day_parameter("day")
    if of_day is None:
        return problem(HTTPStatus.NOT_FOUND)
    channel = parameter("channel") or None
    with stores().reader.connect() as connection:
        rows = report_daily(connection, ReportSelection(since=of_day, until=of_day, channel=channel)).rows
    begin = 1 + next((place for place, row in enumerate(rows) if key_of(row) == parameter("after")), -1)
    page_rows = rows[begin : begin + SENDERS_ON_A_PAGE]
    return rendered(
        "day.html",
        day=of_day,
        channel=channel,
        rows=page_rows,
        total=summed(rows),
        older=key_of(page_rows[-1]) if len(rows) > begin + SENDERS_ON_A_PAGE else None,
        before=of_day - timedelta(days=1),
        after=of_day + timedelta(days=1),
    )


def key_of(row: Mapping[str, Any]) -> str:
    return f"{row['channel']}~{row['sender']}"


def measured() -> Numbers:
    """Return what `zexa-sync status` tells, without what takes long to count."""
    opened = stores()
    return measure(
        opened.reader,
        opened.queue,
        default_region=opened.region,
        secrets=opened.secrets,
        read_latency=_no_latency,
        has_opt_outs=False,
    )


def _no_latency(_connection: Connection) -> Latency | None:
    return None


def running_campaigns(connection: Connection) -> list[Row]:
    """Return the campaigns that were sent last and are not completed, with their counts."""
    sent_campaigns = select(CAMPAIGNS.c.campaign_id).where(CAMPAIGNS.c.status == "sent")
    ids = list(connection.execute(sent_campaigns.order_by(CAMPAIGNS.c.sent_at.desc()).limit(CAMPAIGNS_SHOWN)).scalars())
    return few_campaigns(connection, ids)
