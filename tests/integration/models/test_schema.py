"""The schema comes from the migrations, is the one the models say, and is reached from anywhere by anyone."""

import ast
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, inspect, make_url, text
from sqlalchemy.schema import CreateSchema
from sqlmodel import SQLModel

from models.database import open_database, schema_of
from models.refusals import SchemaBehind, SchemaError
from models.schema import COMPATIBILITY_TABLE, HEAD, VERSION_TABLE, require_head
from sync.rollups.calendar import calendar
from tests.conftest import ROOT, alembic_config, migrate
from tests.support.events_builder import ROLLUPS, TABLES
from tests.support.forked import Forked
from tests.support.processes import wait_for

RECORDED = ("outages", "last_reachable", "webhook_registrations", "forgotten_people", "failure_counts")
CONSOLE_TABLES = ("console_users", "console_tries", "audit_log", "tasks", "task_files")
OTHERS = (
    *RECORDED,
    "asked_messages",
    "failure_codes",
    "forget_keys",
    "report_calendar",
    "inbox",
    "opt_out_history",
    COMPATIBILITY_TABLE,
)
TABLE_NAMES = {*TABLES, *ROLLUPS, *OTHERS, *CONSOLE_TABLES}
VIEWS = {
    "active_opt_outs",
    "opt_out_statements",
    "report_campaigns",
    "report_daily",
    "report_failures",
    "report_lag",
    "report_opt_outs",
    "report_recipients",
    "rollup_campaign_quarters_now",
    "rollup_campaign_quarters_plain",
    "rollup_campaigns_now",
    "rollup_campaigns_plain",
    "rollup_daily_now",
    "rollup_daily_plain",
    "sent_after_opt_out",
}


@pytest.fixture
def empty_engine(database_url: URL) -> Iterator[Engine]:
    engine = open_database(database_url)
    if schema := named_schema(database_url):
        with engine.begin() as connection:
            connection.execute(CreateSchema(schema))
    yield engine
    engine.dispose()


def named_schema(url: URL) -> str | None:
    return schema_of(url) if url.get_backend_name() == "postgresql" else None


def tables_and_views(engine: Engine) -> set[str]:
    return {*inspect(engine).get_table_names(), *inspect(engine).get_view_names()}


def making(connection: Connection, table: str) -> str:
    """The statement that made a table, as SQLite keeps it."""
    return connection.execute(text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": table}).scalar_one()


def description(connection: Connection) -> dict[str, Any]:
    """All that the database itself says of our tables."""
    inspector = inspect(connection)
    return {
        table: {
            "columns": [
                {
                    "name": column["name"],
                    "type": str(column["type"]),
                    "collation": getattr(column["type"], "collation", None),
                    "is_nullable": column["nullable"],
                    "computed": column.get("computed"),
                    "default": column["default"],
                }
                for column in inspector.get_columns(table)
            ],
            "never_reuses_ids": connection.dialect.name == "sqlite" and "AUTOINCREMENT" in making(connection, table),
            "key": inspector.get_pk_constraint(table)["constrained_columns"],
            "checks": sorted((check["name"], check["sqltext"]) for check in inspector.get_check_constraints(table)),
            "indexes": sorted(
                (
                    index["name"],
                    index["column_names"],
                    sorted(f"{name}={value}" for name, value in index["dialect_options"].items()),
                )
                for index in inspector.get_indexes(table)
            ),
        }
        for table in sorted(TABLE_NAMES)
    }


def test_alembic_check_finds_no_difference_between_the_migrations_and_the_models(migrated_url: URL) -> None:
    process = alembic("check", DATABASE_URL=spelled(migrated_url))
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "No new upgrade operations detected.\n")


def test_alembic_check_finds_a_column_and_an_index_that_the_models_do_not_have(engine: Engine) -> None:
    """Or the test above would prove nothing."""
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE events ADD COLUMN colour text"))
        connection.execute(text("CREATE INDEX ix_bodies_event ON bodies (event)"))
    with engine.connect() as connection, pytest.raises(CommandError) as caught:
        command.check(alembic_config(connection))
    assert "colour" in str(caught.value)
    assert "ix_bodies_event" in str(caught.value)


def test_the_migrations_make_it_to_the_last_collation_check_and_index(engine: Engine) -> None:
    """Alembic does not compare collations and checks, so the tables are made by the models and looked at."""
    with engine.begin() as connection:
        migrated = description(connection)
        command.downgrade(alembic_config(connection), "base")
        SQLModel.metadata.create_all(connection)
        assert description(connection) == migrated


def test_every_table_of_the_contract_is_there_and_no_other(engine: Engine) -> None:
    assert tables_and_views(engine) == {*TABLE_NAMES, *VIEWS, VERSION_TABLE}


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
    assert tables_and_views(engine) == {VERSION_TABLE}
    migrate(migrated_url)
    assert {*TABLE_NAMES, *VIEWS} <= tables_and_views(engine)
    require_head(engine)
    engine.dispose()


# What the migrations are


VERSIONS = ROOT / "migrations" / "versions"


def test_no_version_file_imports_what_may_change() -> None:
    """A version file stays as it was released: it may import the types of columns, and nothing else of this project."""
    files = sorted(VERSIONS.glob("*.py"))
    assert VERSIONS / "0001_tables.py" in files
    for file in files:
        modules: set[str] = set()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, file
                modules |= {f"{node.module}.{alias.name}" for alias in node.names}
        ours = {name for name in modules if name.split(".")[0] in {"migrations", "models", "receiver", "sync", "tests"}}
        assert {name.rpartition(".")[0] for name in ours} <= {"models.types"}, file


@pytest.mark.parametrize(
    "timezone", ["Africa/Luanda", "Africa/Casablanca", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"]
)
def test_the_migration_knows_the_same_days_as_the_reports(timezone: str) -> None:
    script = ScriptDirectory.from_config(alembic_config(None)).get_revision("0001")
    assert script is not None
    assert script.module.calendar(timezone) == list(calendar(timezone))


def definitions(engine: Engine) -> dict[str, str | None]:
    return {name: inspect(engine).get_view_definition(name) for name in inspect(engine).get_view_names()}


def run_with_the_plain_driver(url: URL, script: str) -> None:
    if url.get_backend_name() == "sqlite":
        assert url.database is not None
        with sqlite3.connect(url.database) as connection:
            connection.executescript(script)
        connection.close()
    else:
        path = f'"{named_schema(url) or "public"}"'
        with psycopg.connect(spelled(url.difference_update_query(["options"]))) as connection:
            # Others of the same pool may have left another value behind.
            connection.execute(b"SET LOCAL standard_conforming_strings = on")
            connection.execute(f"SET LOCAL search_path = {path}".encode())
            connection.execute(script.encode())


def test_a_person_can_drop_the_views_and_paste_the_file_that_makes_them(migrated_url: URL, engine: Engine) -> None:
    before = definitions(engine)
    assert before.keys() == VIEWS
    with engine.begin() as connection:
        script = ScriptDirectory.from_config(alembic_config(None)).get_revision("0001")
        assert script is not None
        views = (ROOT / "migrations" / "sql" / f"views_{engine.dialect.name}.sql").read_text()
        for name in reversed(script.module.view_names(views)):
            connection.execute(text(f"DROP VIEW {name}"))
    assert definitions(engine) == {}
    run_with_the_plain_driver(migrated_url, views)
    assert definitions(engine) == before


# Beside another application


def test_another_applications_version_and_tables_stay_as_they_are(database_url: URL, empty_engine: Engine) -> None:
    """Its `alembic_version` names a revision that this version does not know, or one with the name of ours."""
    for revision in ("8f2d", HEAD):
        with empty_engine.begin() as connection:
            connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
            connection.execute(text("CREATE TABLE invoices (id integer PRIMARY KEY)"))
            connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})
        migrate(database_url)
        require_head(empty_engine)
        expected = {*TABLE_NAMES, *VIEWS, VERSION_TABLE, "alembic_version", "invoices"}
        assert tables_and_views(empty_engine) == expected
        with empty_engine.begin() as connection:
            command.check(alembic_config(connection))
            command.downgrade(alembic_config(connection), "base")
            assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [revision]
            for table in ("alembic_version", "invoices", VERSION_TABLE):
                connection.execute(text(f"DROP TABLE {table}"))


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("CREATE TABLE events (id integer PRIMARY KEY)", "table named events"),
        ("CREATE TABLE report_calendar (id integer PRIMARY KEY)", "table named report_calendar"),
        ("CREATE VIEW active_opt_outs AS SELECT 1 AS one", "view named active_opt_outs"),
    ],
)
def test_a_database_with_another_applications_table_of_one_of_our_names_is_refused_in_one_line(
    database_url: URL, empty_engine: Engine, statement: str, name: str
) -> None:
    with empty_engine.begin() as connection:
        connection.execute(text(statement))
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
    before = tables_and_views(empty_engine)
    process = alembic("upgrade", "head", DATABASE_URL=spelled(database_url))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output == (
        f"zexa-sync: the database already has a {name} that this program did not make: use another database or schema\n"
    )
    assert tables_and_views(empty_engine) == before


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_table_of_one_of_our_names_in_another_schema_is_not_in_the_way(database_url: URL) -> None:
    engine = open_database(database_url.difference_update_query(["options"]))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS public.events (id integer PRIMARY KEY)"))
        theirs = set(inspect(connection).get_table_names("public"))
        connection.execute(text("CREATE SCHEMA ours"))
        connection.execute(text("SET LOCAL search_path = ours, public"))
        command.upgrade(alembic_config(connection), "head")
        assert set(inspect(connection).get_table_names("ours")) == {*TABLE_NAMES, VERSION_TABLE}
        assert set(inspect(connection).get_table_names("public")) == theirs
    engine.dispose()


# The command itself


def upgrade(**environ: str) -> Forked:
    """`alembic upgrade head` as a platform runs it."""
    return alembic("upgrade", "head", **environ)


def alembic(*arguments: str, **environ: str) -> Forked:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return Forked(["alembic", *arguments], env=inherited | environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def spelled(url: URL) -> str:
    """The URL as a platform gives it."""
    return url.render_as_string(hide_password=False).replace("postgresql+psycopg://", "postgres://")


def test_processes_that_migrate_at_once_all_succeed(database_url: URL, empty_engine: Engine) -> None:
    processes = [upgrade(DATABASE_URL=spelled(database_url)) for _ in range(3)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
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
    output, _ = process.communicate(timeout=60)
    observer.dispose()
    assert process.returncode == 0, output
    require_head(empty_engine)


@pytest.mark.parametrize("url", ["", "mysql://zexa:hunter2@db.example.com/zexa"])
def test_a_wrong_database_url_stops_the_migration_with_one_line(url: str) -> None:
    process = upgrade(DATABASE_URL=url)
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert output.count("\n") == 1
    assert "DATABASE_URL" in output
    assert "hunter2" not in output


def test_a_wrong_time_zone_stops_the_migration_with_one_line(tmp_path: Path) -> None:
    process = upgrade(DATABASE_URL=f"sqlite:///{tmp_path}/zexa.db", ZEXA_REPORT_TIMEZONE="Luanda")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output.count("\n") == 1
    assert "ZEXA_REPORT_TIMEZONE" in output


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


def migrated_ahead(engine: Engine, revision: str, oldest: str) -> None:
    """Leave the schema as a newer version's migration to `revision` does, on which code of `oldest` can run."""
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = :at"), {"at": revision})
        connection.execute(text(f"UPDATE {COMPATIBILITY_TABLE} SET oldest_revision = :at"), {"at": oldest})


def test_a_schema_that_is_ahead_and_that_this_code_can_run_on_is_no_reason_to_stop(engine: Engine) -> None:
    migrated_ahead(engine, "0007", oldest=HEAD)
    require_head(engine)
    migrated_ahead(engine, "0007", oldest="0003")
    require_head(engine, code="0003")
    require_head(engine, code="0005")


def test_a_schema_that_is_ahead_and_incompatible_is_complained_of_with_advice_that_works(engine: Engine) -> None:
    migrated_ahead(engine, "0007", oldest="0003")
    line = complaint(engine)
    for words in ("0007", "0003 or newer", HEAD, "deploy the newer version again", "restore a backup"):
        assert words in line
    assert "alembic upgrade head" not in line


def test_a_schema_that_is_behind_can_be_waited_for_and_one_that_is_ahead_cannot(engine: Engine) -> None:
    with pytest.raises(SchemaBehind, match="alembic upgrade head"):
        require_head(engine, code="9999")
    migrated_ahead(engine, "0007", oldest="0003")
    with pytest.raises(SchemaError) as caught:
        require_head(engine)
    assert not isinstance(caught.value, SchemaBehind)


def test_every_migration_leaves_the_mark_of_the_oldest_code_that_can_run_on_it(engine: Engine) -> None:
    """Revisions are compared as text, so they are numbers of four digits; the mark is never ahead of the schema."""
    revisions = sorted(script.revision for script in ScriptDirectory.from_config(alembic_config(None)).walk_revisions())
    assert all(len(revision) == 4 and revision.isdecimal() for revision in revisions)
    with engine.connect() as connection:
        (oldest,) = connection.execute(text(f"SELECT oldest_revision FROM {COMPATIBILITY_TABLE}")).scalars()
    assert oldest in revisions
    assert oldest <= HEAD


def test_the_release_of_an_older_version_migrates_nothing_and_ends_well_if_it_can_run(
    migrated_url: URL, engine: Engine
) -> None:
    migrated_ahead(engine, "0007", oldest=HEAD)
    process = upgrade(DATABASE_URL=spelled(migrated_url))
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output.count("\n")) == (0, 1)
    assert "ahead of this version" in output

    migrated_ahead(engine, "0007", oldest="0003")
    process = upgrade(DATABASE_URL=spelled(migrated_url))
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output.count("\n")) == (1, 1)
    assert "deploy the newer version again" in output


def test_a_database_that_was_taken_back_is_complained_of(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"DELETE FROM {VERSION_TABLE}"))
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
        message_ids = connection.execute(text("SELECT message_id FROM message_status ORDER BY message_id")).scalars()
        assert list(message_ids) == sorted(names, key=str.encode)
        keys_without_text = {
            *RECORDED,
            "audit_log",
            "bodies",
            "inbox",
            "opt_out_history",
            "rollup_deltas",
            "report_calendar",
        }
        for table in sorted(TABLE_NAMES - keys_without_text) if engine.dialect.name == "postgresql" else ():
            primary_key = SQLModel.metadata.tables[table].primary_key
            key = [column for column in primary_key if column.name not in ("day", "part", "quarter_at")]
            collations = {column["name"]: column["type"] for column in inspect(connection).get_columns(table)}
            assert {getattr(collations[column.name], "collation", None) for column in key} == {"C"}


def test_sqlite_takes_several_writers_and_loses_nothing_on_a_crash(tmp_path: Path) -> None:
    engine = open_database(make_url(f"sqlite:///{tmp_path}/zexa.db"))
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 20_000
    engine.dispose()
