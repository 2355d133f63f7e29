"""What waits, and how fresh the tables are: what a person looks at first. Reads only, and quotes no person."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, Select, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from models.tables import DEAD_LETTERS, INBOX, LEDGER, NAMELESS_OPT_OUTS
from sync.events.opt_out_names import looks_like_opt_out
from sync.queue.connection import OpenQueue, QueueUnavailable
from sync.queue.waiting import failed_job_count, queue_length
from sync.status.opt_out_latency import Latency, latency
from sync.suppression import Freshness, Lookup

# Counting stops here, for there may be many.
COUNTED_MAX = 100_000
# An installation meets a handful of names that it does not know. At most this many are looked at.
NAMES_MAX = 10_000

# In the words of the index ix_events_ignored: with a parameter SQLite would not use it.
_IS_IGNORED = text("outcome = 'ignored'")


@dataclass(frozen=True, slots=True, kw_only=True)
class InRedis:
    """Jobs that wait in the queue, and jobs that failed and wait for a person."""

    queue_jobs: int
    failed_jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InDatabase:
    """Rows of the inbox, unresolved dead letters, and how soon the last day's opt-outs took effect.

    `nameless_opt_outs` are STOPs that name no person. `ignored_opt_outs` are facts whose event no version knows, and
    whose name looks like an opt-out. Both are counted up to COUNTED_MAX.
    """

    inbox_rows: int
    dead_letters: int
    nameless_opt_outs: int
    ignored_opt_outs: int
    opt_out_latency: Latency


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`redis` or `database` is None if it did not answer; `looked_at` is when both were asked."""

    looked_at: datetime
    freshness: Freshness
    redis: InRedis | None
    database: InDatabase | None

    @property
    def staleness_seconds(self) -> float | None:
        """Return how long ago the time is up to which every acknowledged opt-out is reflected."""
        as_of = self.freshness.as_of
        return (self.looked_at - as_of).total_seconds() if as_of else None


def condition(engine: Engine, queue: OpenQueue, *, default_region: str) -> Condition:
    """Return the condition now. Raises nothing for a store that is away."""
    fresh = Lookup(engine, queue, default_region=default_region).freshness()
    return Condition(
        looked_at=datetime.now(UTC), freshness=fresh, redis=_in_redis(queue), database=_in_database(engine)
    )


def _in_redis(queue: OpenQueue) -> InRedis | None:
    try:
        return InRedis(queue_jobs=queue_length(queue), failed_jobs=failed_job_count(queue))
    except (QueueUnavailable, ValueError):
        return None


def _in_database(engine: Engine) -> InDatabase | None:
    try:
        with engine.connect() as connection:
            unresolved = select(func.count()).select_from(DEAD_LETTERS).where(DEAD_LETTERS.c.resolved_at.is_(None))
            return InDatabase(
                inbox_rows=connection.execute(select(func.count()).select_from(INBOX)).scalar_one(),
                dead_letters=connection.execute(unresolved).scalar_one(),
                nameless_opt_outs=_count(connection, select(NAMELESS_OPT_OUTS.c.digest)),
                ignored_opt_outs=_ignored_opt_outs(connection),
                opt_out_latency=latency(connection, datetime.now(UTC)),
            )
    except SQLAlchemyError:
        return None


def _count(connection: Connection, rows: Select[tuple[str]]) -> int:
    counted = select(func.count()).select_from(rows.limit(COUNTED_MAX).subquery())
    return connection.execute(counted).scalar_one()


def _ignored_opt_outs(connection: Connection) -> int:
    names = [name for name in _ignored_names(connection) if looks_like_opt_out(name)]
    return _count(connection, select(LEDGER.c.event).where(_IS_IGNORED, LEDGER.c.event.in_(names))) if names else 0


def _ignored_names(connection: Connection) -> list[str]:
    """Return the names of ignored facts. From each name the index leads to the next, however many facts share it."""
    first = select(func.min(LEDGER.c.event).label("name")).where(_IS_IGNORED)
    names = first.cte("names", recursive=True)
    following = select(func.min(LEDGER.c.event)).where(_IS_IGNORED, LEDGER.c.event > names.c.name)
    names = names.union_all(select(following.correlate(names).scalar_subquery()).where(names.c.name.is_not(None)))
    query = select(names.c.name).where(names.c.name.is_not(None)).limit(NAMES_MAX)
    return list(connection.execute(query).scalars())
