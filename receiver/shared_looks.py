"""Looks at the stores that several questions share.

Most of what a look takes is the way to the stores and back. So questions gather while others are on
their way, and as long as the process has deliveries to think of, and leave together.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

import gevent
from gevent.event import AsyncResult
from gevent.lock import BoundedSemaphore

# So many persons are asked for in one look at the most, but for one question that has more.
PERSONS_MAX = 2000

Seen = TypeVar("Seen")


class _Group:
    def __init__(self) -> None:
        self.wanted: set[str] = set()
        self.outcome: AsyncResult = AsyncResult()

    def has_room_for(self, wanted: set[str]) -> bool:
        return len(self.wanted) + len(wanted) <= PERSONS_MAX


class SharedLooks(Generic[Seen]):
    """`at_once` looks are on their way at the most, and one that could begin waits `wait_seconds` for company.

    `look` must not raise, and bounds its own time.
    """

    def __init__(self, look: Callable[[set[str]], Seen], *, at_once: int, wait_seconds: Callable[[], float]) -> None:
        self._look = look
        self._wait_seconds = wait_seconds
        self._lanes = BoundedSemaphore(at_once)
        self._gathering: _Group | None = None

    def look(self, wanted: set[str]) -> Seen:
        """Return what a look saw that began after this call, of `wanted` and perhaps of more."""
        group = self._gathering
        if group is not None and group.has_room_for(wanted):
            group.wanted |= wanted
            seen: Seen = group.outcome.get()
            return seen
        group = self._gathering = _Group()
        group.wanted |= wanted
        return self._lead(group)

    def _lead(self, group: _Group) -> Seen:
        """Wait for company and for a lane, look, and tell all who joined; whatever ends this, they are told."""
        try:
            if seconds := self._wait_seconds():
                gevent.sleep(seconds)
            with self._lanes:
                self._close(group)
                seen = self._look(group.wanted)
        except BaseException as error:
            self._close(group)
            group.outcome.set_exception(error)
            raise
        group.outcome.set(seen)
        return seen

    def _close(self, group: _Group) -> None:
        if self._gathering is group:
            self._gathering = None
