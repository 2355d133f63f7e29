"""Campaigns: how each went, by what became of its messages; and one: when, why not, and what Zexa counts."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from flask import Response
from sqlalchemy import Connection, exists, literal, select, tuple_, union

from models.tables import CAMPAIGNS, ROLLUP_CAMPAIGNS, ROLLUP_DELTAS
from models.types import KeyText, UTCDateTime
from receiver.console.charts import share_bar, stacked_bars
from receiver.console.language import zone
from receiver.console.pages import Pages, parameter, problem, rendered, stores
from sync.reports.few_campaigns import few_campaigns
from sync.reports.progress import CampaignProgress, report_progress
from sync.reports.provider_counts import ProviderCounts, provider_counts
from sync.reports.reasons import LOOKED_AT, campaign_reasons
from sync.rollups.contribution import FINAL

CAMPAIGNS_ON_A_PAGE = 25
REASONS_SHOWN = 20
# A title says by when so much had ended.
MOST = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoCounts:
    """What Zexa counts beside ours, as the event that completed the campaign says; None is what it does not say."""

    rows: Sequence[tuple[str, int, int | None]]
    missing: int | None


def add_pages(pages: Pages) -> None:
    pages.page("/campaigns", campaigns)
    pages.page("/campaign", campaign)


def campaigns() -> Response:
    """Show those first that anything was last heard of; after them those of which only messages are known."""
    with stores().reader.connect() as connection:
        ids = campaign_ids(connection, after=parameter("after"))
        rows = few_campaigns(connection, ids)
    older = ids[-1] if len(ids) == CAMPAIGNS_ON_A_PAGE else None
    return rendered("campaigns.html", rows=[(row, parts_of(row)) for row in rows], older=older)


def campaign_ids(connection: Connection, *, after: str) -> Sequence[str]:
    """Return ids of campaigns, in the order of their page; `after` is the last of the page before."""
    columns = CAMPAIGNS.c
    key = connection.execute(select(columns.updated_at).where(columns.campaign_id == after)).scalar()
    ids: list[str] = []
    if not after or key is not None:
        query = select(columns.campaign_id)
        if key is not None:
            reached = tuple_(literal(key, UTCDateTime), literal(after, KeyText))
            query = query.where(tuple_(columns.updated_at, columns.campaign_id) < reached)
        ordered = query.order_by(columns.updated_at.desc(), columns.campaign_id.desc()).limit(CAMPAIGNS_ON_A_PAGE)
        ids = list(connection.execute(ordered).scalars())
        after = ""
    return ids + eventless_ids(connection, after=after, limit=CAMPAIGNS_ON_A_PAGE - len(ids))


def eventless_ids(connection: Connection, *, after: str, limit: int) -> list[str]:
    """Return ids of campaigns of which messages are known and no event, in their order."""
    parts = [
        select(table.c.campaign_id).where(
            table.c.campaign_id > after,
            ~exists(select(CAMPAIGNS.c.campaign_id).where(CAMPAIGNS.c.campaign_id == table.c.campaign_id)),
        )
        for table in (ROLLUP_CAMPAIGNS, ROLLUP_DELTAS)
    ]
    campaign_ids = union(*(select(part.order_by("campaign_id").distinct().limit(limit).subquery()) for part in parts))
    return list(connection.execute(campaign_ids.order_by("campaign_id").limit(limit)).scalars()) if limit > 0 else []


def parts_of(row: Mapping[str, Any]) -> Any:
    """Return the bar of a campaign: all that is known of its messages, `silent` ones and unfinished ones last."""
    kinds = [(kind, row[kind] or 0) for kind in (*FINAL, "unfinished")]
    return share_bar(kinds, max(sum(number for _, number in kinds), row["message_total"] or 0))


def campaign() -> Response:
    campaign_id = parameter("id")
    with stores().reader.connect() as connection:
        rows = few_campaigns(connection, [campaign_id])
        if not rows:
            return problem(HTTPStatus.NOT_FOUND)
        row = rows[0]
        failed = row["failed"] + row["undeliverable"]
        reasons = campaign_reasons(connection, campaign_id, limit=REASONS_SHOWN) if failed else ()
        progress = report_progress(
            connection, campaign_id, finalised=row["finalised"], since=row["sent_at"], zone=zone()
        )
        details = connection.execute(select(CAMPAIGNS.c.details).where(CAMPAIGNS.c.campaign_id == campaign_id)).scalar()
    chart = stacked_bars([list(zip(FINAL, step.so_far, strict=True)) for step in progress.steps])
    return rendered(
        "campaign.html",
        row=row,
        parts=parts_of(row),
        failed=failed,
        reasons=reasons,
        looked_at=LOOKED_AT if max(row["failed"], row["undeliverable"]) > LOOKED_AT else None,
        progress=progress,
        most_after=time_until(progress, row),
        chart=chart,
        provider=provider_of(row, details),
    )


def time_until(progress: CampaignProgress, row: Mapping[str, Any]) -> float | None:
    """Return the seconds until MOST of those that ended had ended, from when the campaign was sent or one ended."""
    step = progress.reached(MOST)
    if step is None:
        return None
    begin = min(row["sent_at"] or step.begins_at, progress.steps[0].begins_at)
    return (step.ends_at - begin).total_seconds()


def provider_of(row: Mapping[str, Any], details: str | None) -> TwoCounts | None:
    """Return Zexa's counts beside ours, as the event says that completed the campaign; None if it says none."""
    if details is None or row["status"] != "completed":
        return None
    counts = ProviderCounts()
    with suppress(ValueError, RecursionError):
        document = json.loads(details)
        if isinstance(document, dict):
            counts = replace(provider_counts(document), status=row["status"])
    if counts.finalised is None:
        return None
    named = [("ended", row["finalised"], counts.finalised)]
    named += [(name, row[name], getattr(counts, name)) for name in FINAL]
    return TwoCounts(rows=named, missing=counts.finalised - row["finalised"])
