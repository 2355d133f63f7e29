"""The role that reads reports sees no address, and days are those of the time zone that is set."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from alembic import command
from sqlalchemy import URL, Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from models.database import open_database
from sync.settings.environment import SettingError
from tests.conftest import alembic_config, migrate
from tests.integration.reports.views import COMMENTS, ON_POSTGRESQL, asked, failed, give
from tests.support.events_builder import ANA, TEN, body, minute, raw


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


# The role


@pytest.fixture
def as_reporting(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        connection.execute(text("SET LOCAL ROLE zexa_reporting"))
        yield connection


@ON_POSTGRESQL
def test_the_role_reads_every_report_and_nothing_else(engine: Engine, as_reporting: Connection) -> None:
    give(engine, failed(1, TEN, error=f"{ANA} is busy"))
    for view in COMMENTS:
        shown = str(as_reporting.execute(text(f"SELECT * FROM {view}")).all())
        assert ANA not in shown
        assert "912345678" not in shown
    others = {*inspect(engine).get_table_names(), *inspect(engine).get_view_names()} - set(COMMENTS)
    assert {"message_status", "events", "opt_outs", "active_opt_outs", "rollup_deltas"} <= others
    for name in others:
        with pytest.raises(DBAPIError, match="permission denied"), as_reporting.begin_nested():
            as_reporting.execute(text(f"SELECT * FROM {name}"))
    with pytest.raises(DBAPIError, match=r"cannot delete|permission denied"), as_reporting.begin_nested():
        as_reporting.execute(text("DELETE FROM report_daily"))


@ON_POSTGRESQL
def test_no_function_of_the_one_who_asks_sees_an_address_before_it_is_masked(engine: Engine) -> None:
    give(engine, failed(1, TEN))
    with engine.connect() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION pg_temp.peek(told text) RETURNS boolean COST 0.0001 LANGUAGE plpgsql AS $$ "
                "BEGIN RAISE EXCEPTION 'saw %', told; END $$"
            )
        )
        with pytest.raises(DBAPIError) as caught, connection.begin_nested():
            connection.execute(text("SELECT * FROM report_recipients WHERE pg_temp.peek(address)"))
        assert "saw +24491****78" in str(caught.value)


@ON_POSTGRESQL
def test_who_may_make_no_role_migrates_all_the_same_and_is_told(
    database_url: URL, caplog: pytest.LogCaptureFixture
) -> None:
    """As on hosts that give out databases, and no right to make roles."""
    name = f"limited_{uuid4().hex}"
    admin = open_database(database_url)
    with admin.begin() as connection:
        has_role = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = 'zexa_reporting'")).first()
        if has_role:
            connection.execute(text("ALTER ROLE zexa_reporting RENAME TO zexa_reporting_aside"))
        connection.execute(text(f"CREATE ROLE {name} LOGIN"))
        connection.execute(text(f"GRANT ALL ON SCHEMA public TO {name}"))
        connection.execute(text(f"ALTER DATABASE {database_url.database} OWNER TO {name}"))
    try:
        engine = open_database(database_url)
        with engine.begin() as connection:
            connection.execute(text(f"SET LOCAL SESSION AUTHORIZATION {name}"))
            command.upgrade(alembic_config(connection), "head")
            assert connection.execute(text("SELECT count(*) FROM report_daily")).scalar_one() == 0
        engine.dispose()
        assert "the role zexa_reporting was not made (InsufficientPrivilege)" in caplog.text
    finally:
        with admin.begin() as connection:
            connection.execute(text(f"REASSIGN OWNED BY {name} TO CURRENT_USER"))
            connection.execute(text(f"DROP OWNED BY {name}"))
            connection.execute(text(f"DROP ROLE {name}"))
            if has_role:
                connection.execute(text("ALTER ROLE zexa_reporting_aside RENAME TO zexa_reporting"))
        admin.dispose()


# The days of the reports


def test_the_migration_takes_the_days_of_the_time_zone_that_is_set(
    engine: Engine, migrated_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    monkeypatch.setenv("ZEXA_REPORT_TIMEZONE", "America/New_York")
    migrate(migrated_url)
    give(
        engine,
        failed(1, minute(-10 * 60)),
        raw(body("message.delivered", TEN, message_id="msg_2", channel="sms")),
    )
    assert [str(row["day"]) for row in asked(engine, "daily")] == ["2026-06-23", "2026-06-24"]


def test_a_wrong_time_zone_stops_the_migration(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    monkeypatch.setenv("ZEXA_REPORT_TIMEZONE", "Luanda")
    with pytest.raises(SettingError, match="ZEXA_REPORT_TIMEZONE"), engine.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
    assert "report_calendar" not in inspect(engine).get_table_names()
