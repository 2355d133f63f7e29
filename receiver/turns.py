"""Work that deliveries come before: in short turns, each begun when no connection waits to be looked at."""

from collections.abc import Iterable, Iterator
from time import monotonic, perf_counter
from typing import TypeVar

import gevent
from gevent.lock import BoundedSemaphore

TURN_SECONDS = 0.0002
# So long deliveries come first. Where they never end, whoever waits has a turn all the same, among them.
PATIENCE_SECONDS = 0.001
# Any pause above zero makes gevent look at its connections.
PAUSE_SECONDS = 0.000001

Item = TypeVar("Item")

# One after another: gevent would let all who wait for a quiet moment begin in the same one.
_next = BoundedSemaphore(1)


def give_way() -> None:
    """Return once the process has nothing else to do, or PATIENCE_SECONDS have passed and nobody is before us.

    Whoever waits longest is next.
    """
    until = monotonic() + PATIENCE_SECONDS
    gevent.sleep(0)  # or whoever comes from a turn would overtake all who wait for theirs
    with _next, gevent.Timeout(max(PAUSE_SECONDS, until - monotonic()), False):
        gevent.idle()


def in_turns(items: Iterable[Item]) -> Iterator[Item]:
    """Yield `items`, and give way whenever working on them has taken TURN_SECONDS."""
    begun = perf_counter()
    for item in items:
        yield item
        if perf_counter() - begun > TURN_SECONDS:
            give_way()
            begun = perf_counter()
