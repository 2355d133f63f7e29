"""What waits, and how fresh the tables are: what a person looks at first. Reads only, and quotes nobody."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from models.tables import DEAD_LETTERS, INBOX
from sync.opt_outs.latency import Latency, latency
from sync.queue import OpenQueue, QueueUnavailable, failed_job_count, queue_length
from sync.suppression import Freshness, Lookup


@dataclass(frozen=True, slots=True, kw_only=True)
class InRedis:
    """Jobs that wait in the queue, and those that failed and wait for a person."""

    queue_jobs: int
    failed_jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InDatabase:
    """Rows of the inbox, unresolved dead letters, and how soon the last day's opt-outs took effect."""

    inbox_rows: int
    dead_letters: int
    opt_out_latency: Latency


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`redis` or `database` is None where it did not answer; `looked_at` is when all of it was asked."""

    looked_at: datetime
    freshness: Freshness
    redis: InRedis | None
    database: InDatabase | None

    @property
    def staleness_seconds(self) -> float | None:
        """Return how long ago the moment is up to which every acknowledged opt-out is reflected."""
        as_of = self.freshness.as_of
        return (self.looked_at - as_of).total_seconds() if as_of else None


def condition(engine: Engine, queue: OpenQueue, *, default_region: str) -> Condition:
    """Return what can be told now. Raises nothing for a store that is away."""
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
                opt_out_latency=latency(connection, datetime.now(UTC)),
            )
    except SQLAlchemyError:
        return None
