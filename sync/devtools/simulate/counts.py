"""What has happened to the deliveries of a run so far, in a size that does not grow with their number."""

import math
from collections import Counter
from dataclasses import dataclass, field


class Latencies:
    """Seconds, counted in buckets each 1% wider than the one before."""

    def __init__(self) -> None:
        self.seconds_max = 0.0
        self._buckets: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        self.seconds_max = max(self.seconds_max, seconds)
        self._buckets[math.ceil(math.log(max(seconds, 1e-6), 1.01))] += 1

    @property
    def count(self) -> int:
        return self._buckets.total()

    def percentile_seconds(self, percent: float) -> float | None:
        """Return what `percent` of the latencies do not exceed, at most 1% too high; None if there are none."""
        needed = math.ceil(self.count * percent / 100)
        for bucket, count in sorted(self._buckets.items()):
            needed -= count
            if needed <= 0:
                return min(1.01**bucket, self.seconds_max)
        return None


@dataclass(slots=True, kw_only=True)
class SendCounts:
    """Written by the sender; read by the progress bar and the summary.

    `begun` = `accepted` + `given_up` + deliveries that wait for a retry or were cut off.
    """

    begun: int = 0  # events and copies delivered at least once, with any answer or none
    deliveries: int = 0  # requests, retries included
    accepted: int = 0
    refused: Counter[int] = field(default_factory=Counter)  # requests, by status
    timed_out: int = 0
    unanswered: int = 0  # refused or broken connections
    waiting: int = 0  # for a retry, at this moment
    given_up: int = 0  # lost for good: the last retry failed too
    seconds: float = 0.0
    begun_seconds: float = 0.0  # from the start until the last of `begun` left
    late_seconds_max: float = 0.0  # how far a first delivery fell behind the rate
    latencies: Latencies = field(default_factory=Latencies)

    @property
    def retries(self) -> int:
        return self.deliveries - self.begun

    @property
    def finished(self) -> int:
        return self.accepted + self.given_up
