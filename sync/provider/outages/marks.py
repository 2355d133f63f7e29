"""What proves that deliveries can be acknowledged: a mark that each web process leaves every few seconds. Pure.

A mark stands in Redis if Redis takes it, and in the database now and then. While Redis takes none, each stands in the
database. If neither takes it, no delivery can be acknowledged either.
"""

from dataclasses import dataclass
from enum import StrEnum

BEAT_SECONDS = 4.0
# Without a mark for so long, deliveries could not be acknowledged. Two marks may be missed before.
GAP_SECONDS = 12.0
# While Redis takes marks, the database has one so often.
DATABASE_BEAT_SECONDS = 30.0
# A mark further ahead than this was written by a clock that has been set back since: it proves nothing.
AHEAD_SECONDS = 5.0


class OutageKind(StrEnum):
    """Why no delivery could be acknowledged."""

    NO_PROCESS = "no_process"  # no web process ran, or all stood still
    NO_STORE = "no_store"  # web processes ran, and answered 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """No mark from `began` until `ended`, in epoch seconds. Without `began` nobody remembers when it began."""

    began: float | None
    ended: float
    kind: OutageKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisMarks:
    """The latest mark in Redis, None if there is none, and the gaps that no process has recorded in the database."""

    latest: float | None
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseMark:
    """The latest mark in the database. Until `due` there need not be another one. Epoch seconds."""

    at: float
    due: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A time in which one process could acknowledge deliveries throughout, from `since` until `at`, in epoch seconds.

    `before` is the latest mark known from before it. `kind` says what the process knows of the time in between, and
    `is_recorded` that the database has been told of it.
    """

    since: float
    at: float
    before: float | None
    kind: OutageKind
    is_recorded: bool = False


def believed(mark: float | None, now: float) -> float | None:
    """Return `mark` unless it is of a clock that was ahead."""
    return mark if mark is not None and mark <= now + AHEAD_SECONDS else None


def unreachable_since(now: float, redis: RedisMarks | None, database: DatabaseMark | None) -> float | None:
    """Return since when no process has left a mark, None if one did just now, or none ever did.

    `redis` is None if Redis does not answer. Then, and if Redis has forgotten the latest marks, the database's mark may
    be old though web marks in Redis. So it counts once another mark is overdue.
    """
    in_redis = believed(redis.latest, now) if redis else None
    in_database = believed(database.at, now) if database else None
    marks = [mark for mark in (in_redis, in_database) if mark is not None]
    if not marks:
        return None
    late_from = max(marks)
    if database and late_from == in_database and late_from != in_redis:
        late_from = max(late_from, database.due)
    return max(marks) if now - late_from > GAP_SECONDS else None
