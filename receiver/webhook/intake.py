"""The hand-off of verified deliveries to a store, many at a time (`groups`), within a bounded time.

If Redis cannot take a group, the database's inbox does. As a journal the inbox takes every group first.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog
from msgspec.structs import replace

from receiver.webhook.circuit import Circuit
from receiver.webhook.groups import Lane, StoreUnavailable
from receiver.webhook.inbox import InboxUnavailable, InboxWriter
from receiver.webhook.reporter import Reporter
from sync.events.raw import RawEvent, may_opt_out
from sync.queue.connection import QueueUnavailable
from sync.queue.counts import accepted
from sync.queue.writer import QueueWriter
from sync.settings.environment import RedisSettings
from sync.settings.sentry_client import report

REDIS_SECONDS = 0.8
# A bound on one try, slow name servers and a second try of the client included.
QUEUE_SECONDS = 1.2

# How long the queue has for an event that is journalled too, before workers take it from the inbox.
JOURNAL_DUE_AFTER = timedelta(seconds=60)
AT_ONCE = timedelta(0)
# How long a journal refuses what it cannot write. The provider comes again after a minute, and gives up after
# 36: by then it is safer in Redis alone than nowhere.
JOURNAL_PATIENCE_SECONDS = 60

log = structlog.get_logger()


class Intake:
    """Stores raw events in the queue, or in the inbox. One per process, in one event loop."""

    def __init__(
        self,
        redis: RedisSettings,
        inbox: InboxWriter,
        reporter: Reporter,
        *,
        is_journalled: bool = False,
        failures_may_opt_out: bool = False,
    ) -> None:
        self._inbox = inbox
        self._reporter = reporter
        self._is_journalled = is_journalled
        self._failures_may_opt_out = failures_may_opt_out
        self._redis_circuit = Circuit(_teller("redis"))
        self._database_circuit = Circuit(_teller("database"))
        # A connection each: small hosted plans allow 20 in all.
        self._writers = (QueueWriter(redis, seconds=REDIS_SECONDS), QueueWriter(redis, seconds=REDIS_SECONDS))
        in_turn, at_front = self._writers
        self._in_turn = Lane(lambda group: self._store_group(in_turn, group, at_front=False))
        self._at_front = Lane(lambda group: self._store_group(at_front, group, at_front=True))

    async def store(self, body: bytes, request_id: str | None = None) -> None:
        """Return once `body` is stored; raise StoreUnavailable within STORE_SECONDS if it could not be."""
        is_urgent = may_opt_out(body, failures_may=self._failures_may_opt_out)
        lane = self._at_front if is_urgent else self._in_turn
        await lane.store(RawEvent(body=body, received_at=datetime.now(UTC), request_id=request_id))

    async def close(self) -> None:
        for writer in self._writers:
            await writer.close()

    async def _store_group(self, writer: QueueWriter, raw_events: Sequence[RawEvent], *, at_front: bool) -> None:
        """Store a group in the queue, else in the inbox; raise StoreUnavailable if neither takes it."""
        may_queue = not self._redis_circuit.is_open
        if self._is_journalled and may_queue:
            raw_events = await self._journalled(raw_events, at_front=at_front)
        if may_queue and await self._put_in_queue(writer, raw_events, at_front=at_front):
            return
        if raw_events[0].inbox_id is None:
            await self._put_in_inbox(raw_events, AT_ONCE, at_front=at_front)
        else:
            await self._make_due(raw_events)
        self._reporter.accepted_elsewhere(len(raw_events))

    async def _put_in_queue(self, writer: QueueWriter, raw_events: Sequence[RawEvent], *, at_front: bool) -> bool:
        pending = self._reporter.counts.take()
        counts = accepted(pending, len(raw_events), time.time())
        is_stored = False
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                is_watched = await writer.enqueue(raw_events, at_front=at_front, counts=counts)
            is_stored = True
        except QueueUnavailable as error:
            self._redis_circuit.failed(str(error))
        except Exception as error:
            # Also what is no error of Redis, such as a name that no name server would be asked for.
            self._redis_circuit.failed(type(error).__name__)
        else:
            self._redis_circuit.succeeded()
            self._reporter.stored()
            if is_watched:
                self._reporter.watched(raw_events)
        finally:
            if not is_stored:
                self._reporter.counts.restore(pending)
        return is_stored

    async def _journalled(self, raw_events: Sequence[RawEvent], *, at_front: bool) -> Sequence[RawEvent]:
        """Return `raw_events` as the inbox has them; raise StoreUnavailable if it cannot take them.

        If the database has been away for long they are returned as they are, for Redis alone.
        """
        try:
            ids = await self._put_in_inbox(raw_events, JOURNAL_DUE_AFTER, at_front=at_front)
        except StoreUnavailable:
            if self._database_circuit.away_seconds < JOURNAL_PATIENCE_SECONDS:
                raise
            return raw_events
        return [replace(raw, inbox_id=inbox_id) for raw, inbox_id in zip(raw_events, ids, strict=True)]

    async def _put_in_inbox(self, raw_events: Sequence[RawEvent], due_after: timedelta, *, at_front: bool) -> list[int]:
        if self._database_circuit.is_open:
            raise StoreUnavailable("neither store is there")
        try:
            ids = await self._inbox.put(raw_events, due_after=due_after, may_opt_out=at_front)
        except InboxUnavailable as error:
            self._database_circuit.failed(str(error))
            raise StoreUnavailable(str(error)) from None
        self._database_circuit.succeeded()
        return ids

    async def _make_due(self, raw_events: Sequence[RawEvent]) -> None:
        try:
            await self._inbox.make_due([raw.inbox_id for raw in raw_events if raw.inbox_id])
        except InboxUnavailable as error:
            self._database_circuit.failed(str(error))


def _teller(store: str) -> Callable[[str | None], None]:
    def tell(error: str | None) -> None:
        if error:
            log.error(f"{store}.away", error=error)
            report(f"{store}.away", error)
        else:
            log.info(f"{store}.back")

    return tell
