"""Whether Redis, the database and its schema are usable: that they can be written to, not merely that they answer."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Lock

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from models.database import open_database
from models.refusals import SchemaError
from models.schema import require_compatible
from models.writable import is_busy, is_standby, missing_rights, write_and_roll_back
from receiver.server.sockets import OpenSockets

# A bound on the look at each store; both are looked at at once.
READY_SECONDS = 3.0
# So that a statement that waits fails in time.
STATEMENT_SECONDS = 2.0
BUSY_SECONDS = 0.2
# For how long an answer holds, so that many probes cost as much as one.
GOOD_SECONDS = 5.0
BAD_SECONDS = 1.0

PROBE_KEY = "zexa-sync:probe"


class Readiness:
    """Looks at the stores at most every few seconds, however many ask. Nothing is connected yet."""

    def __init__(self, redis: Redis, url: URL, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = _Look(partial(_look_at_redis, redis))
        self._database = _DatabaseLook(url)
        self._clock = clock
        self._lock = Lock()
        self._usable: dict[str, bool] = {}
        self._good_until = 0.0
        # For event loops: all who ask at once share one look.
        self._looker = ThreadPoolExecutor(1, thread_name_prefix="readiness")
        self._shared: asyncio.Future[dict[str, bool]] | None = None

    def look(self) -> dict[str, bool]:
        """Return, for Redis, the database and its schema, whether each is usable now, or was a moment ago.

        Takes READY_SECONDS and a little more at the most.
        """
        with self._lock:
            if self._clock() >= self._good_until:
                self._usable = self._look()
                self._good_until = self._clock() + (GOOD_SECONDS if all(self._usable.values()) else BAD_SECONDS)
            return dict(self._usable)

    async def look_together(self) -> dict[str, bool]:
        """Return what `look` does, on an event loop, together with all who ask meanwhile."""
        if self._shared is None or self._shared.done():
            self._shared = asyncio.get_running_loop().run_in_executor(self._looker, self.look)
        return await asyncio.shield(self._shared)

    def close(self) -> None:
        self._database.close()

    def _look(self) -> dict[str, bool]:
        until = time.monotonic() + READY_SECONDS
        for look in (self._redis, self._database):
            look.begin()
        usable = {"redis": False, "database": False, "schema": False}
        for look in (self._redis, self._database):
            usable |= look.result(until)
        return usable


class _Look:
    """One look at a time, in a thread of its own; one that does not end in time saw nothing usable."""

    def __init__(self, look: Callable[[], dict[str, bool]]) -> None:
        self._look = look
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="readiness-look")
        self._looking: Future[dict[str, bool]] | None = None

    def begin(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = self._executor.submit(self._look)

    def result(self, until: float) -> dict[str, bool]:
        assert self._looking is not None
        try:
            return self._looking.result(max(0.0, until - time.monotonic()))
        except TimeoutError:
            self.end()
        except (RedisError, SQLAlchemyError, ValueError):  # ValueError: an address no name server would be asked for
            pass
        return {}

    def end(self) -> None:
        """Free the thread, if there is a way to."""


def _look_at_redis(redis: Redis) -> dict[str, bool]:
    """Write as an event would be written: one that is loading, a replica or full refuses that."""
    with redis.pipeline() as pipeline:
        pipeline.set(PROBE_KEY, 1, ex=1)
        pipeline.delete(PROBE_KEY)
        pipeline.execute()
    return {"redis": True}


class _DatabaseLook(_Look):
    def __init__(self, url: URL) -> None:
        super().__init__(self._look_at_database)
        self._writer = open_database(
            url,
            pool_size=1,
            pool_seconds=STATEMENT_SECONDS,
            statement_seconds=STATEMENT_SECONDS,
            busy_seconds=BUSY_SECONDS,
        )
        # On SQLite this looks past another writer. A standby takes no other transactions than its.
        self._reader = open_database(url, pool_size=1, busy_seconds=BUSY_SECONDS, is_read_only=True)
        self._sockets = [OpenSockets(engine) for engine in (self._writer, self._reader)]

    def end(self) -> None:
        for sockets in self._sockets:
            sockets.shut()

    def close(self) -> None:
        self._writer.dispose()
        self._reader.dispose()

    def _look_at_database(self) -> dict[str, bool]:
        usable: dict[str, bool] = {}
        with suppress(SQLAlchemyError):
            try:
                with self._writer.connect() as connection:
                    usable["database"] = not missing_rights(connection)
                    usable["schema"] = _fits(connection)
                    if all(usable.values()):
                        usable["database"] = False
                        write_and_roll_back(connection)
                        usable["database"] = True
            except DBAPIError as error:
                has_other_writer = is_busy(error)
                if not has_other_writer and not is_standby(error):
                    raise
                with self._reader.connect() as connection:
                    return {"database": has_other_writer, "schema": _fits(connection)}
        return usable


def _fits(connection: Connection) -> bool:
    try:
        require_compatible(connection)
    except SchemaError:
        return False
    return True
