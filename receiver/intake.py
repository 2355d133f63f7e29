"""The hand-off of verified deliveries to the queue, many at a time, within a bounded time.

Deliveries that arrive at the same moment share one job and one round trip to Redis: each joins the group that
waits to be sent and is released once Redis confirmed that group. Nothing is held back to fill a group. While
one is on its way the next one gathers, so a delivery on its own leaves at once and a crowd leaves together.
"""

from collections import deque
from datetime import UTC, datetime

import gevent
from gevent.event import AsyncResult
from redis import Redis

from sync.environment import RedisSettings
from sync.queue import QueueUnavailable, connect, enqueue, open_queue
from sync.raw_events import RawEvent

REDIS_SECONDS = 0.8
# Small hosted plans allow 20 connections in all. A process uses one per lane, and one for readiness.
REDIS_CONNECTIONS = 3
# A bound on all of it, slow name servers included: an answer is due within 5 s.
STORE_SECONDS = 4.0

# What one job holds at the most, and what one process holds unsent at the most.
GROUP_EVENTS_MAX = 200
GROUP_BYTES_MAX = 1024 * 1024
PENDING_EVENTS_MAX = 2000
PENDING_BYTES_MAX = 32 * 1024 * 1024

# The one hint taken from a body before it is parsed: what names an opt-out is taken before all that waits.
OPT_OUT_HINT = b"message.optout"


class StoreUnavailable(Exception):  # noqa: N818 - a state, not a mistake
    """No store confirmed the event; it may be stored all the same, and a redelivery does no harm."""


class Group:
    """Raw events that become one job; `outcome` is set once for all of them."""

    def __init__(self) -> None:
        self.raw_events: list[RawEvent] = []
        self.body_bytes = 0
        self.outcome: AsyncResult = AsyncResult()

    def has_room_for(self, body: bytes) -> bool:
        return len(self.raw_events) < GROUP_EVENTS_MAX and self.body_bytes + len(body) <= GROUP_BYTES_MAX

    def add(self, raw: RawEvent) -> None:
        self.raw_events.append(raw)
        self.body_bytes += len(raw.body)


class Lane:
    """Groups on their way to one end of the queue, one after another."""

    def __init__(self, connection: Redis, *, at_front: bool) -> None:
        self._queue = open_queue(connection)
        self._at_front = at_front
        self._groups: deque[Group] = deque()
        self._is_sending = False
        self.pending_events = 0
        self.pending_bytes = 0

    def join(self, raw: RawEvent) -> Group:
        """Add `raw` to the group that waits, and see that it is sent."""
        if not self._groups or not self._groups[-1].has_room_for(raw.body):
            self._groups.append(Group())
        group = self._groups[-1]
        group.add(raw)
        self.pending_events += 1
        self.pending_bytes += len(raw.body)
        if not self._is_sending:
            self._is_sending = True
            gevent.spawn(self._send)
        return group

    def _send(self) -> None:
        while self._groups:
            group = self._groups.popleft()
            try:
                with gevent.Timeout(STORE_SECONDS):
                    enqueue(self._queue, group.raw_events, at_front=self._at_front)
            except QueueUnavailable as error:
                group.outcome.set_exception(StoreUnavailable(str(error)))
            except (Exception, gevent.Timeout) as error:
                # Whatever it was, those who wait are told, and the next group gets its turn.
                group.outcome.set_exception(StoreUnavailable(type(error).__name__))
            else:
                group.outcome.set()
            self.pending_events -= len(group.raw_events)
            self.pending_bytes -= group.body_bytes
        self._is_sending = False


class Intake:
    """Stores raw events in the queue. One per process."""

    def __init__(self, settings: RedisSettings) -> None:
        self.redis = connect(settings, connections=REDIS_CONNECTIONS, seconds=REDIS_SECONDS)
        self._in_turn = Lane(self.redis, at_front=False)
        self._at_front = Lane(self.redis, at_front=True)

    def store(self, body: bytes) -> None:
        """Return once `body` is stored; raise StoreUnavailable within STORE_SECONDS where it could not be."""
        lane = self._at_front if OPT_OUT_HINT in body else self._in_turn
        if lane.pending_events >= PENDING_EVENTS_MAX or lane.pending_bytes + len(body) > PENDING_BYTES_MAX:
            raise StoreUnavailable("too many deliveries are waiting")
        with gevent.Timeout(STORE_SECONDS, StoreUnavailable("Timeout")):
            lane.join(RawEvent(body=body, received_at=datetime.now(UTC))).outcome.get()
