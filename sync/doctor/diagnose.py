"""Runs all checks at once, within a time that is known beforehand."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from threading import Thread

from redis.exceptions import RedisError
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from sync.doctor import store_findings
from sync.doctor.check import CHECKS, ordered, worst
from sync.doctor.clocks import judge_clocks
from sync.doctor.in_database import check_database
from sync.doctor.in_numbers import check_numbers
from sync.doctor.in_redis import check_redis
from sync.doctor.in_settings import Settings, check_secrets, read_settings
from sync.provider.webhooks.follow_probe import check_probe
from sync.queue.connection import opened_queue
from sync.settings.environment import RedisSettings
from sync.status import InDatabase, InRedis, Numbers, measure
from sync.terminal.findings import Check, unknown
from sync.terminal.stores import open_quickly

# A bound on all of it, the start of the process not included.
SECONDS = 8.0
# A command takes three times as long at the worst: it is tried twice, after a connection was opened.
REDIS_SECONDS = 1.5
# To say where a probe waits that is not applied.
FOLLOWED_BEFORE_SECONDS = 1.0
LATE = "no answer in time"
_UNSENT = "it cannot be signed without ZEXA_WEBHOOK_SECRET"
_UNENDED = "it did not come to an end in time"

# What stands for a check that yielded nothing.
_NOTHING = {
    "secrets": unknown("secrets", "ZEXA_WEBHOOK_SECRET cannot be read"),
    "outages": unknown("outages", "the database, which records them, does not answer"),
    "probe": unknown("probe", "none was sent", "send one: `zexa-sync doctor --url https://YOUR-HOST/webhooks/zexa`"),
}


def diagnose(environ: Mapping[str, str], *, url: str | None = None, seconds: float = SECONDS) -> list[Check]:
    """Return every check of CHECKS, problems first. Takes `seconds` and a little more at the worst."""
    until = time.monotonic() + seconds
    settings, check = read_settings(environ)
    checks = [check]
    if settings.secrets:
        checks.append(check_secrets(settings.secrets))
    looks = [_Look(look) for look in _looks(settings, url, until)]
    for look in looks:
        look.join(max(0.0, until - time.monotonic()))
        checks += look.found
    return ordered(_one_each(checks, settings, is_probed=bool(url)))


def _looks(settings: Settings, url: str | None, until: float) -> Iterator[Callable[[], Iterator[Check]]]:
    """Yield what is done at the same time, each over connections of its own."""
    if settings.redis:
        yield partial(_look_at_redis, settings.redis, is_journalled=settings.is_journalled)
    if settings.database_url is not None:
        yield partial(check_database, settings.database_url, settings.forget_key_ids)
    if settings.redis and settings.database_url is not None:
        yield partial(_look_at_numbers, settings, settings.redis, settings.database_url)
    if url and settings.secrets:
        yield partial(_send_probe, url, settings, until - FOLLOWED_BEFORE_SECONDS)


def _look_at_redis(redis: RedisSettings, *, is_journalled: bool) -> Iterator[Check]:
    with opened_queue(redis, seconds=REDIS_SECONDS) as queue:
        is_tls = redis.url.startswith("rediss://")
        yield from check_redis(queue.connection, is_tls=is_tls, is_journalled=is_journalled)


def _look_at_numbers(settings: Settings, redis: RedisSettings, database_url: URL) -> Iterator[Check]:
    engine = open_quickly(database_url, is_read_only=True)
    try:
        with opened_queue(redis, seconds=REDIS_SECONDS) as queue:
            numbers = measure(engine, queue, default_region=settings.default_region, secrets=settings.secrets or None)
    finally:
        engine.dispose()
    yield judge_clocks(
        {name: store.clock_offset_seconds if store else None for name, store in _stores(numbers).items()}
    )
    yield from check_numbers(numbers)


def _stores(numbers: Numbers) -> Mapping[str, InRedis | InDatabase | None]:
    return {"Redis": numbers.redis, "the database": numbers.database}


def _send_probe(url: str, settings: Settings, until: float) -> Iterator[Check]:
    secret = settings.secrets[0]
    if settings.redis is None:
        yield from check_probe(url, secret, settings.database_url, None, until)
        return
    with opened_queue(settings.redis, seconds=REDIS_SECONDS) as queue:
        yield from check_probe(url, secret, settings.database_url, queue, until)


def _one_each(all_checks: Sequence[Check], settings: Settings, *, is_probed: bool) -> Iterator[Check]:
    """Yield one check of each name. A store without an answer is away; all else is unknown."""
    late = {
        "redis": settings.redis and store_findings.REDIS_AWAY(error=LATE),
        "database": settings.database_url and store_findings.DATABASE_AWAY(error=LATE),
        "probe": unknown("probe", _UNSENT if not settings.secrets else _UNENDED) if is_probed else None,
    }
    for name in CHECKS:
        checks = [check for check in all_checks if check.check == name]
        yield worst(checks) if checks else late.get(name) or _NOTHING.get(name) or unknown(name, "it could not be read")


class _Look:
    """Runs a look in a thread; what it found by then counts, though it may never end."""

    def __init__(self, look: Callable[[], Iterator[Check]]) -> None:
        self.found: list[Check] = []
        self._look = look
        # A daemon, as nothing ends a look-up of a name that hangs.
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def _run(self) -> None:
        with suppress(RedisError, SQLAlchemyError, ValueError):  # what was not found stays unknown
            for check in self._look():
                self.found.append(check)
