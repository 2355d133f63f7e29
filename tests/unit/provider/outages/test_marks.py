"""Whether deliveries can be acknowledged, by the marks that web leaves."""

import pytest

from sync.provider.outages.marks import DATABASE_BEAT_SECONDS, GAP_SECONDS, DatabaseMark, RedisMarks, unreachable_since

NOW = 1_000_000.0
LATE = GAP_SECONDS + 0.5
NOTHING_IN_REDIS = RedisMarks(latest=None)


def in_redis(ago: float) -> RedisMarks:
    return RedisMarks(latest=NOW - ago)


def in_database(ago: float, *, due_after: float = DATABASE_BEAT_SECONDS) -> DatabaseMark:
    return DatabaseMark(at=NOW - ago, due=NOW - ago + due_after)


@pytest.mark.parametrize(
    ("redis", "database", "ago"),
    [
        (NOTHING_IN_REDIS, None, None),  # a fresh install
        (None, None, None),
        (in_redis(GAP_SECONDS), in_database(29), None),
        (in_redis(LATE), in_database(29), LATE),
        (in_redis(LATE), None, LATE),
        # Redis was away for web, which marked in the database.
        (in_redis(600), in_database(GAP_SECONDS, due_after=0), None),
        (in_redis(600), in_database(LATE, due_after=0), LATE),
        # Redis has forgotten the latest marks.
        (in_redis(600), in_database(29), None),
        # Without Redis, web may have marked there meanwhile, until its next mark in the database is overdue.
        (None, in_database(40), None),
        (None, in_database(DATABASE_BEAT_SECONDS + LATE), DATABASE_BEAT_SECONDS + LATE),
        (None, in_database(LATE, due_after=0), LATE),
        (NOTHING_IN_REDIS, in_database(40), None),
        (NOTHING_IN_REDIS, in_database(DATABASE_BEAT_SECONDS + LATE), DATABASE_BEAT_SECONDS + LATE),
        # A clock that was ahead has been set back.
        (in_redis(-3600), in_database(29), None),
        (in_redis(-3600), in_database(3600), 3600),
    ],
)
def test_an_outage_is_seen_by_marks_that_are_missing(
    redis: RedisMarks | None, database: DatabaseMark | None, ago: float | None
) -> None:
    assert unreachable_since(NOW, redis, database) == (None if ago is None else NOW - ago)
