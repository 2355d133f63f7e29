"""A look-up whose stores do not answer allows nobody."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from redis import Redis
from sqlalchemy import URL, Engine, create_engine, make_url

from models.database import open_database
from sync.queue.connection import connect, open_queue
from sync.settings.environment import RedisSettings
from sync.suppression import Lookup
from tests.integration.suppression.waiting import give, statuses, stop
from tests.support.events_builder import ANA, RUI

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


# If a store does not answer


def test_where_redis_is_away_only_a_known_opt_out_is_told(engine: Engine, migrated_url: URL) -> None:
    give(engine, stop())
    away = connect(RedisSettings(url="redis://127.0.0.1:1/0", verify_tls=True), connections=1, seconds=0.2)
    reader = open_database(migrated_url, is_read_only=True)
    lookup = Lookup(reader, open_queue(away), default_region="AO")
    answers = lookup.check([ANA, RUI, "Ana"])
    assert [str(answer.status) for answer in answers] == ["suppressed", "unknown", "invalid"]
    assert {answer.as_of for answer in answers} == {None}
    assert all(answer.is_suppressed() for answer in answers)
    assert lookup.freshness().held_by == "redis"
    reader.dispose()


@pytest.mark.parametrize("url", ["sqlite:////nowhere/zexa.db", "postgresql+psycopg://127.0.0.1:1/zexa"])
def test_where_the_database_is_away_nobody_is_allowed(url: str, redis: Redis) -> None:
    lookup = Lookup(open_database(make_url(url)), open_queue(redis), default_region="AO")
    answers = lookup.check([ANA, "Ana"])
    assert [str(answer.status) for answer in answers] == ["unknown", "invalid"]
    assert lookup.is_suppressed(ANA, max_staleness=timedelta(days=999))
    assert lookup.freshness().held_by == "database"


def test_a_schema_without_the_table_allows_nobody(engine: Engine, lookup: Lookup) -> None:
    with engine.begin() as connection:
        # On PostgreSQL the views that read it go too.
        cascade = " CASCADE" if engine.dialect.name == "postgresql" else ""
        connection.exec_driver_sql(f"DROP TABLE opt_outs{cascade}")
    assert statuses(lookup, ANA) == ["unknown"]


@pytest.fixture
def rested(migrated_url: URL, redis: Redis) -> Iterator[tuple[Engine, Lookup]]:
    """A look-up that does not test connections first, and has two that rest in its pool."""
    reader = open_database(migrated_url, pool_size=2, is_read_only=True, is_tested_first=False)
    with reader.connect(), reader.connect():
        pass
    yield reader, Lookup(reader, open_queue(redis), default_region="AO")
    reader.dispose()


def resting_connections(reader: Engine) -> list[Any]:
    """Return the two that rest, which go on doing so."""
    with reader.connect() as first, reader.connect() as second:
        return [connection.connection.dbapi_connection for connection in (first, second)]


def end_sessions(engine: Engine) -> None:
    """Do to all other connections what a restart of the server does."""
    with engine.begin() as connection:
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        connection.exec_driver_sql(f"{end} AND datname = current_database()")


@ON_POSTGRESQL
def test_a_server_that_was_restarted_since_is_asked_again(engine: Engine, rested: tuple[Engine, Lookup]) -> None:
    _, lookup = rested
    give(engine, stop())
    end_sessions(engine)
    assert statuses(lookup, ANA, RUI) == ["suppressed", "allowed"]


@ON_POSTGRESQL
def test_connections_that_were_closed_while_they_rested_are_replaced(
    engine: Engine, rested: tuple[Engine, Lookup]
) -> None:
    reader, lookup = rested
    give(engine, stop())
    for connection in resting_connections(reader):
        connection.close()
    assert statuses(lookup, ANA, RUI) == ["suppressed", "allowed"]


class Stopped(BaseException):
    """As a task is stopped, in the middle of its work."""


@ON_POSTGRESQL
def test_who_is_stopped_in_the_middle_leaves_no_connection_for_others_to_read_the_rest_from(
    engine: Engine, rested: tuple[Engine, Lookup], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, lookup = rested
    give(engine, stop())
    resting = resting_connections(reader)

    def stopped(_cursor: object) -> NoReturn:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr("psycopg.Cursor.fetchall", stopped)
        for _ in range(3):  # more often than there are connections
            with pytest.raises(Stopped):
                lookup.check([ANA])
    assert [connection.closed for connection in resting] == [True, True]
    assert statuses(lookup, ANA, RUI) == ["suppressed", "allowed"]


@pytest.mark.direct("a database to which a pooler keeps connections cannot be renamed")
@ON_POSTGRESQL
def test_where_the_server_is_still_away_after_its_restart_nobody_is_allowed(
    engine: Engine, rested: tuple[Engine, Lookup], migrated_url: URL, postgres_server: URL
) -> None:
    _, lookup = rested
    end_sessions(engine)
    engine.dispose()
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {migrated_url.database} RENAME TO away_{migrated_url.database}")
        assert statuses(lookup, ANA, RUI) == ["unknown", "unknown"]
        connection.exec_driver_sql(f"ALTER DATABASE away_{migrated_url.database} RENAME TO {migrated_url.database}")
    assert statuses(lookup, ANA, RUI) == ["allowed", "allowed"]
    admin.dispose()
