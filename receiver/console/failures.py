"""Why messages do not arrive: the reasons of the last days, and codes that look like opt-outs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from flask import Response

from receiver.console.charts import Bars, Part, share_bar, stacked_bars
from receiver.console.language import zone
from receiver.console.numbers import by_day, last_days, summed
from receiver.console.pages import Pages, parameter, rendered, stores
from sync.opt_outs.find_scanner_hints import latest_scanner_hints
from sync.reports.failure_codes.store import latest_count
from sync.reports.queries import ReportSelection, report_daily, report_failures
from sync.reports.reasons import FailureReason, reason_of

# The failures of so many days are counted from the messages themselves; a month of them takes longer.
CHOICES = (1, 7, 30)
DEFAULT_DAYS = 7
REASONS_SHOWN = 50
# As many colours as everybody tells apart; all other reasons are one more.
REASONS_IN_CHART = 5


@dataclass(slots=True)
class CountedReason:
    """How many messages failed for a reason, whichever day and on each, and one of them."""

    reason: FailureReason
    message_id: str
    last_seen_at: datetime
    messages: int = 0
    by_day: dict[date, int] = field(default_factory=dict)

    def add(self, row: Mapping[str, Any]) -> None:
        self.messages += row["messages"]
        self.by_day[row["day"]] = self.by_day.get(row["day"], 0) + row["messages"]
        self.last_seen_at = max(self.last_seen_at, row["last_seen_at"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonsOverTime:
    """The most frequent reasons, and of each day how many failed for each of them, for another one, and in all."""

    top: Sequence[CountedReason]
    has_others: bool
    days: Sequence[tuple[date, Sequence[int], int, int]]
    chart: Bars


def add_pages(pages: Pages) -> None:
    pages.page("/failures", failures)


def failures() -> Response:
    days_text = parameter("days")
    count = int(days_text) if days_text in map(str, CHOICES) else DEFAULT_DAYS
    days = last_days(datetime.now(zone()).date(), count)
    selection = ReportSelection(since=days[0], until=days[-1])
    with stores().reader.connect() as connection:
        counts = report_daily(connection, selection).rows
        reasons = by_reason(report_failures(connection, selection).rows)
        codes = latest_count(connection, stores().options.opt_out_failures)
        scanners = latest_scanner_hints(connection)
    day_counts = by_day(counts, days)
    return rendered(
        "failures.html",
        count=count,
        choices=CHOICES,
        days=day_counts,
        total=summed(counts),
        chart=stacked_bars([ended.parts[1:] for _, ended in day_counts]),
        reasons=with_bars(reasons[:REASONS_SHOWN]),
        over_time=over_time(reasons, days),
        failed=sum(reason.messages for reason in reasons),
        is_cut=len(reasons) > REASONS_SHOWN,
        codes=codes,
        most=REASONS_SHOWN,
        scanners=scanners,
    )


def by_reason(rows: Iterable[Mapping[str, Any]]) -> list[CountedReason]:
    """Return one for each channel, code and reason, the most frequent first."""
    sums: dict[FailureReason, CountedReason] = {}
    for row in rows:
        reason = reason_of(row)
        counted_reason = sums.setdefault(reason, CountedReason(reason, row["message_id"], row["last_seen_at"]))
        counted_reason.add(row)
    return sorted(sums.values(), key=lambda counted_reason: (-counted_reason.messages, counted_reason.reason))


def with_bars(reasons: Sequence[CountedReason]) -> list[tuple[CountedReason, tuple[Part, ...]]]:
    most = max((reason.messages for reason in reasons), default=0)
    return [(reason, share_bar([("failed", reason.messages)], most)) for reason in reasons]


def over_time(reasons: Sequence[CountedReason], days: Sequence[date]) -> ReasonsOverTime:
    top, others = reasons[:REASONS_IN_CHART], reasons[REASONS_IN_CHART:]
    rows = []
    for day in days:
        of_top = [reason.by_day.get(day, 0) for reason in top]
        of_others = sum(reason.by_day.get(day, 0) for reason in others)
        rows.append((day, of_top, of_others, sum(of_top) + of_others))
    bars = [
        [*((f"reason-{place}", number) for place, number in enumerate(of_top, 1)), ("reason-0", of_others)]
        for _, of_top, of_others, _ in rows
    ]
    return ReasonsOverTime(top=top, has_others=bool(others), days=rows, chart=stacked_bars(bars))
