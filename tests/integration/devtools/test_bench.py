"""`zexa-sync bench`: every part runs, at the smallest sizes, and shows its figures. Their values are not tested.

Its processes are forked, with the libraries loaded: what is tested is what is measured, and not how they start.
"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import Redis
from sqlalchemy import URL, Engine, func, select
from sqlmodel import Session, SQLModel

from models import LedgerEntry, OptOut
from models.database import open_database
from models.tables import LEDGER, OPT_OUTS
from sync.cli import main
from sync.devtools.bench.figures import Figure, Target, Yardstick, as_document
from sync.devtools.bench.lookups import ALONE, ELSEWHERE, EMPTY
from sync.devtools.dev.embedded import RedisServer
from tests.conftest import NOW
from tests.support.forked import Forked

SMALLEST = ["--database", "sqlite", "--events", "300", "--seconds", "0.3", "--rounds", "1"]
BATCH_SIZE = "20"
# What no option makes smaller: values are not tested, so nothing need be warm, and few of each are enough.
SMALLER = {
    "apply.STOCK_EVENTS": 60,
    "console.EVENTS_PER_SECOND": 50,
    "console.SIGN_INS": 1,
    "console.WARM_UP_ROUNDS": 0,
    "console_pages.TIMES": 1,
    "end_to_end.BODIES_PER_SECOND": 8000,
    "end_to_end.WARM_UP_SECONDS": 0,
    "growth.BURST_SECONDS": 0.3,
    "lookups.EVENTS_PER_SECOND": 100,
    "lookups.LOOKUPS_PER_SECOND": 50,
    "lookups.WARM_UP_ROUNDS": 0,
    "opt_outs_first.DELIVERIES_PER_OPT_OUT": 10_000,
    "receive.BODIES": 2000,
    "receive.WARM_UP_ROUNDS": 0,
    "suppression.LOOKS": 100,
    "suppression.WARM_UP_LOOKS": 1,
    "visible.WARM_UP_SECONDS": 0,
}


@pytest.fixture(autouse=True)
def _smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALLER.items():
        monkeypatch.setattr(f"sync.devtools.bench.{name}", value)


@pytest.fixture(autouse=True)
def _forked(monkeypatch: pytest.MonkeyPatch) -> None:
    forking = SimpleNamespace(Popen=begun, DEVNULL=subprocess.DEVNULL, STDOUT=subprocess.STDOUT)
    for module in ("dev.processes", "bench.load"):
        monkeypatch.setattr(f"sync.devtools.{module}.subprocess", forking)


@pytest.fixture
def _without_wrk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing else bounds a flood: wrk sends for a second or more, as fast as it can."""
    monkeypatch.setattr("sync.devtools.bench.load.shutil", SimpleNamespace(which=lambda _: None))


def begun(command: Sequence[str], *, env: Mapping[str, str] = os.environ, **options: Any) -> Any:
    begin: Any = subprocess.Popen if command[0] == "wrk" else Forked
    return begin(command, env=env, **options)


def bench(*arguments: str) -> Result:
    return CliRunner(env={"ZEXA_BATCH_SIZE": BATCH_SIZE}).invoke(main, ["bench", *arguments], catch_exceptions=False)


def figures(*arguments: str) -> dict[str, dict[str, Any]]:
    finished = bench(*arguments, *SMALLEST, "--json")
    assert finished.exit_code == 0, finished.stderr
    document = json.loads(finished.stdout)
    assert document["machine"]["cores"] >= 1
    assert {"python", "valkey-server", "SQLite", "rq", "gunicorn"} <= document["machine"]["versions"].keys()
    assert all(figure["value"] > 0 for figure in document["figures"] if figure["unit"] != "events")
    return {f"{figure['part']}: {figure['name']}": figure for figure in document["figures"]}


def keep_one_row(engine: Engine, table: str) -> None:
    rows: dict[str, SQLModel] = {
        "events": LedgerEntry(
            subject_id="msg_1",
            event="message.delivered",
            occurred_at=NOW,
            received_at=NOW,
            applied_at=NOW,
            body_id=1,
            is_dated=True,
            outcome="applied",
            digest="0" * 64,
        ),
        "opt_outs": OptOut(
            channel="sms",
            address="+244912345678",
            sender="",
            opted_out_at=NOW,
            received_at=NOW,
            source="manual",
            updated_at=NOW,
        ),
    }
    with Session(engine) as session:
        session.add(rows[table])
        session.commit()


@pytest.mark.slow
@pytest.mark.usefixtures("_without_wrk")
def test_receiving_stands_beside_an_empty_route_and_the_plain_way() -> None:
    measured = figures("receive", "--connections", "2")
    journalled = measured.pop("receive: 2 connections, journalled on SQLite")
    assert [yardstick["name"] for yardstick in journalled["yardsticks"]] == ["ours"]
    assert measured.keys() == {f"receive: 2 connections{ending}" for ending in ("", ", p50", ", p99")}
    for figure in measured.values():
        assert [yardstick["name"] for yardstick in figure["yardsticks"]] == [
            "an empty Flask route",
            "an empty ASGI route",
            "the plain way",
        ]
        assert all(yardstick["value"] > 0 for yardstick in figure["yardsticks"])
        assert figure["note"] == ""  # no delivery was refused or lost


@pytest.mark.slow
def test_applying_stands_beside_the_database_alone_and_a_stock_worker() -> None:
    measured = figures("apply")
    copies = measured.pop("apply: SQLite, 1 worker, copies")
    assert [yardstick["name"] for yardstick in copies["yardsticks"]] == ["the same events, new"]
    taken = measured.pop("apply: SQLite, 1 worker: processor time")
    assert (taken["unit"], taken["value"] > 1) == ("µs/event", True)
    assert measured.keys() == {
        f"apply: SQLite, {workers}" for workers in ("1 worker", "2 workers", "1 worker, one event a job")
    }
    for figure in measured.values():
        names = [yardstick["name"] for yardstick in figure["yardsticks"]]
        plainly = "the database alone, by SQLAlchemy's lists of rows"
        assert names == ["the database alone", plainly, "a stock SimpleWorker"]
        assert figure["yardsticks"][2]["ratio"] > 1


@pytest.mark.slow
def test_the_way_from_a_post_to_its_row_is_timed() -> None:
    measured = figures("end-to-end")
    rates = [f"from POST to row at {rate} events/s, p{percent}" for rate in ("100", "1,000") for percent in (50, 99)]
    assert {f"end to end: SQLite, {rate}" for rate in rates} <= measured.keys()
    for webs in ("1 web process", "2 web processes"):
        sustained = f"end to end: SQLite, 64 connections, {webs}, 1 worker"
        assert {f"{sustained}: applied", f"{sustained}: waiting at the end"} <= measured.keys()


@pytest.mark.slow
@pytest.mark.usefixtures("_without_wrk")
def test_growth_is_measured_against_the_least_filled_tables() -> None:
    measured = figures("growth", "--messages", "0,200")
    grown = measured["growth: SQLite, 1 worker, 200 messages in the tables"]
    assert [yardstick["name"] for yardstick in grown["yardsticks"]] == ["0 messages", "the database alone"]
    assert measured["growth: Redis, per queued event"]["unit"] == "bytes"


def test_reports_stand_beside_counting_from_the_messages() -> None:
    measured = figures("reports", "--messages", "3000")
    about = "reports: SQLite, 3,000 messages, 9,000 facts"
    for name in ("report_daily, all days", "report_campaigns, all"):
        assert [yardstick["name"] for yardstick in measured[f"{about}: {name}"]["yardsticks"]] == [
            "counted from the messages"
        ]
        assert measured[f"{about}: {name}"]["target"] == {"at_least": None, "at_most": 100}
    others = {"report_opt_outs", "report_failures", "report_lag", "report_recipients", "5,000 deltas compacted"}
    assert all(any(other in name for name in measured) for other in others)


@pytest.mark.parametrize("table", ["events", "opt_outs"])
def test_a_database_that_holds_a_row_is_refused_and_keeps_it(engine: Engine, migrated_url: URL, table: str) -> None:
    keep_one_row(engine, table)
    url = migrated_url.render_as_string(hide_password=False)
    finished = bench("apply", *SMALLEST, "--database-url", url)
    assert finished.exit_code == 1
    assert finished.stderr.splitlines()[-1].startswith(f"Error: the database of --database-url holds rows in {table}")
    reader = open_database(migrated_url, is_read_only=True)
    with reader.connect() as connection:
        rows = [
            connection.execute(select(func.count()).select_from(table_)).scalar_one() for table_ in (LEDGER, OPT_OUTS)
        ]
    reader.dispose()
    assert sum(rows) == 1


def test_a_redis_that_holds_a_key_is_refused_and_keeps_it(redis_server: RedisServer, redis: Redis) -> None:
    redis.set("somebody's", "value")
    finished = bench("receive", *SMALLEST, "--redis-url", redis_server.url)
    assert finished.exit_code == 1
    assert finished.stderr.splitlines()[-1].startswith("Error: the Redis of --redis-url holds keys")
    assert redis.get("somebody's") == b"value"


def test_a_missed_target_is_told_and_met_ones_are_not_required_to_be_all() -> None:
    figure = Figure(
        part="apply",
        name="1 worker",
        value=50,
        unit="events/s",
        yardsticks=(Yardstick(name="slow", value=10, target=Target(at_least=5)), Yardstick(name="none", value=0)),
        target=Target(at_most=49),
    )
    assert [is_met for _, is_met in figure.verdicts] == [False, True]
    document = as_document(figure)
    assert document["is_met"] is False
    assert [yardstick["ratio"] for yardstick in document["yardsticks"]] == [5, None]


def test_opt_outs_are_measured_behind_a_backlog() -> None:
    measured = figures("opt-outs", "--backlog", "20000")
    assert measured["opt-outs: SQLite, from POST to row behind 20,000 deliveries, p99"]["value"] > 0


@pytest.mark.slow
def test_look_ups_are_measured_beside_deliveries_and_these_beside_themselves_alone() -> None:
    measured = figures("suppression", "--opted-out", "0,2000", "--addresses", "1000")
    checked = "100 addresses over HTTP at 50/s beside 100 events/s"
    for number in ("0", "2,000"):
        title = f"suppression: SQLite, {number} opt-outs"
        assert measured[f"{title}: {checked}, p99"]["value"] >= measured[f"{title}: {checked}, p50"]["value"]
        assert "not accepted" not in measured[f"{title}: {checked}, p50"]["note"]
        yardsticks = measured[f"{title}: 100 deliveries/s beside these look-ups, p99"]["yardsticks"]
        assert [yardstick["name"] for yardstick in yardsticks] == [ALONE, EMPTY, ELSEWHERE]
    for name in ("2,000 opt-outs: check of 1 address, p99", "1,000 opt-outs: scrub of a CSV file of 1,000 rows"):
        assert measured[f"suppression: SQLite, {name}"]["value"] > 0


@pytest.mark.slow
def test_each_page_of_the_console_is_measured_and_deliveries_beside_people_who_look() -> None:
    measured = figures("console", "--messages", "2000")
    title = "console: SQLite, 2,000 messages"
    named = ("overview", "failures of 30 days", "messages, by a number", "a person, by a number")
    led_to = ("message?id", "person?message", "campaign?id", "dead-letter?digest", "log?before", "static/console.css")
    for page in (*named, *led_to):
        assert measured[f"{title}: {page}"]["target"] == {"at_least": None, "at_most": 300}
        assert "answered" not in measured[f"{title}: {page}"]["note"]
    assert measured[f"{title}: the largest page"]["target"] == {"at_least": None, "at_most": 100}
    beside = measured[f"{title}: 50 deliveries/s beside 10 people who ask for a page every 1 s, p99"]
    assert [(yardstick["name"], yardstick["target"]["at_most"]) for yardstick in beside["yardsticks"]] == [("alone", 3)]
    assert beside["note"] == ""
    without, before = (
        measured[f"{title}: {name}"]
        for name in ("a web process without the console", "with the console, before its first page")
    )
    assert before["value"] > without["value"]
