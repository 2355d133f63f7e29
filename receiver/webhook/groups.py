"""Deliveries that arrive at the same moment share one job and one round trip to a store.

Each joins the group that waits to be sent, and is released once that group is stored. No clock holds a group back to
fill it. While one is on its way the next one gathers, so a delivery on its own leaves at once and a crowd leaves
together.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from sync.events.raw import RawEvent

# A bound on all of it: an answer is due within 5 s.
STORE_SECONDS = 4.0

# What one job holds at the most, and what one lane holds unsent at the most.
GROUP_EVENTS_MAX = 200
GROUP_BYTES_MAX = 1024 * 1024
PENDING_EVENTS_MAX = 2000
PENDING_BYTES_MAX = 32 * 1024 * 1024


class StoreUnavailable(Exception):  # noqa: N818 - a state, not a mistake
    """No store confirmed the event; it may be stored all the same, and a redelivery does no harm."""


Stored = asyncio.Future[None]


class Group:
    """Raw events that become one job. Each has a future of its own, so that a client that hangs up ends only that."""

    def __init__(self) -> None:
        self.raw_events: list[RawEvent] = []
        self.body_bytes = 0
        self._stored: list[Stored] = []

    def has_room_for(self, body: bytes) -> bool:
        return len(self.raw_events) < GROUP_EVENTS_MAX and self.body_bytes + len(body) <= GROUP_BYTES_MAX

    def add(self, raw: RawEvent, stored: Stored) -> None:
        self.raw_events.append(raw)
        self.body_bytes += len(raw.body)
        self._stored.append(stored)

    def tell(self, error: str | None) -> None:
        """Release all who wait: the group is stored, or it is not because of `error`."""
        for stored in self._stored:
            if not stored.done():
                if error is None:
                    stored.set_result(None)
                else:
                    stored.set_exception(StoreUnavailable(error))


class Lane:
    """Groups on their way, one after another; `send` returns once the group is stored."""

    def __init__(self, send: Callable[[Sequence[RawEvent]], Awaitable[None]]) -> None:
        self._send_group = send
        self._groups: deque[Group] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._pending_events = 0
        self._pending_bytes = 0

    async def store(self, raw: RawEvent) -> None:
        """Return once `raw` is stored; raise StoreUnavailable within STORE_SECONDS if it could not be."""
        if self._pending_events >= PENDING_EVENTS_MAX or self._pending_bytes + len(raw.body) > PENDING_BYTES_MAX:
            raise StoreUnavailable("too many deliveries are waiting")
        loop = asyncio.get_running_loop()
        stored: Stored = loop.create_future()
        self._join(raw, stored)
        timer = loop.call_later(STORE_SECONDS, _give_up, stored)
        try:
            await stored
        finally:
            timer.cancel()

    def _join(self, raw: RawEvent, stored: Stored) -> None:
        """Add `raw` to the group that waits, and see that it is sent."""
        if not self._groups or not self._groups[-1].has_room_for(raw.body):
            self._groups.append(Group())
        self._groups[-1].add(raw, stored)
        self._pending_events += 1
        self._pending_bytes += len(raw.body)
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        while self._groups:
            if len(self._groups[0].raw_events) > 1:
                # When deliveries come in crowds, other connections have a turn, and what they bring joins the group.
                await asyncio.sleep(0)
            group = self._groups.popleft()
            try:
                async with asyncio.timeout(STORE_SECONDS):
                    await self._send_group(group.raw_events)
            except StoreUnavailable as error:
                group.tell(str(error))
            except Exception as error:
                # Whatever it was, those who wait are told, and the next group gets its turn.
                group.tell(type(error).__name__)
            except asyncio.CancelledError:
                group.tell("Cancelled")
                raise
            else:
                group.tell(None)
            finally:
                self._pending_events -= len(group.raw_events)
                self._pending_bytes -= group.body_bytes
        self._sending = None


def _give_up(stored: Stored) -> None:
    if not stored.done():
        stored.set_exception(StoreUnavailable("Timeout"))
