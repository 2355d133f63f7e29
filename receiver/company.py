"""How long look-ups wait for each other: the longer, the more deliveries come to the process they share with them.

Most of what a look-up takes is the way to the stores and back, and those who go together go once.
"""

from collections.abc import Callable
from time import monotonic

# What a look-up waits at the most, and from how many deliveries on; in proportion where fewer come, and not at all
# where none do.
WAIT_SECONDS = 0.01
FULL_LOAD_DELIVERIES_PER_SECOND = 1000
# Over less time a few deliveries that happen to come together would look like many a second.
COUNTED_SECONDS_MIN = 0.1


class Company:
    """`deliveries` tells how many came since the process began. One per process."""

    def __init__(self, deliveries: Callable[[], int], clock: Callable[[], float] = monotonic) -> None:
        self._deliveries = deliveries
        self._clock = clock
        self._counted_at = clock()
        self._counted = deliveries()
        self._wait_seconds = 0.0

    def wait_seconds(self) -> float:
        """Return how long to wait now, by what came since the last count."""
        now = self._clock()
        seconds = now - self._counted_at
        if seconds >= COUNTED_SECONDS_MIN:
            deliveries = self._deliveries()
            share = (deliveries - self._counted) / seconds / FULL_LOAD_DELIVERIES_PER_SECOND
            self._wait_seconds = WAIT_SECONDS * min(1.0, share)
            self._counted_at, self._counted = now, deliveries
        return self._wait_seconds
