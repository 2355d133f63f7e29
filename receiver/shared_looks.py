"""Looks at the stores that several questions share.

Most of what a look takes is the way to the stores and back. So questions of one scope gather while others are on
their way, and as long as the process has deliveries to think of, and leave together.
"""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import gevent
from gevent.event import AsyncResult
from gevent.lock import BoundedSemaphore

# So many spellings are asked for in one look at the most, but for one question that has more.
SPELLINGS_MAX = 2000

Seen = TypeVar("Seen")


class Scope(NamedTuple):
    channel: str | None
    sender: str | None


class _Group:
    def __init__(self) -> None:
        self.wanted: set[str] = set()
        self.outcome: AsyncResult = AsyncResult()

    def has_room_for(self, wanted: set[str]) -> bool:
        return len(self.wanted) + len(wanted) <= SPELLINGS_MAX


class SharedLooks(Generic[Seen]):
    """`at_once` looks are on their way at the most, and one that could begin waits `wait_seconds` for company.

    `look` must not raise, and bounds its own time.
    """

    def __init__(
        self, look: Callable[[set[str], Scope], Seen], *, at_once: int, wait_seconds: Callable[[], float]
    ) -> None:
        self._look = look
        self._wait_seconds = wait_seconds
        self._lanes = BoundedSemaphore(at_once)
        self._gathering: dict[Scope, _Group] = {}

    def look(self, wanted: set[str], scope: Scope) -> Seen:
        """Return what a look saw that began after this call, of `wanted` and perhaps of more."""
        group = self._gathering.get(scope)
        if group is not None and group.has_room_for(wanted):
            group.wanted |= wanted
            seen: Seen = group.outcome.get()
            return seen
        group = self._gathering[scope] = _Group()
        group.wanted |= wanted
        return self._lead(group, scope)

    def _lead(self, group: _Group, scope: Scope) -> Seen:
        """Wait for company and for a lane, look, and tell all who joined; whatever ends this, they are told."""
        try:
            if seconds := self._wait_seconds():
                gevent.sleep(seconds)
            with self._lanes:
                self._close(group, scope)
                seen = self._look(group.wanted, scope)
        except BaseException as error:
            self._close(group, scope)
            group.outcome.set_exception(error)
            raise
        group.outcome.set(seen)
        return seen

    def _close(self, group: _Group, scope: Scope) -> None:
        if self._gathering.get(scope) is group:
            del self._gathering[scope]
