"""The hand-off of verified deliveries to a store, many at a time, within a bounded time.

Deliveries that arrive at the same moment share one job and one round trip to Redis: each joins the group that
waits to be sent and is released once Redis confirmed that group. No clock holds a group back to fill it. While
one is on its way the next one gathers, so a delivery on its own leaves at once and a crowd leaves together.

Where Redis cannot take a group, the database's inbox does. As a journal the inbox takes every group first.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import gevent
import structlog
from gevent.event import AsyncResult

from receiver.circuit import Circuit
from receiver.inbox import Inbox, InboxUnavailable
from sync.environment import RedisSettings
from sync.queue import QueueUnavailable, connect, enqueue, open_queue
from sync.raw_events import RawEvent, may_opt_out

REDIS_SECONDS = 0.8
# A bound on one try, slow name servers and a second try of the client included.
QUEUE_SECONDS = 1.2
# Small hosted plans allow 20 connections in all. A process uses one per lane, and one for readiness.
REDIS_CONNECTIONS = 3
# A bound on all of it: an answer is due within 5 s.
STORE_SECONDS = 4.0

# How long the queue has for an event that is journalled too, before workers take it from the inbox.
JOURNAL_DUE_AFTER = timedelta(seconds=60)
AT_ONCE = timedelta(0)
# How long a journal refuses what it cannot write. The provider comes again after a minute, and gives up after
# 36: by then it is safer in Redis alone than nowhere.
JOURNAL_PATIENCE_SECONDS = 60

# What one job holds at the most, and what one process holds unsent at the most.
GROUP_EVENTS_MAX = 200
GROUP_BYTES_MAX = 1024 * 1024
PENDING_EVENTS_MAX = 2000
PENDING_BYTES_MAX = 32 * 1024 * 1024
# Where deliveries come in crowds, other connections have a turn before a group leaves, and what they bring joins it.
# Any pause above zero is one.
TURN_SECONDS = 0.000001

log = structlog.get_logger()


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
    """Groups on their way, one after another; `send` returns once the group is stored."""

    def __init__(self, send: Callable[[Sequence[RawEvent]], None]) -> None:
        self._send_group = send
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
            if len(self._groups[0].raw_events) > 1:
                gevent.sleep(TURN_SECONDS)
            group = self._groups.popleft()
            try:
                with gevent.Timeout(STORE_SECONDS):
                    self._send_group(group.raw_events)
            except StoreUnavailable as error:
                group.outcome.set_exception(error)
            except (Exception, gevent.Timeout) as error:
                # Whatever it was, those who wait are told, and the next group gets its turn.
                group.outcome.set_exception(StoreUnavailable(type(error).__name__))
            else:
                group.outcome.set()
            self.pending_events -= len(group.raw_events)
            self.pending_bytes -= group.body_bytes
        self._is_sending = False


class Intake:
    """Stores raw events in the queue, or in the inbox. One per process."""

    def __init__(
        self, redis: RedisSettings, inbox: Inbox, *, is_journalled: bool = False, failures_may_opt_out: bool = False
    ) -> None:
        self.redis = connect(redis, connections=REDIS_CONNECTIONS, seconds=REDIS_SECONDS)
        self._queue = open_queue(self.redis)
        self._inbox = inbox
        self._is_journalled = is_journalled
        self._failures_may_opt_out = failures_may_opt_out
        self._redis_circuit = Circuit(_teller("redis"))
        self._database_circuit = Circuit(_teller("database"))
        self._in_turn = Lane(lambda group: self._store_group(group, at_front=False))
        self._at_front = Lane(lambda group: self._store_group(group, at_front=True))
        self.deliveries = 0  # that came, stored or not

    def store(self, body: bytes) -> None:
        """Return once `body` is stored; raise StoreUnavailable within STORE_SECONDS where it could not be."""
        self.deliveries += 1
        is_urgent = may_opt_out(body, failures_may=self._failures_may_opt_out)
        lane = self._at_front if is_urgent else self._in_turn
        if lane.pending_events >= PENDING_EVENTS_MAX or lane.pending_bytes + len(body) > PENDING_BYTES_MAX:
            raise StoreUnavailable("too many deliveries are waiting")
        with gevent.Timeout(STORE_SECONDS, StoreUnavailable("Timeout")):
            lane.join(RawEvent(body=body, received_at=datetime.now(UTC))).outcome.get()

    def _store_group(self, raw_events: Sequence[RawEvent], *, at_front: bool) -> None:
        """Store a group in the queue, else in the inbox; raise StoreUnavailable where neither takes it."""
        may_queue = not self._redis_circuit.is_open
        if self._is_journalled and may_queue:
            raw_events = self._journalled(raw_events, at_front=at_front)
        if may_queue and self._put_in_queue(raw_events, at_front=at_front):
            return
        if raw_events[0].inbox_id is None:
            self._put_in_inbox(raw_events, AT_ONCE, at_front=at_front)
        else:
            self._make_due(raw_events)

    def _put_in_queue(self, raw_events: Sequence[RawEvent], *, at_front: bool) -> bool:
        try:
            with gevent.Timeout(QUEUE_SECONDS):
                enqueue(self._queue, raw_events, at_front=at_front)
        except QueueUnavailable as error:
            self._redis_circuit.failed(str(error))
        except (Exception, gevent.Timeout) as error:
            # Also what is no error of Redis, such as a name that no name server would be asked for.
            self._redis_circuit.failed(type(error).__name__)
        else:
            self._redis_circuit.succeeded()
            return True
        return False

    def _journalled(self, raw_events: Sequence[RawEvent], *, at_front: bool) -> Sequence[RawEvent]:
        """Return `raw_events` as the inbox has them; raise StoreUnavailable where it cannot take them.

        Where the database has been away for long they are returned as they are, for Redis alone.
        """
        try:
            ids = self._put_in_inbox(raw_events, JOURNAL_DUE_AFTER, at_front=at_front)
        except StoreUnavailable:
            if self._database_circuit.away_seconds < JOURNAL_PATIENCE_SECONDS:
                raise
            return raw_events
        return [replace(raw, inbox_id=inbox_id) for raw, inbox_id in zip(raw_events, ids, strict=True)]

    def _put_in_inbox(self, raw_events: Sequence[RawEvent], due_after: timedelta, *, at_front: bool) -> list[int]:
        if self._database_circuit.is_open:
            raise StoreUnavailable("neither store is there")
        try:
            ids = self._inbox.put(raw_events, due_after=due_after, may_opt_out=at_front)
        except InboxUnavailable as error:
            self._database_circuit.failed(str(error))
            raise StoreUnavailable(str(error)) from None
        self._database_circuit.succeeded()
        return ids

    def _make_due(self, raw_events: Sequence[RawEvent]) -> None:
        try:
            self._inbox.make_due([raw.inbox_id for raw in raw_events if raw.inbox_id])
        except InboxUnavailable as error:
            self._database_circuit.failed(str(error))


def _teller(store: str) -> Callable[[str | None], None]:
    def tell(error: str | None) -> None:
        if error:
            log.error(f"{store}.away", error=error)
        else:
            log.info(f"{store}.back")

    return tell
