"""What is promised of a connection holds through a pooler that gives each transaction any connection to the server."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from redis import Redis
from sqlalchemy import URL, Engine, insert, select, text
from sqlalchemy.exc import DBAPIError

from models.database import open_database
from models.schema import require_head
from models.tables import INBOX
from sync.doctor.in_database import check_database
from sync.events.interpretation import ParseOptions
from sync.queue.connection import open_queue
from sync.store.apply import apply
from sync.suppression import Lookup, LookupStatus
from tests.conftest import migrate
from tests.support.events_builder import ANA, body, raw
from tests.system.conftest import TEMPLATE

SCHEMA = "zexa"
NOW = datetime.now(UTC)
pytestmark = pytest.mark.needs("pgbouncer")
DEPENDED_ON = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "client_encoding": "UTF8",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "lock_timeout": "0",
    "statement_timeout": "10s",
    "transaction_isolation": "read committed",
    "search_path": SCHEMA,
}


@pytest.fixture
def pooled(pooler: URL) -> Iterator[URL]:
    """A database that another application's Alembic has been in, through the pooler, with a schema for us."""
    name = f"zexa_{uuid4().hex}"
    admin = open_database(pooler).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield pooler.set(database=name).update_query_dict({"options": f"-csearch_path={SCHEMA}"})
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


@pytest.fixture
def writer(pooled: URL) -> Iterator[Engine]:
    migrate(pooled)
    engine = open_database(pooled, pool_size=4, statement_seconds=10)
    yield engine
    engine.dispose()


@pytest.fixture
def reader(writer: Engine, pooled: URL) -> Iterator[Engine]:
    assert writer
    engine = open_database(pooled, pool_size=4, statement_seconds=10, is_read_only=True)
    yield engine
    engine.dispose()


def test_what_we_depend_on_is_set_in_every_transaction_whatever_others_left_behind(writer: Engine) -> None:
    for _ in range(30):
        with writer.begin() as connection:
            settings = {name: connection.scalar(text(f"SHOW {name}")) for name in DEPENDED_ON}
        assert settings == DEPENDED_ON


def test_nothing_of_ours_is_left_behind_for_others(pooled: URL, reader: Engine) -> None:
    for _ in range(30):
        with reader.connect() as connection:
            connection.execute(text("SELECT 1"))
    theirs = pooled.difference_update_query(["options"]).set(drivername="postgresql")
    with psycopg.connect(
        theirs.render_as_string(hide_password=False), autocommit=True, prepare_threshold=None
    ) as other:
        for _ in range(30):
            settings = other.execute(
                "SELECT current_setting('search_path'), current_setting('statement_timeout'), "
                "current_setting('transaction_read_only'), current_setting('IntervalStyle')"
            ).fetchone()
            assert settings == ("nowhere", "2s", "off", "iso_8601")


def test_a_read_only_connection_refuses_to_write(reader: Engine) -> None:
    row = {"body": b"{}", "received_at": NOW, "due_at": NOW, "may_opt_out": False}
    for _ in range(30):
        with pytest.raises(DBAPIError, match="read-only"), reader.begin() as connection:
            connection.execute(insert(INBOX), row)
    with reader.connect() as connection:
        assert connection.execute(select(INBOX)).all() == []


def test_a_statement_of_ten_seconds_is_stopped_at_our_limit(pooled: URL) -> None:
    engine = open_database(pooled, pool_size=1, statement_seconds=0.3)
    begun = time.monotonic()
    with pytest.raises(DBAPIError, match="statement timeout"), engine.begin() as connection:
        connection.execute(text("SELECT pg_sleep(10)"))
    assert time.monotonic() - begun < 5
    engine.dispose()


def test_a_look_up_is_stopped_at_our_limit_and_answers_unknown(pooled: URL, writer: Engine, redis: Redis) -> None:
    engine = open_database(pooled, pool_size=1, statement_seconds=0.3, is_read_only=True)
    lookup = Lookup(engine, open_queue(redis), default_region="AO")
    with writer.begin() as connection:
        connection.execute(text("LOCK TABLE opt_outs"))
        begun = time.monotonic()
        assert [answer.status for answer in lookup.check([ANA])] == [LookupStatus.UNKNOWN]
        assert time.monotonic() - begun < 1.9  # not at the limit that others left behind
    assert [answer.status for answer in lookup.check([ANA])] == [LookupStatus.ALLOWED]
    engine.dispose()


def test_a_statement_may_be_repeated_any_number_of_times_over_changing_connections(
    writer: Engine, reader: Engine, redis: Redis
) -> None:
    apply(
        writer,
        [raw(body("message.optout", to=ANA), NOW - timedelta(minutes=1))],
        options=ParseOptions(default_region="AO"),
        now=NOW,
    )
    lookup = Lookup(reader, open_queue(redis), default_region="AO")
    for _ in range(30):
        (answer,) = lookup.check([ANA])
        assert answer.status is LookupStatus.SUPPRESSED


def test_a_look_up_understands_times_and_quotes_whatever_others_left_behind(
    writer: Engine, reader: Engine, redis: Redis
) -> None:
    received = NOW - timedelta(minutes=1)
    apply(writer, [raw(body("message.optout", to=ANA), received)], options=ParseOptions(default_region="AO"), now=NOW)
    lookup = Lookup(reader, open_queue(redis), default_region="AO")
    for strange in ("o'hara@example.com", "back\\slash'@example.com", '"quo;te"@example.com', "per%cent@example.com"):
        suppressed, other = lookup.check([ANA, strange])
        assert suppressed.match is not None
        assert suppressed.match.since.utcoffset() == timedelta(0)
        assert other.match is None


def test_the_tables_of_others_stay_as_they_are(writer: Engine) -> None:
    require_head(writer)
    with writer.connect() as connection:
        places = select(text("schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'zexa')"))
        tables = {(row[0], row[1]) for row in connection.execute(places)}
        assert {name for schema, name in tables if schema == "public"} == {"alembic_version", "events"}
        assert (SCHEMA, "events") in tables
        assert connection.scalar(text("SELECT version_num FROM public.alembic_version")) == "9f3c1d"


def test_doctor_names_the_pooler_and_leaves_the_tables_of_others_alone(pooled: URL) -> None:
    before = {check.check: check for check in check_database(pooled)}
    assert (before["schema"].status, before["foreign_tables"].status) == ("problem", "ok")
    migrate(pooled)
    after = {check.check: check for check in check_database(pooled)}
    # The tests' server does not wait for its disk.
    assert {name for name, check in after.items() if check.status != "ok"} <= {"durability"}
    assert "a pooler in transaction mode stands before the database" in after["pooler"].found
