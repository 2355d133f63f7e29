"""The numbers of the overview: those of `zexa-sync report daily`, added up for people."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from sync.rollups.contribution import FINAL

WEEK = 7
CHANNELS = ("sms", "whatsapp", "telegram", "email", "slack")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCounts:
    """How messages ended, counted."""

    delivered: int = 0
    failed: int = 0
    undeliverable: int = 0
    opt_outs: int = 0

    @property
    def finalised(self) -> int:
        return self.delivered + self.failed + self.undeliverable

    @property
    def delivery_rate(self) -> float | None:
        return self.delivered / self.finalised if self.finalised else None

    @property
    def parts(self) -> list[tuple[str, int]]:
        return [(kind, getattr(self, kind)) for kind in FINAL]

    def plus(self, row: Mapping[str, Any]) -> "EndCounts":
        return replace(self, **{name: getattr(self, name) + row[name] for name in (*FINAL, "opt_outs")})


Days = list[tuple[date, EndCounts]]


def summed(rows: Iterable[Mapping[str, Any]]) -> EndCounts:
    total = EndCounts()
    for row in rows:
        total = total.plus(row)
    return total


def by_day(rows: Iterable[Mapping[str, Any]], days: Sequence[date]) -> Days:
    """Return the sum of each of `days`, also of those on which nothing ended."""
    sums = dict.fromkeys(days, EndCounts())
    for row in rows:
        if row["day"] in sums:
            sums[row["day"]] = sums[row["day"]].plus(row)
    return list(sums.items())


def since_first(days: Days) -> tuple[Days, date | None]:
    """Return the days from the first on which a message ended, a week at least, and that day if others came before."""
    first = next((place for place, (_, ended) in enumerate(days) if ended.finalised), 0)
    return days[max(0, min(first, len(days) - WEEK)) :], days[first][0] if first else None


def worst_day(days: Days) -> date | None:
    """Return the day on which most messages did not arrive; None unless that happened on several."""
    missed = [(ended.finalised - ended.delivered, day) for day, ended in days if ended.finalised > ended.delivered]
    return max(missed)[1] if len(missed) > 1 else None


def by_channel(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, EndCounts]]:
    """Return the sum of each channel on which anything ended, the usual ones first; '' if none is known."""
    sums: dict[str, EndCounts] = {}
    for row in rows:
        sums[row["channel"]] = sums.get(row["channel"], EndCounts()).plus(row)
    names = (*CHANNELS, *sorted(sums.keys() - set(CHANNELS) - {""}), "")
    return [(name, sums[name]) for name in names if name in sums]


def last_days(until: date, count: int) -> list[date]:
    return [until - timedelta(days=back) for back in range(count - 1, -1, -1)]
