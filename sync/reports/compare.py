"""Puts the provider's counts of each campaign beside ours, and says which messages have no end known here."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import click
from sqlalchemy import Engine, func, not_, or_, select

from models.tables import MESSAGES
from sync.provider.client import ProviderClient
from sync.provider.errors import ProviderError, ProviderFailure
from sync.reports.provider_counts import ProviderCounts, provider_counts
from sync.reports.queries import Report, Row
from sync.rollups.contribution import FINAL
from sync.settings.provider import ProviderSettings
from sync.terminal.progress import progress
from sync.terminal.stores import database

IDS_MAX = 1000
IDS_SHOWN = 5
UNKNOWN = "Zexa does not know it, or not with this key"
NONE_KNOWN = (
    "Zexa knows none of these campaigns: check that ZEXA_API_URL ends with /v1 as in https://api.zexa.ao/v1 or is "
    "unset, and that ZEXA_API_KEY is of the account"
)
COMPARED = (
    *("provider_status", "provider_total", "provider_delivered", "provider_failed", "provider_undeliverable"),
    *("silent_since", "silent_ids", "compared"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Messages without a final status: since when nothing came, and the ids of those that are known here."""

    since: datetime | None = None
    ids: tuple[str, ...] = ()


def compared_with_provider(report: Report) -> Report:
    """Return `compare` of the database and the provider of the environment; say in one line why that fails."""
    settings = ProviderSettings.read(os.environ)
    with (
        database(is_read_only=True) as engine,
        ProviderClient(settings) as client,
        progress("campaigns", len(report.rows)) as advance,
    ):
        try:
            compared = compare(report, engine, client, advance)
        except ProviderError as error:
            raise click.ClickException(str(error)) from None
    if report.rows and all(row["compared"] == UNKNOWN for row in compared.rows):
        click.echo(NONE_KNOWN, err=True)
    return compared


def compare(report: Report, engine: Engine, client: ProviderClient, advance: Callable[[int], None]) -> Report:
    """Return `report`, of campaigns, with the columns of COMPARED; `advance` is told of each campaign.

    A row's `is_lacking`, which is no column, says that the campaign is completed there, and not all of it here.

    Raises ProviderError if the provider cannot be asked. A campaign that it does not know is no error.
    """
    rows = []
    for row in report.rows:
        counts = _asked(client, row["campaign_id"])
        silence = _silence(engine, row) if counts and _missing(row, counts) else Silence()
        rows.append(_compared(row, counts, silence))
        advance(1)
    return replace(report, columns=(*report.columns, *COMPARED), rows=tuple(rows))


def _asked(client: ProviderClient, campaign_id: str) -> ProviderCounts | None:
    try:
        return provider_counts(client.get_campaign(campaign_id).document)
    except ProviderError as error:
        if error.failure is not ProviderFailure.NOT_FOUND:
            raise
        return None


def _missing(row: Row, counts: ProviderCounts) -> int:
    """Return how many final statuses the provider has and we have not; below 0 if it is the other way."""
    return 0 if counts.finalised is None else counts.finalised - row["finalised"]


def _silence(engine: Engine, row: Row) -> Silence:
    columns = MESSAGES.c
    of_campaign = columns.campaign_id == row["campaign_id"]
    is_unfinished = or_(columns.status.is_(None), not_(columns.status.in_(FINAL)))
    with engine.connect() as connection:
        ids = connection.execute(
            select(columns.message_id).where(of_campaign, is_unfinished).order_by(columns.message_id).limit(IDS_MAX)
        )
        last = select(func.max(columns.status_at)).where(of_campaign)
        since = row["completed_at"] or connection.execute(last).scalar()
        return Silence(since=since, ids=tuple(ids.scalars()))


def _compared(row: Row, counts: ProviderCounts | None, silence: Silence) -> Row:
    provider_counts = counts or ProviderCounts()
    return {
        **row,
        "provider_status": provider_counts.status,
        "provider_total": provider_counts.total,
        **{f"provider_{name}": getattr(provider_counts, name) for name in FINAL},
        "silent_since": silence.since,
        "silent_ids": " ".join(silence.ids),
        "compared": compared_text(row, counts, silence),
        "is_lacking": provider_counts.is_completed and _missing(row, provider_counts) > 0,
    }


def compared_text(row: Row, counts: ProviderCounts | None, silence: Silence) -> str:
    """Return both counts of messages with a final status, and what is missing."""
    if counts is None:
        return UNKNOWN
    if counts.finalised is None:
        total = "" if counts.total is None else f" of {counts.total:,}"
        return f"ours {row['finalised']:,}{total}; Zexa's answer has no count that is known here"
    text = f"ours {row['finalised']:,}, Zexa {counts.finalised:,}"
    missing = _missing(row, counts)
    if missing < 0:
        return f"{text}; {-missing:,} more here"
    return f"{text}; {_silent_text(missing, silence)}" if missing else text


def _silent_text(missing: int, silence: Silence) -> str:
    since = f" since {silence.since:%Y-%m-%d %H:%MZ}" if silence.since else ""
    if not silence.ids:
        return f"{missing:,} silent{since}, none of their ids known here"
    ids_text = ", ".join(silence.ids[:IDS_SHOWN])
    more = len(silence.ids) - IDS_SHOWN
    return f"{missing:,} silent{since}: {ids_text}" + (f" and {more:,} more" if more > 0 else "")
