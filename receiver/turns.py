"""Work that deliveries come before: in short turns, each begun when no connection waits to be looked at."""

from collections.abc import Iterable, Iterator
from itertools import count
from time import monotonic, perf_counter
from typing import TypeVar

import gevent
from gevent.lock import BoundedSemaphore

TURN_SECONDS = 0.0002
# So long deliveries come first. Where they never end, whoever waits has a turn all the same, among them.
PATIENCE_SECONDS = 0.001
# Looking at the clock costs as much as some items do.
ITEMS_PER_LOOK = 10
# Any pause above zero makes gevent look at its connections.
PAUSE_SECONDS = 0.000001

Item = TypeVar("Item")

# One after another: gevent would let all who wait for a quiet moment begin in the same one.
_next = BoundedSemaphore(1)


def give_way() -> None:
    """Return once the process has nothing else to do, or after PATIENCE_SECONDS."""
    until = monotonic() + PATIENCE_SECONDS
    with _next, gevent.Timeout(max(PAUSE_SECONDS, until - monotonic()), False):
        gevent.idle()


def in_turns(items: Iterable[Item]) -> Iterator[Item]:
    """Yield `items`, and give way whenever working on them has taken TURN_SECONDS."""
    begun = perf_counter()
    for number, item in zip(count(1), items, strict=False):
        yield item
        if number % ITEMS_PER_LOOK == 0 and perf_counter() - begun > TURN_SECONDS:
            give_way()
            begun = perf_counter()
