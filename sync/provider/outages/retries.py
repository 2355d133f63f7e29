"""Which events an outage took for good: those of which every try fell into a time without an acknowledgement. Pure.

"Anything else counts as failed: 3 retries, about 1, 5 and 30 minutes after", says the provider's page on webhooks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# From one time, up to another one.
Interval = tuple[datetime, datetime]

PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
# What "about" may mean, as a share. Nobody says; a twentieth is two minutes of the last try.
TOLERANCE = 0.05
# For so long each try may wait for an answer before the pause begins.
ANSWER = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySchedule:
    """When the provider tries again: `pauses` are those between one try and the next one.

    A try comes up to `tolerance` of its time earlier or later than that, and later by `answer` for each try before it.
    """

    pauses: Sequence[timedelta] = PAUSES
    tolerance: float = TOLERANCE
    answer: timedelta = ANSWER

    @property
    def last_try_after(self) -> timedelta:
        """Return how long after the first try the last one comes."""
        return sum(self.pauses, timedelta())

    @property
    def reach(self) -> timedelta:
        """Return how long after the first try the last one may come at the most."""
        return self._offsets()[-1][1]

    def exact(self) -> "RetrySchedule":
        """Return the same schedule, taken at its word."""
        return RetrySchedule(pauses=self.pauses, tolerance=0.0, answer=timedelta())

    def lost(self, last: Interval, outages: Iterable[Interval]) -> list[Interval]:
        """Return when the events had their first try that may have had the last one in `last`, and all in `outages`.

        `last` is one of `outages`. The intervals are in order, and apart from each other.
        """
        every = list(outages)
        *earlier, latest = self._offsets()
        spans = _shifted([last], *latest)
        for least, most in earlier:
            spans = _common(spans, _shifted(every, least, most))
        return spans

    def _offsets(self) -> list[tuple[timedelta, timedelta]]:
        """Return how long after the first try each one comes, at the least and at the most."""
        offsets = [(timedelta(), timedelta())]
        after = timedelta()
        for number, pause in enumerate(self.pauses, 1):
            after += pause
            offsets.append((after * (1 - self.tolerance), after * (1 + self.tolerance) + number * self.answer))
        return offsets


def _shifted(outages: Iterable[Interval], least: timedelta, most: timedelta) -> list[Interval]:
    """Return when the first try was of which a later one, `least` to `most` after it, may fall into `outages`."""
    return _merged((began - most, ended - least) for began, ended in outages)


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for began, ended in sorted(intervals):
        if merged and began <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], ended))
        elif began < ended:
            merged.append((began, ended))
    return merged


def _common(spans: Iterable[Interval], other_spans: Sequence[Interval]) -> list[Interval]:
    common = ((max(a[0], b[0]), min(a[1], b[1])) for a in spans for b in other_spans)
    return [(began, ended) for began, ended in common if began < ended]
