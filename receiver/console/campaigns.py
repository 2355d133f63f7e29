"""Campaigns: how each went, by what became of its messages."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Response
from sqlalchemy import Connection, select, tuple_

from models.report_views import REPORT_CAMPAIGNS
from models.tables import CAMPAIGNS
from receiver.console.charts import share_bar
from receiver.console.pages import Pages, asked, problem, rendered, stores
from sync.reports.queries import ReportSelection, report_failures

CAMPAIGNS_ON_A_PAGE = 25
REASONS_SHOWN = 20


def add_pages(pages: Pages) -> None:
    pages.page("/campaigns", campaigns)
    pages.page("/campaign", campaign)


def campaigns() -> Response:
    with stores().reader.connect() as connection:
        ids = campaign_ids(connection, after=asked("after"))
        rows = [row for campaign_id in ids for row in counts_of(connection, campaign_id)]
    older = ids[-1] if len(ids) == CAMPAIGNS_ON_A_PAGE else None
    return rendered("campaigns.html", rows=[(row, parts_of(row)) for row in rows], older=older)


def campaign_ids(connection: Connection, *, after: str) -> Sequence[str]:
    """Return ids of campaigns, those first that anything was last heard of; `after` is the last of the page before."""
    columns = CAMPAIGNS.c
    query = select(columns.campaign_id)
    if after:
        key = select(columns.updated_at, columns.campaign_id).where(columns.campaign_id == after)
        if row := connection.execute(key).one_or_none():
            query = query.where(tuple_(columns.updated_at, columns.campaign_id) < tuple_(row[0], row[1]))
    ordered = query.order_by(columns.updated_at.desc(), columns.campaign_id.desc()).limit(CAMPAIGNS_ON_A_PAGE)
    return list(connection.execute(ordered).scalars())


def counts_of(connection: Connection, campaign_id: str) -> list[Mapping[str, Any]]:
    query = select(REPORT_CAMPAIGNS).where(REPORT_CAMPAIGNS.c.campaign_id == campaign_id)
    return [dict(row) for row in connection.execute(query).mappings()]


def parts_of(row: Mapping[str, Any]) -> Any:
    """Return the bar of a campaign: all that is known of its messages, `silent` ones and unfinished ones last."""
    kinds = [(kind, row[kind] or 0) for kind in ("delivered", "failed", "undeliverable", "unfinished")]
    return share_bar(kinds, max(sum(number for _, number in kinds), row["message_total"] or 0))


def campaign() -> Response:
    campaign_id = asked("id")
    with stores().reader.connect() as connection:
        rows = counts_of(connection, campaign_id)
        if not rows:
            return problem(HTTPStatus.NOT_FOUND)
        row = rows[0]
        failed = (row["failed"] or 0) + (row["undeliverable"] or 0)
        reasons = report_failures(connection, ReportSelection(campaign_id=campaign_id)).rows if failed else ()
    sums: dict[tuple[str, str], int] = {}
    for reason in reasons:
        key = reason["failure_code"], reason["failure_reason"]
        sums[key] = sums.get(key, 0) + reason["messages"]
    worst = sorted(sums.items(), key=lambda item: (-item[1], item[0]))[:REASONS_SHOWN]
    return rendered("campaign.html", row=row, parts=parts_of(row), reasons=worst, failed=failed)
