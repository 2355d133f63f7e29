"""`zexa-sync report`: what it prints, and that it shows no address."""

import csv
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import URL, Engine, text
from structlog.testing import capture_logs

from models.report_views import REPORT_VIEWS
from sync.cli import main
from sync.events.raw import RawEvent
from sync.reports.command import read_day
from sync.reports.queries import REPORTS
from sync.store.apply import apply
from sync.terminal.csv_cells import defused
from tests.conftest import NOW, ROOT
from tests.support.events_builder import ANA, AO, TEN, body, minute, raw
from tests.support.forked import Forked

Command = Callable[..., Result]

JUNE = ("--since", "2026-06-01", "--until", "2026-06-30")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture
def command(migrated_url: URL, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("DATABASE_URL", migrated_url.render_as_string(hide_password=False))
    for name in ("ZEXA_REPORT_TIMEZONE", "DYNO"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments: CliRunner().invoke(main, ["report", *arguments], catch_exceptions=False)


def of_message(number: int, event: str, at: datetime = TEN, **data: Any) -> RawEvent:
    fields = {
        "message_id": f"msg_{number}",
        "channel": "sms",
        "from_": "ZEXA",
        "to": ANA,
        "campaign_id": "cmp_1",
    } | data
    return raw(body(f"message.{event}", at, **fields))


@pytest.fixture
def _june(engine: Engine) -> None:
    events = [
        *(of_message(number, "delivered") for number in range(6)),
        of_message(6, "failed", error={"code": "30007", "message": f"{ANA} is \x1b[31mbusy"}),
        of_message(7, "undeliverable", minute(24 * 60), error="[bold]gone[/bold]"),
        of_message(8, "delivered", channel="email", from_=None, to="ana@example.com", campaign_id=None),
        of_message(0, "optout", minute(5)),
        raw(body("campaign.sent", minute(-5), campaign_id="cmp_1", name=f"Call {ANA}", channel="sms", messages=10)),
        raw(body("campaign.completed", minute(90), campaign_id="cmp_1", name=f"Call {ANA}", messages=10)),
    ]
    apply(engine, events, options=AO, now=NOW)


def table(result: Result) -> list[list[str]]:
    """The cells of each row, without title, rule and bar."""
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    return [[cell.strip() for cell in line.split("   ") if cell.strip()] for line in lines if line and line[0] != "─"]


@pytest.mark.usefixtures("_june")
def test_days_are_a_table_with_bars(command: Command) -> None:
    title, *days = table(command("daily", *JUNE))
    assert title[:5] == ["day", "channel", "sender", "finalised", "delivered"]
    assert days[0][:8] == ["2026-06-24", "email", "-", "1", "1", "0", "0", "100.0%"]
    assert days[1] == ["2026-06-24", "sms", "ZEXA", "7", "6", "1", "0", "85.7%", "1", "16.7%", "0", "█" * 21 + "░" * 3]
    assert days[2][0] == "2026-06-25"


@pytest.mark.usefixtures("_june")
def test_a_campaign_tells_what_is_missing(command: Command) -> None:
    ((campaign),) = table(command("campaigns", *JUNE))[1:]
    assert campaign[0] == "cmp_1"
    assert campaign[3:7] == ["completed", "2026-06-24 09:55Z", "95.0 min", "10"]
    assert campaign[7:13] == ["8", "6", "1", "1", "0", "2"]


@pytest.mark.usefixtures("_june")
def test_reasons_are_added_up_over_the_days_and_nothing_in_them_is_trusted(command: Command) -> None:
    result = command("failures", *JUNE)
    # On PostgreSQL the view has masked the number already.
    assert {row[2].replace("****", "+244…678"): row[3:6] for row in table(result)[1:]} == {
        "+244…678 is \\x1b[31mbusy": ["1", "2", "50.0%"],
        "[bold]gone[/bold]": ["1", "2", "50.0%"],
    }
    assert "\x1b" not in result.stdout


@pytest.mark.usefixtures("_june")
def test_opt_outs_and_lags_are_shown(command: Command) -> None:
    assert table(command("opt-outs", *JUNE))[1][:7] == ["2026-06-24", "sms", "event", "1", "1", "6", "16.7%"]
    (hour,) = table(command("lag", *JUNE))[1:]
    assert hour[:3] == ["2026-06-24 12:00Z", "12", "2.0 h"]


@pytest.mark.parametrize("name", list(REPORTS))
@pytest.mark.usefixtures("_june")
def test_csv_and_json_have_every_column_of_the_view(command: Command, name: str) -> None:
    (view,) = [view for view in REPORT_VIEWS if view.name == f"report_{name.replace('-', '_')}"]
    columns = [column.name for column in view.columns]
    as_csv, as_json = command(name, *JUNE, "--csv"), command(name, *JUNE, "--json")
    assert (as_csv.exit_code, as_json.exit_code) == (0, 0)
    document = json.loads(as_json.stdout)
    assert (document["view"], document["timezone"]) == (view.name, "Africa/Luanda")
    assert all(list(row) == columns for row in document["rows"])
    read = list(csv.DictReader(io.StringIO(as_csv.stdout)))
    assert list(read[0]) == columns
    assert read == [
        {key: "" if value is None else defused(str(value)).replace("\x1b", "\\x1b") for key, value in row.items()}
        for row in document["rows"]
    ]


@pytest.mark.parametrize("name", list(REPORTS))
@pytest.mark.parametrize("form", [(), ("--csv",), ("--json",)])
@pytest.mark.usefixtures("_june")
def test_no_address_is_printed(command: Command, name: str, form: tuple[str, ...]) -> None:
    shown = command(name, *JUNE, *form)
    assert shown.exit_code == 0
    assert not [address for address in (ANA, "912345678", "ana@example.com") if address in shown.output]


@pytest.mark.usefixtures("_june")
def test_a_selection_narrows(command: Command) -> None:
    def rows(*arguments: str) -> list[dict[str, Any]]:
        result = command(*arguments, "--json")
        result_rows: list[dict[str, Any]] = json.loads(result.stdout)["rows"]
        assert result.exit_code == 0
        return result_rows

    assert len(rows("daily", *JUNE)) == 3
    assert len(rows("daily", *JUNE, "--channel", "SMS")) == 2
    assert len(rows("daily", "--since", "2026-06-25", "--until", "2026-06-25")) == 1
    assert rows("daily") == []  # of the last thirty days
    assert [row["finalised"] for row in rows("daily", "--campaign", "cmp_1")] == [7, 1]
    assert rows("daily", "--campaign", "cmp_2") == []
    assert len(rows("failures", "--campaign", "cmp_1")) == 2
    assert len(rows("campaigns", "--campaign", "cmp_1")) == 1
    assert rows("campaigns", "--since", "2026-06-25", "--until", "2026-06-30") == []


def test_an_empty_period_is_an_answer_like_any_other(command: Command) -> None:
    result = command("daily")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "Nothing was counted in this period.\n", "")
    as_csv = command("daily", "--csv")
    assert as_csv.exit_code == 0
    assert as_csv.stdout.splitlines()[0].startswith("day,channel,sender,finalised")
    assert json.loads(command("daily", "--json").stdout)["rows"] == []


def test_no_cell_of_a_report_is_a_formula(engine: Engine, command: Command) -> None:
    formula = '=HYPERLINK("HTTP://X.EXAMPLE","OPEN")'
    apply(engine, [of_message(1, "delivered", from_=formula)], options=AO, now=NOW)
    (row,) = csv.DictReader(io.StringIO(command("daily", *JUNE, "--csv").stdout))
    assert row["sender"] == f"'{formula}"
    assert json.loads(command("daily", *JUNE, "--json").stdout)["rows"][0]["sender"] == formula


@pytest.mark.parametrize(
    "arguments",
    [
        ("daily", "--since", "24.06.2026"),
        ("daily", "--since", "2026-02-30"),
        ("daily", "--until", "٣d"),
        ("daily", "--since", "2026-06-25", "--until", "2026-06-24"),
        ("daily", "--csv", "--json"),
        ("lag", "--channel", "sms"),
        ("opt-outs", "--campaign", "cmp_1"),
        ("weekly",),
    ],
)
def test_wrong_use_is_exit_2(command: Command, arguments: tuple[str, ...]) -> None:
    assert command(*arguments).exit_code == 2


def test_a_day_is_a_date_or_counts_from_today() -> None:
    today = date(2026, 6, 24)
    assert read_day("2026-06-01", today) == date(2026, 6, 1)
    assert read_day("today", today) == read_day("0d", today) == today
    assert read_day("yesterday", today) == read_day("1d", today) == today - timedelta(days=1)


@pytest.mark.parametrize(
    ("environ", "status", "expected"),
    [
        ({"DATABASE_URL": " "}, 2, "DATABASE_URL is not set"),
        ({"ZEXA_REPORT_TIMEZONE": "Luanda"}, 2, "ZEXA_REPORT_TIMEZONE is not a time zone"),
        ({"DATABASE_URL": "postgres://someone:hunter2@127.0.0.1:1/name"}, 1, "the database of DATABASE_URL cannot be"),
    ],
)
def test_a_failure_is_one_line_without_a_password(
    command: Command, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], status: int, expected: str
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    result = command("daily")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (status, "", 1)
    assert result.stderr.startswith(f"Error: {expected}")
    assert not [detail for detail in ("hunter2",) if detail in result.stderr]


@pytest.mark.usefixtures("_june")
def test_days_of_another_time_zone_than_the_setting_are_told(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEXA_REPORT_TIMEZONE", "Europe/Lisbon")
    result = command("daily", *JUNE, "--csv")
    assert result.stderr == (
        "note: days are those of Africa/Luanda, and ZEXA_REPORT_TIMEZONE is Europe/Lisbon: "
        "`zexa-sync rebuild --reports` changes that\n"
    )


def test_nothing_is_written(engine: Engine, command: Command) -> None:
    apply(engine, [of_message(1, "failed")], options=AO, now=NOW)
    for name in REPORTS:
        command(name, *JUNE)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM rollup_deltas")).scalar_one() == 1


@pytest.mark.usefixtures("_june")
def test_a_narrow_terminal_leaves_out_columns_and_says_so(migrated_url: URL) -> None:
    ours, theirs = pty.openpty()
    environ = os.environ | {
        "DATABASE_URL": migrated_url.render_as_string(hide_password=False),
        "COLUMNS": "80",
        "TERM": "xterm",
    }
    process = Forked(["python", "-m", "sync", "report", "campaigns", *JUNE], env=environ, stdout=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait(30) == 0
    lines = shown.decode().splitlines()
    assert "silent" in lines[0] + lines[1]
    assert lines[-1].startswith("No room for: name, channel")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_output_without_block_characters_gets_letters(engine: Engine, migrated_url: URL) -> None:
    apply(engine, [of_message(1, "failed"), of_message(2, "delivered")], options=AO, now=NOW)
    environ = os.environ | {
        "DATABASE_URL": migrated_url.render_as_string(hide_password=False),
        "PYTHONIOENCODING": "ascii",
    }
    shown = subprocess.run(
        [sys.executable, "-m", "sync", "report", "daily", *JUNE],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "############............" in shown
