"""A worker's chore: once an hour, in the whole installation, it counts which failures look like opt-outs.

It only proposes. It has a thread and a connection of its own, rests most of the time, and waits while anything waits to
be applied.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import URL, Engine
from sqlalchemy.exc import DBAPIError

from models.database import disposing, open_database
from sync.events.interpretation import ParseOptions
from sync.queue.connection import open_queue, opened_redis
from sync.reports.failure_codes.count import AGAIN_AFTER, count_failures
from sync.reports.failure_codes.judge import judge
from sync.reports.failure_codes.store import store_count
from sync.settings.environment import RedisSettings
from sync.settings.sentry_client import report

LOCK_KEY = "zexa-sync:failure-codes:lock"
CHORE_SECONDS = 3600
LOOK_SECONDS = 60
# How far back failures count: people are written to about once a month, or more often.
WINDOW = timedelta(days=90)
# A count ends here, and says until when it reaches. One that has not come half of the way is put off for an hour.
COUNT_SECONDS = 1200.0
# Between slices it rests about this many times as long as a slice took.
REST_FACTOR = 5.0
PAUSE_SECONDS = 1.0
STATEMENT_SECONDS = 10.0
BUSY_SECONDS = 5.0
REDIS_SECONDS = 2.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureCodesChore:
    """What a worker hands on: where to count, what is set already, and how the chore is told to stop."""

    database_url: URL
    redis: RedisSettings
    options: ParseOptions
    is_stop_asked: Callable[[], bool]
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> None:
        """Look each minute whether it is time to count, until asked to stop. Raises nothing."""
        while True:
            self.sleep(LOOK_SECONDS)
            if self.is_stop_asked():
                return
            try:
                self.take_turn()
            except DBAPIError as error:  # perhaps it only took too long, which nobody else would say
                log.error("failure_codes.failed", error=type(error.orig).__name__)
            except Exception as error:
                log.error("failure_codes.failed", error=type(error).__name__)
                report("failure_codes.failed", type(error).__name__, error)

    def take_turn(self) -> None:
        """Count, unless another worker did within the last hour. Without Redis nobody counts."""
        with (
            suppress(RedisError),  # the loop that takes the jobs says so
            opened_redis(self.redis, seconds=REDIS_SECONDS) as connection,
        ):
            if connection.set(LOCK_KEY, 1, nx=True, ex=CHORE_SECONDS):
                self.count(_Pace(connection, self.is_stop_asked, self.sleep))

    def count(self, pace: "_Pace") -> None:
        now = datetime.now(UTC)
        since, until = now - WINDOW, now - AGAIN_AFTER
        with self._database(is_read_only=True) as reader:
            counter, reached = count_failures(reader, since, until, may_go_on=pace.may_go_on)
        seconds = round(time.monotonic() - pace.begun, 1)
        if self.is_stop_asked() or reached < since + WINDOW / 2:
            log.info("failure_codes.put_off", seconds=seconds)
            return
        codes = judge(counter.counts(), self.options.opt_out_failures)
        already = ",".join(sorted(self.options.opt_out_failures))
        with self._database() as writer:
            store_count(writer, codes, counted_at=now, since=since, until=reached, already=already)
        proposed = sum(code.is_proposed for code in codes)
        log.info("failure_codes.counted", codes=len(codes), proposed=proposed, seconds=seconds)

    def _database(self, *, is_read_only: bool = False) -> AbstractContextManager[Engine]:
        return disposing(
            open_database(
                self.database_url,
                pool_size=1,
                statement_seconds=STATEMENT_SECONDS,
                busy_seconds=BUSY_SECONDS,
                is_read_only=is_read_only,
            )
        )


class _Pace:
    """Lets deliveries come first: rests after each slice, and waits while jobs wait, within COUNT_SECONDS."""

    def __init__(self, connection: Redis, is_stop_asked: Callable[[], bool], sleep: Callable[[float], None]) -> None:
        self._queue = open_queue(connection)
        self._is_stop_asked = is_stop_asked
        self._sleep = sleep
        self.begun = self._slice_begun = time.monotonic()

    def may_go_on(self) -> bool:
        self._sleep(REST_FACTOR * (time.monotonic() - self._slice_begun))
        while self._queue.count and not self._is_over:
            self._sleep(PAUSE_SECONDS)
        self._slice_begun = time.monotonic()
        return not self._is_over

    @property
    def _is_over(self) -> bool:
        return self._is_stop_asked() or time.monotonic() - self.begun > COUNT_SECONDS
