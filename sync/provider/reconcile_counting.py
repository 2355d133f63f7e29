"""Counts the messages that asking repaired in Redis, every few seconds: a run may be killed at any moment."""

import time
from collections import Counter

from sync.queue.connection import OpenQueue
from sync.queue.counted import add_counted
from sync.queue.counts import RECONCILED, Counts

SEND_SECONDS = 5.0


class RepairedCount:
    """What one run repaired and Redis does not know yet."""

    def __init__(self, queue: OpenQueue) -> None:
        self._queue = queue
        self._counts = Counts()
        self._sent_at = time.monotonic()

    def add(self, count: int) -> None:
        self._counts.add_all(Counter({RECONCILED: count}))
        if time.monotonic() - self._sent_at > SEND_SECONDS:
            self.send()

    def send(self) -> bool:
        """Send what is counted; return False if Redis did not take it."""
        self._sent_at = time.monotonic()
        return not self._counts or add_counted(self._queue, self._counts)
