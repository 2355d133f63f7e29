"""`/readyz` answers truly whether each store can be written to, as an event would be."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import URL, Engine, text

from models.database import open_database
from models.schema import COMPATIBILITY_TABLE, VERSION_TABLE
from receiver.readiness import BAD_SECONDS, GOOD_SECONDS, Readiness
from sync.devtools.dev.embedded import free_port, private_redis
from tests.conftest import migrate
from tests.support.postgres_servers import following, private_postgres, promote, role
from tests.support.processes import wait_for

on_postgres = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

ALL = {"redis": True, "database": True, "schema": True}


def usable(redis: Redis, url: URL) -> dict[str, bool]:
    readiness = Readiness(redis, url)
    try:
        return readiness.look()
    finally:
        readiness.close()


def rows_of_inbox(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM inbox")).scalar_one())


def test_all_is_usable_and_a_look_leaves_nothing_behind(redis: Redis, migrated_url: URL, engine: Engine) -> None:
    assert usable(redis, migrated_url) == ALL
    assert rows_of_inbox(engine) == 0
    assert redis.dbsize() == 0


# Redis


@pytest.mark.parametrize(
    "break_it",
    [
        lambda redis: redis.config_set("maxmemory", 1),
        lambda redis: redis.config_set("min-replicas-to-write", 1),
        lambda redis: redis.replicaof("127.0.0.1", free_port()),
    ],
    ids=["full", "too few replicas", "a replica"],
)
@on_sqlite
def test_a_redis_that_refuses_to_write_is_not_usable(
    break_it: Callable[[Redis], Any], migrated_url: URL, tmp_path: Path
) -> None:
    with private_redis(tmp_path / "redis", is_durable=False) as server, Redis.from_url(server.url) as redis:
        assert usable(redis, migrated_url) == ALL
        break_it(redis)
        assert redis.ping()
        assert usable(redis, migrated_url) == ALL | {"redis": False}


@on_sqlite
def test_a_redis_that_is_away_is_not_usable(migrated_url: URL) -> None:
    with Redis.from_url(f"redis://127.0.0.1:{free_port()}/0") as redis:
        assert usable(redis, migrated_url) == ALL | {"redis": False}


# The database


@on_postgres
@pytest.mark.parametrize(
    ("action", "table"),
    [
        *[("INSERT", table) for table in ("inbox", "events", "bodies", "message_status", "opt_outs", "dead_letters")],
        *[("UPDATE", "message_status"), ("UPDATE", "events"), ("DELETE", "inbox"), ("SELECT", "inbox")],
    ],
)
def test_a_database_where_a_right_that_workers_need_is_revoked_is_not_usable(
    redis: Redis, migrated_url: URL, engine: Engine, action: str, table: str
) -> None:
    with role(engine, migrated_url) as url:
        assert usable(redis, url) == ALL
        with engine.begin() as connection:
            connection.execute(text(f"REVOKE {action} ON {table} FROM {url.username}"))
        assert usable(redis, url) == ALL | {"database": False}


@on_postgres
def test_a_database_whose_trigger_refuses_the_inbox_is_not_usable(
    redis: Redis, migrated_url: URL, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'not now'; END $$"
            )
        )
        connection.execute(text("CREATE TRIGGER own BEFORE INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION refuse()"))
    assert usable(redis, migrated_url) == ALL | {"database": False}


@on_postgres
def test_a_locked_inbox_is_not_usable_and_the_look_ends_in_time(
    redis: Redis, migrated_url: URL, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE"))
        begun = time.monotonic()
        assert usable(redis, migrated_url) == ALL | {"database": False}
        assert time.monotonic() - begun < 5


@on_sqlite
def test_a_sqlite_file_that_cannot_be_written_is_not_usable(redis: Redis, migrated_url: URL) -> None:
    engine = open_database(migrated_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TRIGGER full BEFORE INSERT ON inbox BEGIN SELECT RAISE(ABORT, 'full'); END"))
    engine.dispose()
    assert usable(redis, migrated_url) == ALL | {"database": False}


@on_sqlite
def test_a_sqlite_file_that_another_process_writes_to_is_usable(
    redis: Redis, migrated_url: URL, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM inbox"))
        begun = time.monotonic()
        assert usable(redis, migrated_url) == ALL
        assert time.monotonic() - begun < 2


def test_a_database_without_a_schema_is_usable_and_its_schema_is_not(redis: Redis, database_url: URL) -> None:
    assert usable(redis, database_url) == ALL | {"schema": False}


def test_a_schema_that_is_ahead_is_usable_if_it_is_compatible(redis: Redis, migrated_url: URL, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '0007'"))
    assert usable(redis, migrated_url) == ALL
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {COMPATIBILITY_TABLE} SET oldest_revision = '0003'"))
    assert usable(redis, migrated_url) == ALL | {"schema": False}


def test_many_probes_cost_as_much_as_one_and_a_fault_is_not_remembered_for_long(
    redis: Redis, migrated_url: URL, engine: Engine
) -> None:
    now = 0.0
    readiness = Readiness(redis, migrated_url, clock=lambda: now)
    assert readiness.look() == ALL
    with engine.begin() as connection:
        connection.execute(text(f"DELETE FROM {VERSION_TABLE}"))
    now = GOOD_SECONDS - 0.1
    assert readiness.look() == ALL
    now = GOOD_SECONDS
    assert readiness.look() == ALL | {"schema": False}
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO {VERSION_TABLE} VALUES ('0001')"))
    now += BAD_SECONDS
    assert readiness.look() == ALL
    readiness.close()


def test_a_standby_is_not_usable_until_it_is_promoted(redis: Redis) -> None:
    with private_postgres() as primary:
        migrate(primary.url)
        assert usable(redis, primary.url) == ALL
        with following(primary) as standby:
            assert usable(redis, standby) == ALL | {"database": False}
            promote(standby)
            wait_for(lambda: usable(redis, standby) == ALL, seconds=20, what="the standby taking writes")
