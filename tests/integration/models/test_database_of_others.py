"""A database that others use too: their schema, their settings, their encoding. zexa-sync works beside all of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from alembic import command
from redis import Redis
from sqlalchemy import URL, Engine, inspect

from models.database import open_database, schema_of
from models.refusals import SchemaError
from models.schema import VERSION_TABLE, require_head
from sync.queue.connection import open_queue
from sync.store.apply import apply
from sync.suppression import Lookup, LookupStatus
from tests.conftest import NOW, alembic_config
from tests.integration.models.test_schema import TABLE_NAMES, alembic, spelled, upgrade
from tests.support.events_builder import ANA, AO, body, raw, rows
from tests.support.forked import Forked

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


# Another application's.
FOREIGN = [f"CREATE TABLE IF NOT EXISTS public.{name} (id integer)" for name in ("events", "alembic_version")]


def said_by(process: Forked) -> tuple[int, str]:
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


@contextmanager
def administering(url: URL) -> Iterator[Engine]:
    engine = open_database(url)
    yield engine.execution_options(isolation_level="AUTOCOMMIT")
    engine.dispose()


def execute(url: URL, *statements: str) -> None:
    with administering(url) as engine, engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def tables_of(url: URL, schema: str) -> set[str]:
    with administering(url) as engine:
        return set(inspect(engine).get_table_names(schema))


# A schema of its own


@pytest.fixture(params=["url", "setting"])
def in_schema(database_url: URL, request: pytest.FixtureRequest) -> tuple[URL, dict[str, str]]:
    """The database with a schema for us that is not there yet, and the settings that say so."""
    bare = database_url.difference_update_query(["options"])
    url = bare.update_query_dict({"options": "-csearch_path=only-ours"})
    if request.param == "url":
        return url, {"DATABASE_URL": spelled(url)}
    return url, {"DATABASE_URL": spelled(bare), "ZEXA_DATABASE_SCHEMA": "only-ours"}


def test_the_release_makes_the_schema_and_all_tables_in_it(in_schema: tuple[URL, dict[str, str]]) -> None:
    url, environ = in_schema
    execute(url, *FOREIGN)
    assert said_by(upgrade(**environ)) == (0, "")
    assert said_by(upgrade(**environ)) == (0, "")
    assert said_by(alembic("check", **environ)) == (0, "No new upgrade operations detected.\n")
    assert tables_of(url, "only-ours") == {*TABLE_NAMES, VERSION_TABLE}
    assert tables_of(url, "public") == {"events", "alembic_version"}
    engine = open_database(url)
    require_head(engine)
    apply(engine, [raw(body("message.delivered", message_id="msg_1"))], options=AO, now=NOW)
    assert [row["message_id"] for row in rows(engine, "message_status")] == ["msg_1"]
    engine.dispose()


def test_without_the_schema_the_tables_are_not_found(in_schema: tuple[URL, dict[str, str]]) -> None:
    url, environ = in_schema
    assert said_by(upgrade(**environ))[0] == 0
    other = url.update_query_dict({"options": "-csearch_path=public"})
    assert schema_of(other) == "public"
    with administering(other) as engine, pytest.raises(SchemaError, match="empty"):
        require_head(engine)


@pytest.fixture
def humble(database_url: URL) -> Iterator[URL]:
    """The database as a role that may neither make a schema nor use the schemas that are there."""
    role = f"zexa_{uuid4().hex}"
    execute(database_url, f"CREATE ROLE {role} LOGIN", "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    yield database_url.difference_update_query(["options"]).set(username=role)
    execute(database_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_role_that_may_not_make_its_tables_is_told_so_in_one_line(humble: URL, database_url: URL) -> None:
    execute(database_url, "CREATE SCHEMA closed")
    for schema, reason in (
        ("wished", "there is no schema wished, and it could not be made: permission denied for database"),
        ("closed", "this role may not use the schema closed"),
        ("", "the search path of this role has no schema"),
    ):
        status, output = said_by(upgrade(DATABASE_URL=spelled(humble), ZEXA_DATABASE_SCHEMA=schema))
        assert status == 1
        assert output.startswith(f"zexa-sync: {reason}")
        assert output.count("\n") == 1


def test_a_schema_that_an_administrator_made_is_enough_for_a_role_that_may_make_none(
    humble: URL, database_url: URL
) -> None:
    execute(database_url, f"CREATE SCHEMA given AUTHORIZATION {humble.username}")
    status, output = said_by(upgrade(DATABASE_URL=spelled(humble), ZEXA_DATABASE_SCHEMA="given"))
    assert status == 0, output
    assert tables_of(database_url, "given") == {*TABLE_NAMES, VERSION_TABLE}


# Settings of theirs


@pytest.mark.parametrize(
    "setting",
    [
        "DateStyle = 'SQL, DMY'",
        "DateStyle = 'German, DMY'",
        "TimeZone = 'America/St_Johns'",
        "IntervalStyle = 'iso_8601'",
        "bytea_output = 'escape'",
        "client_encoding = 'LATIN1'",
        "lock_timeout = '1ms'",
        "default_transaction_isolation = 'serializable'",
        "default_transaction_read_only = on",
        "quote_all_identifiers = on",
    ],
)
@pytest.mark.filterwarnings("ignore:Did not recognize type")  # it is quoted, with `quote_all_identifiers`
def test_a_setting_of_the_database_changes_nothing_for_us(
    migrated_url: URL, reader: Engine, setting: str, redis: Redis
) -> None:
    execute(migrated_url, f'ALTER DATABASE "{migrated_url.database}" SET {setting}')
    engine = open_database(migrated_url)
    received = [NOW - timedelta(minutes=minute) for minute in range(5)]
    events = [raw(body("message.delivered", message_id=f"msg_{n}", to=ANA), at) for n, at in enumerate(received)]
    apply(engine, [*events, raw(body("message.optout", to=ANA, name="José Ω"), NOW)], options=AO, now=NOW)
    assert rows(engine, "dead_letters") == []
    assert sorted(row["received_at"] for row in rows(engine, "bodies")) == sorted([*received, NOW])
    lookup = Lookup(reader, open_queue(redis), default_region="AO")
    (answer,) = lookup.check([ANA])
    assert answer.status is LookupStatus.SUPPRESSED
    assert answer.match is not None
    assert answer.match.since.utcoffset() == timedelta(0)
    with engine.begin() as connection:
        command.check(alembic_config(connection))
    engine.dispose()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_text_is_refused_in_one_line(database_url: URL, encoding: str) -> None:
    name = f"zexa_{uuid4().hex}"
    execute(
        database_url, f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    url = database_url.set(database=name)
    status, output = said_by(upgrade(DATABASE_URL=spelled(url)))
    with administering(url) as engine, pytest.raises(SchemaError, match=encoding):
        require_head(engine)
    execute(database_url, f"DROP DATABASE {name} WITH (FORCE)")
    assert status == 1
    assert output.count("\n") == 1
    assert encoding in output
    assert "ENCODING 'UTF8' TEMPLATE template0" in output
