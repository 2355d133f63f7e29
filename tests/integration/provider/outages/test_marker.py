"""A web process's marks: with a store away, with both, with every answer 503, and over a restart."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import URL, Engine, text

from models.database import open_database
from receiver.webhook.marker import Marker
from sync.devtools.dev.embedded import private_redis
from sync.provider.outages.in_redis import GAPS_KEY, REACHABLE
from sync.provider.outages.losses import KnownOutage
from sync.provider.outages.record import read_mark
from sync.provider.outages.recorded import read_outages
from sync.queue.counts import LATEST_KEY
from sync.settings.environment import RedisSettings
from sync.worker.outages import notice_outage
from tests.support.redis_servers import DEFAULT_SERVER, server_binary

GAP_SECONDS = 0.8
STATEMENT_SECONDS = 0.3
BOUNDS: dict[str, Any] = {"gap_seconds": GAP_SECONDS, "statement_seconds": STATEMENT_SECONDS}
NOWHERE = "redis://127.0.0.1:1/0"

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class WebProcess:
    """The part of a web process that leaves marks."""

    def __init__(self, redis_url: str, database_url: URL, **changes: Any) -> None:
        self.answers: bool | None = None
        settings = RedisSettings(url=redis_url, verify_tls=True)
        self.marker = Marker(settings, database_url, lambda: self.answers, **BOUNDS | changes)

    def beat(self) -> None:
        self.marker.beat()


def pause() -> None:
    """Let pass what is an outage if nobody marks meanwhile."""
    time.sleep(GAP_SECONDS + 0.1)


def outages(engine: Engine) -> list[KnownOutage]:
    with engine.connect() as connection:
        return read_outages(connection)


def marked_in_redis(redis: Redis) -> float:
    return float(str(redis.zscore(LATEST_KEY, REACHABLE) or 0))


def marked_in_database(engine: Engine) -> float:
    with engine.connect() as connection:
        mark = read_mark(connection)
    return mark.at if mark else 0


@contextmanager
def locked(url: URL) -> Iterator[None]:
    """Let another program write into the SQLite file, for longer than anybody waits."""
    other = open_database(url)
    with other.begin() as connection:
        connection.execute(text("SELECT 1"))
        yield
    other.dispose()


def test_a_process_marks_in_redis_each_time_and_in_the_database_now_and_then(
    redis: Redis, engine: Engine, migrated_url: URL
) -> None:
    web = WebProcess(url_of(redis), migrated_url)
    web.beat()
    first = marked_in_database(engine)
    assert first == marked_in_redis(redis) > time.time() - 5
    web.beat()
    assert marked_in_database(engine) == first < marked_in_redis(redis)
    assert outages(engine) == []
    web.marker.stop()


def test_while_redis_is_away_each_mark_stands_in_the_database(engine: Engine, migrated_url: URL) -> None:
    web = WebProcess(NOWHERE, migrated_url)
    marks = []
    for _ in range(3):
        web.beat()
        marks.append(marked_in_database(engine))
    assert sorted(set(marks)) == marks
    assert outages(engine) == []
    web.marker.stop()


def test_a_process_that_starts_after_a_gap_records_it(redis: Redis, engine: Engine, migrated_url: URL) -> None:
    before, after = WebProcess(url_of(redis), migrated_url), WebProcess(url_of(redis), migrated_url)
    before.beat()
    began = marked_in_redis(redis)
    pause()
    after.beat()
    (outage,) = outages(engine)
    assert outage.began_at.timestamp() == pytest.approx(began, abs=0.001)
    assert outage.ended_at is not None
    assert outage.ended_at.timestamp() == pytest.approx(marked_in_redis(redis), abs=0.001)
    assert outage.kind == "no_process"
    assert redis.exists(GAPS_KEY) == 0


def test_every_delivery_answered_503_is_an_outage_though_a_store_answers_marks(
    redis: Redis, engine: Engine, migrated_url: URL
) -> None:
    web = WebProcess(url_of(redis), migrated_url)
    web.beat()
    web.answers = False
    pause()
    web.beat()
    assert outages(engine) == []
    web.answers = True
    web.beat()
    assert [outage.kind for outage in outages(engine)] == ["no_store"]


@on_sqlite
def test_with_both_stores_away_the_outage_is_recorded_by_the_process_that_was_there(
    tmp_path: Path, engine: Engine, migrated_url: URL
) -> None:
    with private_redis(tmp_path, is_durable=False, binary=server_binary(DEFAULT_SERVER)) as server:
        web = WebProcess(server.url, migrated_url)
        web.beat()
        began = marked_in_database(engine)
    with locked(migrated_url):
        pause()
        web.beat()
    web.beat()
    (outage,) = outages(engine)
    assert outage.kind == "no_store"
    assert outage.began_at.timestamp() == pytest.approx(began, abs=0.001)


@on_sqlite
def test_a_gap_survives_the_death_of_the_process_that_could_not_record_it(
    redis: Redis, engine: Engine, migrated_url: URL
) -> None:
    WebProcess(url_of(redis), migrated_url).beat()
    began = marked_in_redis(redis)
    pause()
    with locked(migrated_url):
        WebProcess(url_of(redis), migrated_url).beat()
        ended = marked_in_redis(redis)
        assert redis.hlen(GAPS_KEY) == 1
    WebProcess(url_of(redis), migrated_url).beat()
    (outage,) = outages(engine)
    assert outage.began_at.timestamp() == pytest.approx(began, abs=0.001)
    assert outage.ended_at is not None
    assert outage.ended_at.timestamp() == pytest.approx(ended, abs=0.001)
    assert redis.exists(GAPS_KEY) == 0


@on_sqlite
def test_a_worker_records_a_gap_that_web_left_in_redis(redis: Redis, engine: Engine, migrated_url: URL) -> None:
    WebProcess(url_of(redis), migrated_url).beat()
    pause()
    with locked(migrated_url):
        WebProcess(url_of(redis), migrated_url).beat()
    (gap,) = redis.hgetall(GAPS_KEY)
    redis.hset(GAPS_KEY, f"{float(gap) - 3600:.3f}", f"{float(gap) - 3000:.3f} no_process")  # another, of an hour ago
    notice_outage(redis, engine)
    assert len(outages(engine)) == 1  # the short one is none to a worker, whose gaps are longer
    assert redis.exists(GAPS_KEY) == 0


def test_a_redis_that_forgets_makes_no_outage_of_a_process_that_goes_on(
    redis: Redis, engine: Engine, migrated_url: URL
) -> None:
    web = WebProcess(url_of(redis), migrated_url)
    web.beat()
    redis.flushall()
    web.beat()
    WebProcess(url_of(redis), migrated_url).beat()
    assert outages(engine) == []


def test_a_full_redis_takes_no_mark_and_the_database_does(redis: Redis, engine: Engine, migrated_url: URL) -> None:
    web = WebProcess(url_of(redis), migrated_url)
    web.beat()
    first = marked_in_database(engine)
    redis.config_set("maxmemory", "1kb")
    try:
        web.beat()
    finally:
        redis.config_set("maxmemory", "0")
    assert marked_in_database(engine) > first
    assert outages(engine) == []


def test_a_worker_notices_that_nobody_marks_any_more(redis: Redis, engine: Engine, migrated_url: URL) -> None:
    WebProcess(url_of(redis), migrated_url).beat()
    notice_outage(redis, engine)
    assert outages(engine) == []
    redis.zincrby(LATEST_KEY, -3600, REACHABLE)
    with engine.begin() as connection:
        older = "datetime(marked_at, '-2 hours')" if engine.dialect.name == "sqlite" else "marked_at - interval '2 h'"
        connection.execute(text(f"UPDATE last_reachable SET marked_at = {older}, due_at = {older}"))
    notice_outage(redis, engine)
    notice_outage(redis, engine)
    (outage,) = outages(engine)
    assert outage.ended_at is None
    assert outage.began_at.timestamp() == pytest.approx(time.time() - 3600, abs=5)


def url_of(redis: Redis) -> str:
    options = redis.connection_pool.connection_kwargs
    return f"redis://{options['host']}:{options['port']}/{options.get('db', 0)}"
