"""The schema comes from the migrations, is the one the models say, and is reached from anywhere by anyone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, inspect, make_url, text
from sqlmodel import SQLModel

from models.database import open_database
from models.schema import HEAD, SchemaError, require_head
from tests.conftest import ROOT, alembic_config, migrate
from tests.events_builder import ROLLUPS, TABLES
from tests.processes import wait_for

TABLE_NAMES = {*TABLES, *ROLLUPS, "report_calendar", "inbox", "opt_out_history"}
VIEWS = {
    "active_opt_outs",
    "report_campaigns",
    "report_daily",
    "report_failures",
    "report_lag",
    "report_opt_outs",
    "report_recipients",
    "rollup_campaigns_now",
    "rollup_campaigns_plain",
    "rollup_daily_now",
    "rollup_daily_plain",
    "sent_after_opt_out",
}


@pytest.fixture
def empty_engine(database_url: URL) -> Iterator[Engine]:
    engine = open_database(database_url)
    yield engine
    engine.dispose()


def tables_and_views(engine: Engine) -> set[str]:
    return {*inspect(engine).get_table_names(), *inspect(engine).get_view_names()}


def description(connection: Connection) -> dict[str, Any]:
    """All that the database itself says of our tables."""
    found = inspect(connection)
    return {
        table: {
            "columns": [
                {
                    "name": column["name"],
                    "type": str(column["type"]),
                    "collation": getattr(column["type"], "collation", None),
                    "is_nullable": column["nullable"],
                }
                for column in found.get_columns(table)
            ],
            "key": found.get_pk_constraint(table)["constrained_columns"],
            "checks": sorted((check["name"], check["sqltext"]) for check in found.get_check_constraints(table)),
            "indexes": sorted(
                (
                    index["name"],
                    index["column_names"],
                    sorted(f"{name}={value}" for name, value in index["dialect_options"].items()),
                )
                for index in found.get_indexes(table)
            ),
        }
        for table in sorted(TABLE_NAMES)
    }


# SQLite has no index of block ranges, so there is nothing to compare.
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index 'ix_events_rec")
def test_the_migrations_make_what_the_models_say(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_the_migrations_make_it_to_the_last_collation_check_and_index(engine: Engine) -> None:
    """Alembic compares neither collations nor checks, so the tables are made by the models and looked at."""
    with engine.begin() as connection:
        migrated = description(connection)
        command.downgrade(alembic_config(connection), "base")
        SQLModel.metadata.create_all(connection)
        assert description(connection) == migrated


def test_every_table_of_the_contract_is_there_and_no_other(engine: Engine) -> None:
    assert tables_and_views(engine) == {*TABLE_NAMES, *VIEWS, "alembic_version"}


def test_there_is_one_head_and_the_code_knows_it(engine: Engine) -> None:
    scripts = ScriptDirectory.from_config(alembic_config(None))
    assert scripts.get_heads() == [HEAD]
    assert all(len(revision.nextrev) <= 1 for revision in scripts.walk_revisions())
    require_head(engine)


def test_migrating_again_is_harmless(migrated_url: URL, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO inbox (body, received_at, due_at) VALUES (:body, :at, :at)"),
            {"body": b"{}", "at": "2026-06-24 10:00:00"},
        )
    migrate(migrated_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT body FROM inbox")).scalar_one() == b"{}"
    require_head(engine)


def test_the_schema_can_be_taken_back_to_nothing_and_made_again(migrated_url: URL) -> None:
    engine = open_database(migrated_url)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    assert tables_and_views(engine) == {"alembic_version"}
    migrate(migrated_url)
    assert {*TABLE_NAMES, *VIEWS} <= tables_and_views(engine)
    require_head(engine)
    engine.dispose()


def test_what_opt_outs_say_begins_their_history(migrated_url: URL) -> None:
    engine = open_database(migrated_url)
    values = {"at": "2026-06-24 10:00:00.000000", "again": "2026-06-25 10:00:00.000000"}
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0002")
        connection.execute(
            text(
                "INSERT INTO opt_outs (channel, address, sender, opted_out_at, opted_in_at, source, message_id, note, "
                "updated_at) VALUES ('sms', '+244912345678', '', :at, :again, 'manual', 'm1', 'by letter', :again)"
            ),
            values,
        )
        connection.execute(text("INSERT INTO inbox (body, received_at, due_at) VALUES ('{}', :at, :at)"), values)
    migrate(migrated_url)
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT kind, source, message_id, reason, address FROM opt_out_history ORDER BY id")
        ).all()
        waits = connection.execute(text("SELECT may_opt_out FROM inbox")).scalar_one()
        kept = connection.execute(text("SELECT source, note FROM opt_outs")).one()
    assert [tuple(row) for row in found] == [
        ("opted_out", "manual", "m1", "by letter", "+244912345678"),
        ("opted_in", "unknown", None, None, "+244912345678"),
    ]
    assert (bool(waits), tuple(kept)) == (True, ("manual", "by letter"))
    engine.dispose()


# The command itself


def upgrade(**environ: str) -> subprocess.Popen[str]:
    """`alembic upgrade head` as a platform runs it."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=ROOT,
        env=inherited | environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def spelled(url: URL) -> str:
    """The URL as a platform gives it."""
    return url.render_as_string(hide_password=False).replace("postgresql+psycopg://", "postgres://")


def test_processes_that_migrate_at_once_all_succeed(database_url: URL, empty_engine: Engine) -> None:
    processes = [upgrade(DATABASE_URL=spelled(database_url)) for _ in range(3)]
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    require_head(empty_engine)


def test_a_process_that_meets_a_migration_waits_and_finds_it_done(database_url: URL, empty_engine: Engine) -> None:
    observer = open_database(database_url)

    def is_waiting() -> bool:
        """Asked in a transaction of its own, as PostgreSQL says the same all through one."""
        lock = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        with observer.connect() as connection:
            return bool(connection.execute(text(lock)).scalar())

    with empty_engine.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
        process = upgrade(DATABASE_URL=spelled(database_url))
        if observer.dialect.name == "postgresql":
            wait_for(is_waiting, seconds=30, what="the other process waiting")
    said, _ = process.communicate(timeout=60)
    observer.dispose()
    assert process.returncode == 0, said
    require_head(empty_engine)


@pytest.mark.parametrize("url", ["", "mysql://zexa:hunter2@db.example.com/zexa"])
def test_a_wrong_database_url_stops_the_migration_with_one_line(url: str) -> None:
    process = upgrade(DATABASE_URL=url)
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert said.count("\n") == 1
    assert "DATABASE_URL" in said
    assert "hunter2" not in said


# Who needs the schema


def complaint(engine: Engine) -> str:
    with pytest.raises(SchemaError) as caught:
        require_head(engine)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_an_empty_database_is_complained_of_in_one_line(empty_engine: Engine) -> None:
    line = complaint(empty_engine)
    assert "empty" in line
    assert "alembic upgrade head" in line


def test_a_foreign_revision_is_complained_of_in_one_line(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    line = complaint(engine)
    assert "9999" in line
    assert HEAD in line


def test_a_database_that_was_taken_back_is_complained_of(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    assert "empty" in complaint(engine)


def test_requiring_the_schema_changes_nothing(empty_engine: Engine) -> None:
    complaint(empty_engine)
    assert tables_and_views(empty_engine) == set()


# The databases themselves


def test_keys_are_sorted_by_their_bytes(engine: Engine) -> None:
    """As Python sorts them: workers lock rows in that order, and ties are broken by it."""
    names = ["a", "B", "_", "é", "e\u0301", "z", "10", "9", "\uffff", "\U00010000"]
    with engine.begin() as connection:
        for name in names:
            connection.execute(
                text("INSERT INTO message_status (message_id, conflict, updated_at) VALUES (:id, :no, :at)"),
                {"id": name, "no": False, "at": "2026-06-24 10:00:00"},
            )
        found = connection.execute(text("SELECT message_id FROM message_status ORDER BY message_id")).scalars()
        assert list(found) == sorted(names, key=str.encode)
        keys_without_text = {"inbox", "opt_out_history", "rollup_deltas", "report_calendar"}
        for table in sorted(TABLE_NAMES - keys_without_text) if engine.dialect.name == "postgresql" else ():
            key = [column for column in SQLModel.metadata.tables[table].primary_key if column.name != "day"]
            collations = {column["name"]: column["type"] for column in inspect(connection).get_columns(table)}
            assert {getattr(collations[column.name], "collation", None) for column in key} == {"C"}


def test_sqlite_takes_several_writers_and_loses_nothing_on_a_crash(tmp_path: Path) -> None:
    engine = open_database(make_url(f"sqlite:///{tmp_path}/zexa.db"))
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 20_000
    engine.dispose()
