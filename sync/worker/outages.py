"""A worker's chore: every few seconds it sees whether deliveries can be acknowledged, and records it if not."""

import time

import structlog
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from sync.provider.outages.in_redis import forget_gaps, read_marks
from sync.provider.outages.marks import unreachable_since
from sync.provider.outages.record import begin_outage, record_gaps

CHORE_SECONDS = 3.0

log = structlog.get_logger()


def notice_outage(redis: Redis, engine: Engine) -> None:
    """Record an outage that lasts, and those that web could not record. Raises nothing of the stores'."""
    now = time.time()
    marks = read_marks(redis)
    if marks and marks.latest is not None and not marks.gaps and unreachable_since(now, marks, None) is None:
        return  # the usual case, which costs the database nothing
    try:
        with engine.begin() as connection:
            outages = record_gaps(connection, marks.gaps, now=now) if marks else []
            begun = begin_outage(connection, now, marks)
        if marks:
            forget_gaps(redis, marks.gaps)
    except (SQLAlchemyError, RedisError, OSError):
        return  # the next time does it
    finally:
        redis.connection_pool.disconnect()
    for outage in outages:
        log.warning("outage.recorded", **outage.logged())
    for outage in begun:
        log.error("outage.noticed", began_at=outage.logged()["began_at"])
