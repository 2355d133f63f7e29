"""The checks that a page may make: of what it measures anyway, and of a few quick questions to both stores.

It says nothing of settings, of rights to write, of poolers and of the way from outside: that is for `zexa-sync doctor`.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine

from sync.doctor import store_findings
from sync.doctor.check import CHECKS, ordered
from sync.doctor.clocks import judge_clocks
from sync.doctor.diagnose import LATE
from sync.doctor.in_database import check_forget_key, check_kept
from sync.doctor.in_numbers import check_numbers
from sync.doctor.in_redis import check_redis
from sync.doctor.in_settings import check_secrets
from sync.status import Numbers
from sync.terminal.findings import Check, Severity

NOT_CHECKED = ("settings", "database", "database_writable", "pooler", "foreign_tables", "probe")
CHECKED = tuple(name for name in CHECKS if name not in NOT_CHECKED)


def check_for_page(
    numbers: Numbers,
    engine: Engine,
    redis: Redis,
    *,
    secrets: tuple[bytes, ...],
    is_journalled: bool,
    forget_key_ids: Collection[str],
) -> list[Check]:
    """Return the checks of CHECKED that could be made, problems first; of outages there may be several.

    `forget_key_ids` are the fingerprints of the keys of ZEXA_FORGET_KEY that the web process has. `redis` should not
    wait long for an answer. Errors of the database are SQLAlchemy's DBAPIError.
    """
    of_stores = [check_secrets(secrets), *_of_database(engine, forget_key_ids)]
    return ordered([*of_stores, *_of_redis(numbers, redis, is_journalled=is_journalled), *_of_numbers(numbers)])


def _of_redis(numbers: Numbers, redis: Redis, *, is_journalled: bool) -> Iterator[Check]:
    if numbers.redis is None:
        yield store_findings.REDIS_AWAY(error=LATE)
    else:
        with suppress(RedisError):  # what does not answer any more is left out
            yield from check_redis(redis, is_tls=False, is_journalled=is_journalled)


def _of_database(engine: Engine, forget_key_ids: Collection[str]) -> Iterator[Check]:
    with engine.connect() as connection:
        schema, durability = check_kept(connection)
        yield schema
        yield durability
        if schema.status is not Severity.PROBLEM:
            yield check_forget_key(connection, forget_key_ids)


def _of_numbers(numbers: Numbers) -> Iterator[Check]:
    stores = {"Redis": numbers.redis, "the database": numbers.database}
    yield judge_clocks({name: store.clock_offset_seconds if store else None for name, store in stores.items()})
    yield from check_numbers(numbers)
