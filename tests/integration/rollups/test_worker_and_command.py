"""The worker compacts; `rebuild` counts anew, by the days of the time zone that is set."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result
from redis import Redis
from sqlalchemy import URL, Engine, text
from structlog.testing import capture_logs

from sync.cli import main
from sync.devtools.dev.embedded import RedisServer
from sync.rollups.compact import compact
from tests.integration.rollups.books import counted, give, stored_sums, viewed, waiting
from tests.support.events_builder import TEN, body, raw
from tests.support.forked import Forked, run_forked
from tests.support.processes import wait_for


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


# The worker


def test_a_worker_compacts_and_says_which_days_it_counts_by(
    engine: Engine, migrated_url: URL, redis_server: RedisServer, redis: Redis
) -> None:
    assert redis.dbsize() == 0
    give(engine, [raw(body("message.failed", TEN, message_id="msg_1", channel="sms", campaign_id="a"))])
    assert waiting(engine) == 1
    environ = os.environ | {
        "DATABASE_URL": migrated_url.render_as_string(hide_password=False),
        "REDIS_URL": redis_server.url,
        "ZEXA_REPORT_TIMEZONE": "Europe/Lisbon",
    }
    finished = run_forked(["python", "-m", "sync", "worker", "--burst"], env=environ)
    assert finished.returncode == 0, finished.stderr
    assert waiting(engine) == 0
    assert stored_sums(engine) == counted(engine)
    output = finished.stdout + finished.stderr
    assert "rollups.other_timezone" in output
    assert "Africa/Luanda" in output


def test_a_worker_at_work_compacts_now_and_then(
    engine: Engine, migrated_url: URL, redis_server: RedisServer, redis: Redis
) -> None:
    assert redis.dbsize() == 0
    give(engine, [raw(body("message.failed", TEN, message_id="msg_1", channel="sms", campaign_id="a"))])
    environ = os.environ | {
        "DATABASE_URL": migrated_url.render_as_string(hide_password=False),
        "REDIS_URL": redis_server.url,
    }
    worker = Forked(["python", "-m", "sync", "worker"], env=environ, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: waiting(engine) == 0, seconds=60, what="compacting")
    finally:
        worker.terminate()
        assert worker.wait(30) == 0
    assert stored_sums(engine) == counted(engine)


# The command


@pytest.fixture
def command(migrated_url: URL, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("DATABASE_URL", migrated_url.render_as_string(hide_password=False))
    for name in ("ZEXA_DEFAULT_REGION", "ZEXA_REPORT_TIMEZONE", "DYNO"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments: CliRunner().invoke(main, ["rebuild", *arguments], catch_exceptions=False)


def test_the_command_takes_the_time_zone_of_the_setting(
    engine: Engine, command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    give(engine, [raw(body("message.failed", TEN + timedelta(hours=13, minutes=30), message_id="msg_1"))])
    assert list(viewed(engine)["daily"]) == [("2026-06-25", "", "")]
    monkeypatch.setenv("ZEXA_REPORT_TIMEZONE", "Atlantic/Azores")
    checked = command("--check", "--reports")
    assert checked.exit_code == 0
    assert checked.stderr == (
        "note: the roll-ups count by the days of Africa/Luanda, and ZEXA_REPORT_TIMEZONE is Atlantic/Azores: "
        "`zexa-sync rebuild --reports` changes that\n"
    )
    assert list(viewed(engine)["daily"]) == [("2026-06-25", "", "")]
    assert command("--reports").exit_code == 0
    assert list(viewed(engine)["daily"]) == [("2026-06-24", "", "")]
    assert command("--check").stderr == ""


def test_a_roll_up_that_drifts_is_told_row_by_row(engine: Engine, command: Callable[..., Result]) -> None:
    give(engine, [raw(body("message.failed", TEN, message_id="msg_1", channel="sms", campaign_id="a"))])
    compact(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE rollup_campaigns SET failed = 3"))
    checked = command("--check", "--reports", "--json")
    assert checked.exit_code == 1
    drift, summary = (json.loads(line) for line in checked.stdout.splitlines())
    assert drift == {
        "table": "rollup_campaigns",
        "key": {"campaign_id": "a"},
        "drift": "changed",
        "columns": {"failed": {"stored": 3, "expected": 1}},
    }
    assert list(summary["summary"]["tables"]) == ["rollup_daily", "rollup_campaigns", "rollup_campaign_quarters"]


def test_a_wrong_time_zone_is_one_line(command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEXA_REPORT_TIMEZONE", "Luanda")
    result = command("--check")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "ZEXA_REPORT_TIMEZONE" in result.stderr
