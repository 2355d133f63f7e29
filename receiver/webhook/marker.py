"""Leaves a mark every few seconds that deliveries can be acknowledged, and records the outages between marks.

In a thread of its own: no delivery waits for a mark. `sync.provider.outages` says what marks mean.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from threading import Event, Thread
from typing import NamedTuple

import structlog
from redis.exceptions import RedisError
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from models.database import open_database
from receiver.server.sockets import OpenSockets
from receiver.webhook.background import Background
from sync.provider.outages.in_redis import forget_gaps, leave_mark, read_marks
from sync.provider.outages.marks import (
    BEAT_SECONDS,
    DATABASE_BEAT_SECONDS,
    GAP_SECONDS,
    Gap,
    OutageKind,
    RedisMarks,
    Span,
    believed,
)
from sync.provider.outages.record import record_span
from sync.queue.connection import connect
from sync.settings.environment import RedisSettings

REDIS_SECONDS = 0.5
# A bound on one statement; to open a connection there is a quarter more.
STATEMENT_SECONDS = 1.2

# Goes on while the machine is asleep, and never jumps. Only Linux has it.
_ELAPSED = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

log = structlog.get_logger()


class Clocks(NamedTuple):
    """The time of day, in epoch seconds, and how much time has passed since any moment, whatever was done to that."""

    wall: float
    elapsed: float


def read_clocks() -> Clocks:
    return Clocks(round(time.time(), 3), time.clock_gettime(_ELAPSED))


class Marker:
    """One per process. `take_answers` says what became of the deliveries since it was asked last.

    It returns True if some were acknowledged, False if all were answered 503, None if none was answered either way.
    """

    def __init__(
        self,
        redis: RedisSettings,
        database_url: URL,
        take_answers: Callable[[], bool | None],
        *,
        beat_seconds: float = BEAT_SECONDS,
        gap_seconds: float = GAP_SECONDS,
        statement_seconds: float = STATEMENT_SECONDS,
        clocks: Callable[[], Clocks] = read_clocks,
    ) -> None:
        self._take_answers, self._clocks = take_answers, clocks
        self._beat_seconds, self._gap_seconds = beat_seconds, gap_seconds
        self._redis = connect(redis, connections=1, seconds=REDIS_SECONDS)
        self._books = _Books(database_url, statement_seconds)
        self._span: Span | None = None
        self._marked_at = self._recorded_at = float("-inf")  # `elapsed` of its clocks
        self._has_failed, self._redis_takes = False, True
        self._background = Background("marker", self._run, at_exit=self.stop)

    def start(self) -> None:
        """Leave marks from now on. Not before the process forks."""
        self._background.start()

    def stop(self) -> None:
        """Leave no further mark."""
        self._background.stop()
        self._books.close()

    def _run(self, is_over: Event) -> None:
        while not is_over.is_set():
            begun = time.monotonic()
            try:
                self.beat()
            except Exception as error:  # a thread that ends would look like an outage
                log.error("mark.failed", error=type(error).__name__)
            is_over.wait(max(0.0, begun + self._beat_seconds - time.monotonic()))

    def beat(self) -> None:
        """Leave a mark if deliveries can be acknowledged now. Takes a few seconds at the most."""
        wall, elapsed = self._clocks()
        if self._take_answers() is False:
            self._has_failed = True
            return
        marks = self._read_marks()
        span = self._span_until(wall, elapsed, marks)
        is_due = not span.is_recorded or bool(marks and marks.gaps) or self._is_due(elapsed)
        is_in_database = is_due and self._record(span, marks, elapsed)
        span = replace(span, is_recorded=span.is_recorded or is_in_database)
        is_in_redis = marks is not None and self._leave_mark(span, marks)
        if not is_in_redis and not is_due:
            is_in_database = self._record(span, marks, elapsed)
        self._redis_takes = is_in_redis
        self._has_failed = not (is_in_redis or is_in_database)
        if not self._has_failed:
            self._span, self._marked_at = span, elapsed

    def _span_until(self, wall: float, elapsed: float, marks: RedisMarks | None) -> Span:
        """Return the span of this process until now: the one before, unless there was a gap since its last mark."""
        last = self._span
        if last and elapsed - self._marked_at <= self._gap_seconds:
            return replace(last, since=min(last.since, wall), at=wall)
        in_redis = believed(marks.latest, wall) if marks else None
        ours = last.at if last else None
        before = max((mark for mark in (in_redis, ours) if mark is not None), default=None)
        kind = OutageKind.NO_STORE if last and self._has_failed else OutageKind.NO_PROCESS
        return Span(since=wall, at=wall, before=before, kind=kind)

    def _is_due(self, elapsed: float) -> bool:
        return elapsed - self._recorded_at >= (DATABASE_BEAT_SECONDS if self._redis_takes else 0.0)

    def _read_marks(self) -> RedisMarks | None:
        try:
            return read_marks(self._redis)
        except (RedisError, OSError, ValueError):  # ValueError: a name that no name server would be asked for
            return None
        finally:
            self._redis.connection_pool.disconnect()  # small plans have few connections

    def _leave_mark(self, span: Span, marks: RedisMarks) -> bool:
        """Mark in Redis, and leave a gap there that the database did not take. Return whether Redis took it."""
        gap = None
        if not span.is_recorded and (span.before is None or span.since - span.before > self._gap_seconds):
            gap = Gap(began=span.before, ended=span.since, kind=span.kind)
        try:
            leave_mark(self._redis, span.at, marks=marks, gap=gap)
        except (RedisError, OSError):
            return False
        finally:
            self._redis.connection_pool.disconnect()
        return True

    def _record(self, span: Span, marks: RedisMarks | None, elapsed: float) -> bool:
        """Mark in the database, with the outages that are not recorded; return whether it took them."""
        gaps = marks.gaps if marks else ()
        is_marked_in_redis = marks is not None and self._redis_takes
        due_seconds = DATABASE_BEAT_SECONDS if is_marked_in_redis else 0.0
        if not self._books.record(span, gaps, due_seconds=due_seconds, gap_seconds=self._gap_seconds):
            return False
        self._recorded_at = elapsed
        with suppress(RedisError, OSError):  # recorded again they change nothing
            forget_gaps(self._redis, gaps)
        return True


class _Books:
    """The database as a marker uses it: one connection, closed again, and a bound on how long it may take."""

    def __init__(self, url: URL, statement_seconds: float) -> None:
        self._seconds = statement_seconds * 1.25
        self._engine = open_database(
            url,
            pool_size=1,
            pool_seconds=statement_seconds,
            statement_seconds=statement_seconds,
            busy_seconds=statement_seconds,
        )
        self._sockets = OpenSockets(self._engine)
        self._recording: Thread | None = None

    def record(self, span: Span, gaps: Sequence[Gap], *, due_seconds: float, gap_seconds: float) -> bool:
        """Do as `record_span`; return whether the database confirmed it in time."""
        if self._recording and self._recording.is_alive():
            return False
        confirmed: list[bool] = []

        def record() -> None:
            with suppress(SQLAlchemyError):
                try:
                    with self._engine.begin() as connection:
                        recorded = record_span(
                            connection, span, gaps=gaps, due_seconds=due_seconds, gap_seconds=gap_seconds
                        )
                finally:
                    self._engine.dispose()
                confirmed.append(True)
                for outage in recorded:
                    log.warning("outage.recorded", **outage.logged())

        self._recording = Thread(target=record, name="marks", daemon=True)
        self._recording.start()
        self._recording.join(self._seconds)
        if self._recording.is_alive():
            self._sockets.shut()  # else the thread waits for as long as the server is silent
        return bool(confirmed)

    def close(self) -> None:
        self._engine.dispose()
