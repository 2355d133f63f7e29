"""What each outage may have cost: the events whose last try fell into it, and all tries before into outages. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sync.provider.outages.retries import Interval, RetrySchedule


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownOutage:
    """An outage by its `number`, None if it is not recorded yet. `ended_at` is None while it lasts."""

    number: int | None
    began_at: datetime
    ended_at: datetime | None
    kind: str
    resolved_by: str | None = None
    resolved_reason: str | None = None
    resolved_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """An outage, and when the events had their first try that it may have cost.

    `surely` is what the provider's words make of it, `perhaps` allows for what "about" may mean.
    """

    outage: KnownOutage
    surely: Sequence[Interval] = field(default=())
    perhaps: Sequence[Interval] = field(default=())

    @property
    def is_unresolved(self) -> bool:
        """Return whether a person has to look after what it may have cost."""
        return bool(self.perhaps) and self.outage.resolved_at is None


def losses(outages: Sequence[KnownOutage], now: datetime, schedule: RetrySchedule) -> list[Loss]:
    """Return what each of `outages` may have cost by `now`, in the order in which they began."""
    ordered = sorted(outages, key=lambda outage: outage.began_at)
    intervals = [(outage.began_at, outage.ended_at or max(now, outage.began_at)) for outage in ordered]
    exact = schedule.exact()
    all_losses = []
    for place, outage in enumerate(ordered):
        last, every = intervals[place], list(_within_reach(intervals[: place + 1], schedule))
        all_losses.append(Loss(outage=outage, surely=exact.lost(last, every), perhaps=schedule.lost(last, every)))
    return all_losses


def _within_reach(intervals: Sequence[Interval], schedule: RetrySchedule) -> Iterator[Interval]:
    """Yield the last of `intervals`, and those before into which an event may have fallen that was tried then too."""
    began, _ = intervals[-1]
    yield intervals[-1]
    for interval in reversed(intervals[:-1]):
        if interval[1] < began - schedule.reach:
            return
        yield interval
