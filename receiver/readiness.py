"""Whether Redis, the database and its schema are usable: that they can be written to, not merely that they answer."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import gevent
from gevent.lock import BoundedSemaphore
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import URL, Connection, Table, insert, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlmodel import SQLModel

from models.database import open_database
from models.inbox import Inbox
from models.schema import SchemaError, require_compatible

# A bound on the look at each store; both are looked at at once.
READY_SECONDS = 3
# SQLite is waited for without a turn for anybody else.
BUSY_SECONDS = 0.2
# For how long an answer holds, so that many probes cost as much as one.
GOOD_SECONDS = 5.0
BAD_SECONDS = 1.0

# "cannot set transaction read-write mode during recovery", and a transaction that only reads.
_STANDBY_SQLSTATES = ("0A000", "25006")
PROBE_KEY = "zexa-sync:probe"
_INBOX: Table = Inbox.__table__  # type: ignore[attr-defined]
# What events are merged into, and how. `to_regclass` finds no table that is missing, which is a matter of the schema.
_MAY_WRITE = text(
    """
    SELECT coalesce(bool_and(has_table_privilege(to_regclass(name), action)), true)
    FROM unnest(CAST(:names AS text[]), CAST(:actions AS text[])) AS needed (name, action)
    """
)
_ONLY_READ = frozenset({"report_calendar", "zexa_sync_compatibility"})
_UPDATED = ("campaign_status", "dead_letters", "events", "inbox", "message_status", "opt_outs", "rollup_daily")
_DELETED = ("further_bodies", "inbox", "nameless_opt_outs", "rollup_deltas")


class Readiness:
    """Looks at the stores at most every few seconds, however many ask, one after another."""

    def __init__(self, redis: Redis, url: URL, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._database = open_database(
            url, pool_size=1, pool_seconds=READY_SECONDS, statement_seconds=READY_SECONDS, busy_seconds=BUSY_SECONDS
        )
        # On SQLite this looks past another writer. A standby takes no other transactions than its.
        self._reader = open_database(url, pool_size=1, busy_seconds=BUSY_SECONDS, is_read_only=True)
        self._clock = clock
        self._turn = BoundedSemaphore()
        self._usable: dict[str, bool] = {}
        self._good_until = 0.0

    def look(self) -> dict[str, bool]:
        """Return, for Redis, the database and its schema, whether each is usable now, or was a moment ago."""
        with self._turn:
            if self._clock() >= self._good_until:
                self._usable = self._look()
                self._good_until = self._clock() + (GOOD_SECONDS if all(self._usable.values()) else BAD_SECONDS)
            return dict(self._usable)

    def close(self) -> None:
        self._database.dispose()
        self._reader.dispose()

    def _look(self) -> dict[str, bool]:
        looks = [gevent.spawn(self._look_at_redis), gevent.spawn(self._look_at_database)]
        gevent.joinall(looks)
        usable = {"redis": False, "database": False, "schema": False}
        for look in looks:
            usable |= look.value or {}
        return usable

    def _look_at_redis(self) -> dict[str, bool]:
        """Write as an event would be written: one that is loading, a replica or full refuses that."""
        # ValueError: an address no name server would be asked for.
        with suppress(RedisError, ValueError), gevent.Timeout(READY_SECONDS, False):
            with self._redis.pipeline() as pipeline:
                pipeline.set(PROBE_KEY, 1, ex=1)
                pipeline.delete(PROBE_KEY)
                pipeline.execute()
            return {"redis": True}
        return {}

    def _look_at_database(self) -> dict[str, bool]:
        usable: dict[str, bool] = {}
        with suppress(SQLAlchemyError), gevent.Timeout(READY_SECONDS, False):
            try:
                with self._database.connect() as connection:
                    usable["database"] = _may_write(connection)
                    usable["schema"] = _fits(connection)
                    if all(usable.values()):
                        usable["database"] = False
                        _write_and_roll_back(connection)
                        usable["database"] = True
            except DBAPIError as error:
                is_busy = _is_busy(error)
                if not is_busy and not _is_standby(error):
                    raise
                with self._reader.connect() as connection:
                    return {"database": is_busy, "schema": _fits(connection)}
        return usable


def _may_write(connection: Connection) -> bool:
    if connection.dialect.name == "sqlite":
        return True  # the transaction that has begun is one that writes
    needed = [(name, "INSERT") for name in SQLModel.metadata.tables.keys() - _ONLY_READ]
    needed += [(name, "UPDATE") for name in _UPDATED] + [(name, "DELETE") for name in _DELETED]
    names, actions = zip(*needed, strict=True)
    return bool(connection.execute(_MAY_WRITE, {"names": list(names), "actions": list(actions)}).scalar_one())


def _fits(connection: Connection) -> bool:
    try:
        require_compatible(connection)
    except SchemaError:
        return False
    return True


def _write_and_roll_back(connection: Connection) -> None:
    now = datetime.now(UTC)
    connection.execute(insert(_INBOX), {"body": b"", "received_at": now, "due_at": now})
    connection.rollback()


def _is_busy(error: DBAPIError) -> bool:
    """Return whether SQLite has another writer just now, which shows that it can be written to."""
    return isinstance(error.orig, sqlite3.Error) and error.orig.sqlite_errorcode == sqlite3.SQLITE_BUSY


def _is_standby(error: DBAPIError) -> bool:
    """Return whether PostgreSQL begins no transaction that writes, whatever asks for one."""
    return getattr(error.orig, "sqlstate", None) in _STANDBY_SQLSTATES
