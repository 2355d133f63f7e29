"""Long work in short turns, so that it holds up no delivery."""

from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import TypeVar

import gevent
from gevent.lock import BoundedSemaphore

from receiver.body import PAUSE_SECONDS

TURN_SECONDS = 0.001

Item = TypeVar("Item")

# However many work at once, one of them has its turn between two looks at the connections.
_turn = BoundedSemaphore(1)


def in_turns(items: Iterable[Item]) -> Iterator[Item]:
    """Yield `items`, and give way to other connections whenever working on them has taken TURN_SECONDS."""
    with _turn:
        begun = perf_counter()
        for item in items:
            yield item
            if perf_counter() - begun > TURN_SECONDS:
                _turn.release()
                try:
                    gevent.sleep(PAUSE_SECONDS)
                finally:
                    _turn.acquire()
                begun = perf_counter()
