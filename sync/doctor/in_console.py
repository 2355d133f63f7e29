"""The checks that a page may make: of what it measures anyway, and of a few quick questions to both stores.

It says nothing of settings, of rights to write and of the way from outside: these are for `zexa-sync doctor`.
"""

from collections.abc import Iterator
from contextlib import suppress

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine

from sync.doctor import store_findings
from sync.doctor.check import CHECKS, ordered
from sync.doctor.clocks import judge_clocks
from sync.doctor.diagnose import LATE
from sync.doctor.in_database import check_kept
from sync.doctor.in_numbers import check_numbers
from sync.doctor.in_redis import check_redis
from sync.doctor.in_settings import check_secrets
from sync.status import Numbers
from sync.terminal.findings import Check

NOT_CHECKED = ("settings", "database", "database_writable", "pooler", "foreign_tables", "forget_key", "probe")
CHECKED = tuple(name for name in CHECKS if name not in NOT_CHECKED)


def check_for_page(
    numbers: Numbers, engine: Engine, redis: Redis, *, secrets: tuple[bytes, ...], is_journalled: bool
) -> list[Check]:
    """Return the checks of CHECKED that could be made, problems first; of outages there may be several.

    `redis` should not wait long for an answer. Errors of the database are SQLAlchemy's DBAPIError.
    """
    return ordered(_checks(numbers, engine, redis, secrets=secrets, is_journalled=is_journalled))


def _checks(
    numbers: Numbers, engine: Engine, redis: Redis, *, secrets: tuple[bytes, ...], is_journalled: bool
) -> Iterator[Check]:
    yield check_secrets(secrets)
    if numbers.redis is None:
        yield store_findings.REDIS_AWAY(error=LATE)
    else:
        with suppress(RedisError):  # what does not answer any more is left out
            yield from check_redis(redis, is_tls=False, is_journalled=is_journalled)
    with engine.connect() as connection:
        yield from check_kept(connection)
    stores = {"Redis": numbers.redis, "the database": numbers.database}
    yield judge_clocks({name: store.clock_offset_seconds if store else None for name, store in stores.items()})
    yield from check_numbers(numbers)
