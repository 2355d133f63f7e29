"""What the database knows of this system, as numbers. Reads only, and quotes no person."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Select, Table, func, select, text, true
from sqlalchemy.exc import SQLAlchemyError

from models.indexed import IS_IGNORED
from models.tables import DEAD_LETTERS, INBOX, LEDGER, NAMELESS_OPT_OUTS, TASKS
from sync.events.opt_out_names import looks_like_opt_out
from sync.provider.outages.record import read_mark
from sync.provider.outages.recorded import read_outages
from sync.queue.clock import clock_offset
from sync.status.numbers import InDatabase
from sync.status.opt_out_latency import Latency, latency

# Counting stops here, so that a count holds up nobody, however many there are.
COUNTED_MAX = 100_000
# An installation meets a handful of names that it does not know. At most this many are looked at.
NAMES_MAX = 10_000


ReadLatency = Callable[[Connection], Latency | None]


def latency_now(connection: Connection) -> Latency:
    return latency(connection, datetime.now(UTC))


def measure_database(
    engine: Engine, *, read_latency: ReadLatency = latency_now, has_opt_outs: bool = True, has_outages: bool = True
) -> InDatabase | None:
    """Return what the database knows, None if it does not answer. A long day's latency takes its time to read.

    Without `has_opt_outs` the counts of opt-outs that name nobody are left out: many of them take their time too.
    Likewise the outages, without `has_outages`.
    """
    try:
        with engine.connect() as connection:
            return InDatabase(
                clock_offset_seconds=_clock_offset(connection),
                inbox_rows=_count(connection, _any_of(INBOX)),
                inbox_oldest_at=connection.execute(select(func.min(INBOX.c.received_at))).scalar(),
                dead_letters=_count(connection, _any_of(DEAD_LETTERS).where(DEAD_LETTERS.c.resolved_at.is_(None))),
                nameless_opt_outs=_count(connection, _any_of(NAMELESS_OPT_OUTS)) if has_opt_outs else None,
                ignored_opt_outs=_ignored_opt_outs(connection) if has_opt_outs else None,
                opt_out_latency=read_latency(connection),
                outages=tuple(read_outages(connection)) if has_outages else None,
                mark=read_mark(connection),
                tasks_wait_since=_tasks_wait_since(connection),
            )
    except SQLAlchemyError:
        return None


def _tasks_wait_since(connection: Connection) -> datetime | None:
    """Return since when the task waits that waits for the longest; None while a worker is busy with another one."""
    since = func.coalesce(TASKS.c.seen_at, TASKS.c.asked_at)
    query = select(TASKS.c.state, func.min(since)).where(TASKS.c.ended_at.is_(None)).group_by(TASKS.c.state)
    earliest: dict[str, datetime] = {row[0]: row[1] for row in connection.execute(query)}
    return None if "running" in earliest else earliest.get("waiting")


def _clock_offset(connection: Connection) -> float:
    """Return by how many seconds the database's clock is ahead of ours. SQLite has none of its own."""
    if connection.dialect.name != "postgresql":
        return 0.0
    connection.execute(text("SELECT 1"))  # what a first statement waits for is no matter of clocks
    before = time.time()
    at = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return clock_offset(before, at.timestamp(), time.time())


def _any_of(table: Table) -> Select[Any]:
    return select(true()).select_from(table)


def _count(connection: Connection, rows: Select[Any]) -> int:
    counted = select(func.count()).select_from(rows.limit(COUNTED_MAX).subquery())
    return connection.execute(counted).scalar_one()


def _ignored_opt_outs(connection: Connection) -> int:
    names = [name for name in _ignored_names(connection) if looks_like_opt_out(name)]
    return _count(connection, select(LEDGER.c.event).where(IS_IGNORED, LEDGER.c.event.in_(names))) if names else 0


def _ignored_names(connection: Connection) -> list[str]:
    """Return the names of ignored facts. From each name the index leads to the next, however many facts share it."""
    first = select(func.min(LEDGER.c.event).label("name")).where(IS_IGNORED)
    names = first.cte("names", recursive=True)
    following = select(func.min(LEDGER.c.event)).where(IS_IGNORED, LEDGER.c.event > names.c.name)
    names = names.union_all(select(following.correlate(names).scalar_subquery()).where(names.c.name.is_not(None)))
    query = select(names.c.name).where(names.c.name.is_not(None)).limit(NAMES_MAX)
    return list(connection.execute(query).scalars())
