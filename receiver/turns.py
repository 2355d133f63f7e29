"""Long work in short turns, so that it holds up no delivery."""

from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import TypeVar

import gevent
from gevent.lock import BoundedSemaphore

from receiver.body import PAUSE_SECONDS

TURN_SECONDS = 0.001

Item = TypeVar("Item")


class Turns:
    """Those who work through the same one take turns, with a look at the connections between any two."""

    def __init__(self) -> None:
        self._turn = BoundedSemaphore(1)

    def over(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield `items`, and give way whenever working on them has taken TURN_SECONDS."""
        with self._turn:
            begun = perf_counter()
            for item in items:
                yield item
                if perf_counter() - begun > TURN_SECONDS:
                    # In this pause nobody else begins; then whoever waits goes first.
                    gevent.sleep(PAUSE_SECONDS)
                    self._turn.release()
                    try:
                        gevent.sleep(0)
                    finally:
                        self._turn.acquire()
                    begun = perf_counter()
