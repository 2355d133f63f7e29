"""A worker's chore: asks for messages that have been silent for over an hour. One worker at a time, and slowly.

It has a thread and a connection of its own, so it delays no event.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from redis.exceptions import RedisError
from sqlalchemy import URL, Engine
from sqlalchemy.exc import DBAPIError

from models.database import open_database
from sync.events.interpretation import ParseOptions
from sync.provider.ask import Asker, AskingFailed
from sync.provider.client import ProviderClient
from sync.provider.silent_messages import find_silent
from sync.queue.connection import connect
from sync.queue.counts import RECONCILED, Counts
from sync.settings.environment import RedisSettings
from sync.settings.provider import ProviderSettings
from sync.settings.sentry_client import report

LOCK_KEY = "zexa-sync:reconcile:lock"
RATE = 5.0
CHORE_SECONDS = 60
# How long one turn asks. With the longest request behind it the turn ends before the lock is free.
TURN_SECONDS = 40.0
STATEMENT_SECONDS = 10.0
BUSY_SECONDS = 5.0
REDIS_SECONDS = 2.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What a worker hands on: where to ask, where to merge, and how it is told to stop."""

    provider: ProviderSettings
    database_url: URL
    redis: RedisSettings
    options: ParseOptions
    counts: Counts
    is_stop_asked: Callable[[], bool]

    def run(self, sleep: Callable[[float], None]) -> None:
        """Take a turn each minute until asked to stop. Raises nothing: a thread that ends would say nothing."""
        engine = open_database(
            self.database_url, pool_size=1, statement_seconds=STATEMENT_SECONDS, busy_seconds=BUSY_SECONDS
        )
        try:
            while not self.is_stop_asked():
                try:
                    self.take_turn(engine)
                except AskingFailed as error:
                    log.warning("reconcile.failed", error=str(error))
                    report("reconcile.failed", str(error))
                except DBAPIError as error:  # perhaps it only took too long, which nobody else would say
                    log.error("reconcile.failed", error=type(error.orig).__name__)
                except Exception as error:
                    log.error("reconcile.failed", error=type(error).__name__)
                    report("reconcile.failed", type(error).__name__, error)
                sleep(CHORE_SECONDS)
        finally:
            engine.dispose()

    def take_turn(self, engine: Engine) -> None:
        """Ask for silent messages, unless another worker did within the last minute."""
        if not self._is_ours():
            return
        begun = time.monotonic()
        due = find_silent(engine, datetime.now(UTC), int(RATE * TURN_SECONDS))
        if not due:
            return
        with ProviderClient(self.provider, is_repeated=False) as client:
            asker = Asker(
                engine,
                client,
                options=self.options,
                rate=RATE,
                is_stop_asked=lambda: self.is_stop_asked() or time.monotonic() - begun > TURN_SECONDS,
                on_repaired=lambda count: self.counts.add_all(Counter({RECONCILED: count})),
            )
            try:
                asker.ask(due)
            finally:
                counts = asker.counts
                log.info(
                    "reconcile.asked",
                    asked=counts.asked,
                    repaired=counts.repaired,
                    unfinished=counts.unfinished,
                    unknown=counts.unknown,
                    failed=counts.failed,
                    milliseconds=round((time.monotonic() - begun) * 1000, 1),
                )

    def _is_ours(self) -> bool:
        """Return whether this worker may take a turn: without Redis nobody may."""
        connection = connect(self.redis, connections=1, seconds=REDIS_SECONDS)
        try:
            return bool(connection.set(LOCK_KEY, 1, nx=True, ex=CHORE_SECONDS))
        except RedisError:
            return False
        finally:
            connection.connection_pool.disconnect()
