"""Why messages do not arrive: the reasons of the last days, the most frequent first."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from flask import Response

from receiver.console.charts import share_bar, stacked_bars
from receiver.console.language import zone
from receiver.console.numbers import by_day, last_days, summed
from receiver.console.pages import Pages, asked, rendered, stores
from sync.reports.queries import ReportSelection, report_daily, report_failures

# The failures of so many days are counted from the messages themselves; a month of them takes longer.
CHOICES = (1, 7, 30)
DEFAULT_DAYS = 7
REASONS_SHOWN = 50


def add_pages(pages: Pages) -> None:
    pages.page("/failures", failures)


def failures() -> Response:
    asked_days = asked("days")
    count = int(asked_days) if asked_days in map(str, CHOICES) else DEFAULT_DAYS
    days = last_days(datetime.now(zone()).date(), count)
    selection = ReportSelection(since=days[0], until=days[-1])
    with stores().reader.connect() as connection:
        counts = report_daily(connection, selection).rows
        reasons = by_reason(report_failures(connection, selection).rows)
    chosen = by_day(counts, days)
    most = max((reason["messages"] for reason in reasons), default=0)
    return rendered(
        "failures.html",
        count=count,
        choices=CHOICES,
        days=chosen,
        total=summed(counts),
        chart=stacked_bars([ended.parts[1:] for _, ended in chosen]),
        reasons=[(reason, share_bar([("failed", reason["messages"])], most)) for reason in reasons[:REASONS_SHOWN]],
        is_cut=len(reasons) > REASONS_SHOWN,
    )


def by_reason(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for each channel, code and reason, whichever day, the most frequent first."""
    sums: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        key = row["channel"], row["failure_code"], row["failure_reason"]
        held = sums.setdefault(key, {**row, "messages": 0})
        held["messages"] += row["messages"]
        held["last_seen_at"] = max(held["last_seen_at"], row["last_seen_at"])
    return sorted(sums.values(), key=lambda row: (-row["messages"], row["channel"], row["failure_code"]))
