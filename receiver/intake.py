"""The hand-off of a verified delivery to a store, within a bounded time."""

from datetime import UTC, datetime

import gevent
from redis import Redis

from sync.environment import RedisSettings
from sync.queue import QueueUnavailable, connect, enqueue, open_queue
from sync.raw_events import RawEvent

REDIS_SECONDS = 0.8
# Small hosted plans allow 20 connections in all; requests of one process share these.
REDIS_CONNECTIONS = 4
# A bound on all of it, slow name servers included: an answer is due within 5 s.
STORE_SECONDS = 4.0

# The one hint taken from a body before it is parsed: what names an opt-out is taken before all that waits.
OPT_OUT_HINT = b"message.optout"


class StoreUnavailable(Exception):  # noqa: N818 - a state, not a mistake
    """No store confirmed the event; it may be stored all the same, and a redelivery does no harm."""


class Intake:
    """Stores raw events in the queue. One per process; its requests share the connections."""

    def __init__(self, redis: RedisSettings) -> None:
        self.redis: Redis = connect(redis, connections=REDIS_CONNECTIONS, seconds=REDIS_SECONDS)
        self._queue = open_queue(self.redis)

    def store(self, body: bytes) -> None:
        """Return once `body` is stored; raise StoreUnavailable within STORE_SECONDS where it could not be."""
        raw = RawEvent(body=body, received_at=datetime.now(UTC))
        try:
            with gevent.Timeout(STORE_SECONDS, StoreUnavailable):
                enqueue(self._queue, [raw], at_front=OPT_OUT_HINT in body)
        except QueueUnavailable as error:
            raise StoreUnavailable(str(error)) from None
