"""`zexa-sync rebuild`: what it prints, how it ends, and what it does not print."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import URL, Engine, event
from structlog.testing import capture_logs

from models import CampaignStatus, MessageStatus, OptOut
from sync.cli import main
from sync.terminal.masking import masked_address, masked_text
from tests.integration.rebuild.damage import (
    DAMAGES,
    DIGESTS,
    EARLIER,
    EMAIL,
    FACTS,
    OPT_OUT_OF_MSG_2,
    add,
    change,
    damage,
    forget,
    ledger_entry,
    of_message,
    remove,
    store,
)
from tests.support.events_builder import ANA, RUI, everything

Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture
def command(migrated_url: URL, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs the command on the test's database."""
    monkeypatch.setenv("DATABASE_URL", migrated_url.render_as_string(hide_password=False))
    monkeypatch.delenv("ZEXA_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("DYNO", raising=False)
    return lambda *arguments: CliRunner().invoke(main, ["rebuild", *arguments], catch_exceptions=False)


# -- The command


def test_check_says_that_nothing_drifts_and_exits_0(engine: Engine, command: Command) -> None:
    store(engine)
    result = command("--check")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{FACTS} facts read.\n")
    assert result.stdout.endswith("\nNo row drifts.\n")
    assert result.stderr == ""


def test_check_prints_each_row_that_drifts_and_exits_1(engine: Engine, command: Command) -> None:
    store(engine)
    damage(engine, *(DAMAGES[name][0] for name in ("a changed status", "a missing row", "a campaign without any fact")))
    damage(engine, remove(OptOut, **OPT_OUT_OF_MSG_2))
    result = command("--check")
    assert result.exit_code == 1
    *rows, counts = result.stdout.split("\n\n")
    assert [row.splitlines()[0] for row in rows] == [
        "message_status msg_1: the row is missing",
        "message_status msg_2: the row says something else than its facts",
        "campaign_status cmp_3: no fact makes this row",
        "opt_outs sms +244…111 -: the row is missing",
        # What was counted when they were applied is no longer what the damaged rows come to.
        "rollup_daily 2026-06-24 sms -: the row says something else than its facts",
        "rollup_daily 2026-06-24 sms ZEXA: no fact makes this row",
    ]
    assert rows[1].splitlines()[1:] == ["  status  delivered → undeliverable"]
    assert "  conflict        - → yes" in rows[0].splitlines()
    assert "  status   sent → -" in rows[2].splitlines()
    assert "  opted_out_at  - → 2026-06-24 10:03:00Z" in rows[3].splitlines()
    table = [line.split() for line in counts.splitlines()]
    assert table[1:] == [
        ["right", "changed", "missing", "surplus"],
        ["events", "14", "0", "0", "0"],
        ["message_status", "3", "1", "1", "0"],
        ["campaign_status", "2", "0", "0", "1"],
        ["opt_out_history", "3", "0", "0", "0"],
        ["opt_outs", "2", "0", "1", "0"],
        ["nameless_opt_outs", "1", "0", "0", "0"],
        ["rollup_daily", "0", "1", "0", "1"],
        ["rollup_campaigns", "0", "0", "0", "0"],
        ["rollup_campaign_quarters", "0", "0", "0", "0"],
        ["6", "rows", "drift."],
    ]


def test_rebuild_repairs_says_how_many_and_exits_0(engine: Engine, command: Command) -> None:
    store(engine)
    before = everything(engine)
    damage(engine, DAMAGES["a changed status"][0], DAMAGES["a row above all facts"][0])
    result = command()
    assert result.exit_code == 0
    table = [line.split() for line in result.stdout.splitlines()]
    assert table[1:] == [
        ["right", "changed", "added", "removed"],
        ["events", "14", "0", "0", "0"],
        ["message_status", "4", "1", "0", "1"],
        ["campaign_status", "2", "0", "0", "0"],
        ["opt_out_history", "3", "0", "0", "0"],
        ["opt_outs", "3", "0", "0", "0"],
        ["nameless_opt_outs", "1", "0", "0", "0"],
        # The repair took the damaged row's share from the roll-up, which it never had.
        ["rollup_daily", "1", "1", "0", "0"],
        ["rollup_campaigns", "0", "0", "0", "0"],
        ["rollup_campaign_quarters", "0", "0", "0", "0"],
        ["3", "rows", "repaired."],
    ]
    assert everything(engine) == before
    assert command().stdout.endswith("\nNothing had to be repaired.\n")
    assert command("--check").exit_code == 0


def test_json_is_a_line_for_each_row_and_a_summary_last(engine: Engine, command: Command) -> None:
    store(engine)
    damage(engine, DAMAGES["a changed status"][0], change(OptOut, {"address": ANA}, opted_out_at=EARLIER))
    result = command("--check", "--json")
    assert result.exit_code == 1
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert rows[0] == {
        "table": "message_status",
        "key": {"message_id": "msg_2"},
        "drift": "changed",
        "columns": {"status": {"stored": "delivered", "expected": "undeliverable"}},
    }
    assert rows[1] == {
        "table": "opt_outs",
        "key": {"channel": "sms", "address": "+244…678", "sender": ""},
        "drift": "changed",
        "columns": {"opted_out_at": {"stored": "2026-06-24T00:00:00Z", "expected": "2026-06-24T10:01:00Z"}},
    }
    assert rows[2] == {
        "table": "rollup_daily",
        "key": {"day": "2026-06-24", "channel": "sms", "sender": ""},
        "drift": "changed",
        "columns": {
            "delivered": {"stored": 1, "expected": 2},
            "undeliverable": {"stored": 1, "expected": 0},
        },
    }
    right = {"changed": 0, "missing": 0, "surplus": 0}
    assert rows[3:] == [
        {
            "summary": {
                "is_check": True,
                "is_complete": True,
                "facts": FACTS,
                "unreadable": 0,
                "drifting": 3,
                "tables": {
                    "events": right | {"right": 14},
                    "message_status": right | {"right": 4, "changed": 1},
                    "campaign_status": right | {"right": 2},
                    "opt_out_history": right | {"right": 3},
                    "opt_outs": right | {"right": 2, "changed": 1},
                    "nameless_opt_outs": right | {"right": 1},
                    "rollup_daily": right | {"right": 1, "changed": 1},
                    "rollup_campaigns": right | {"right": 0},
                    "rollup_campaign_quarters": right | {"right": 0},
                },
            }
        }
    ]
    (repaired,) = command("--json").stdout.splitlines()
    assert json.loads(repaired)["summary"]["repaired"] == 3
    assert json.loads(repaired)["summary"]["tables"]["message_status"] == {
        "right": 4,
        "changed": 1,
        "added": 0,
        "removed": 0,
    }


def test_no_more_rows_are_printed_than_asked_for_and_all_are_counted(engine: Engine, command: Command) -> None:
    store(engine)
    damage(engine, *(add(MessageStatus, message_id=f"zzz_{number:03}", conflict=False) for number in range(103)))
    for arguments, printed in (((), 100), (("--limit", "2"), 2), (("--limit", "0"), 0), (("--limit", "999"), 103)):
        result = command("--check", "--json", *arguments)
        *rows, summary = [json.loads(line) for line in result.stdout.splitlines()]
        assert (len(rows), summary["summary"]["drifting"], result.exit_code) == (printed, 103, 1)


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_numbers_and_addresses_are_masked_unless_asked_for(
    engine: Engine, command: Command, form: tuple[str, ...]
) -> None:
    store(engine)
    damage(
        engine,
        remove(OptOut),
        remove(MessageStatus),
        change(CampaignStatus, {"campaign_id": "cmp_1"}, details=json.dumps({"by": EMAIL, "to": ANA})),
    )
    whole = (ANA, ANA[1:], RUI, RUI[1:], EMAIL, "rui.costa")
    masked = command("--check", *form).stdout
    assert not [address for address in whole if address in masked]
    assert "+244\\u2026678" in masked if form else "+244…678" in masked
    shown = command("--check", "--show-addresses", *form).stdout
    assert not [address for address in whole if address not in shown]


def test_an_address_of_any_kind_is_masked() -> None:
    kinds = {
        "+244912345678": "+244…678",
        "00 244 912 345 678": "00 2…678",
        "+1234567": "+…",
        "12345": "1…",
        "ana@example.com": "a…@example.com",
        '"a@b"@example.com': '"…@example.com',
        "@ana912345678": "@…",
        "U012AB3CD": "U…",
        "": "…",
    }
    assert {address: masked_address(address) for address in kinds} == kinds
    text = "from 12345 to +244 912 345 678 (ana.b@example.com), code 404, <rui@example.com>"
    assert masked_text(text) == "from 12345 to +244…678 (a…@example.com), code 404, <r…@example.com>"


def test_what_could_change_a_terminal_is_escaped_and_long_values_are_cut(engine: Engine, command: Command) -> None:
    store(engine, of_message("msg_\x1b[2J", "failed", 1, error="x" * 900))
    damage(engine, remove(MessageStatus))
    shown = command("--check").stdout
    assert "message_status msg_\\x1b[2J: the row is missing" in shown
    assert f"  failure_reason  - → {'x' * 200}… (900 characters)\n" in shown
    assert "\x1b" not in shown
    assert "\x1b" not in command("--check", "--json").stdout


def test_unreadable_bodies_are_told(engine: Engine, command: Command) -> None:
    damage(engine, ledger_entry("msg_1", b"{"))
    assert "1 fact read.\n1 body cannot be read by this version and was passed over.\n" in command().stdout


def test_what_a_row_should_follow_from_is_told_by_its_table(engine: Engine, command: Command) -> None:
    store(engine)
    names = ("a changed campaign", "an opt-out that was made earlier", "another body than the greatest holds")
    damage(engine, *(DAMAGES[name][0] for name in names), forget(address=EMAIL))
    *rows, _ = command("--check").stdout.split("\n\n")
    digests = sorted([DIGESTS[1], DIGESTS[13]])
    assert sorted(row.splitlines()[0] for row in rows) == [
        "campaign_status cmp_1: the row says something else than its facts",
        *(f"events msg_1 message.failed {digest}: the row says something else than its bodies" for digest in digests),
        f"opt_out_history r…@example.com email - {DIGESTS[4]}: the row is missing",
        "opt_outs sms +244…111 -: the row says something else than all that was stated",
    ]
    assert "  holds  no → yes" in "\n".join(rows)


@pytest.mark.parametrize("arguments", [("--limit", "3"), ("--show-addresses",), ("--check", "--limit", "-1"), ("x",)])
def test_wrong_use_exits_2(engine: Engine, command: Command, arguments: tuple[str, ...]) -> None:
    store(engine)
    result = command(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("arguments", [("--check",), ()])
def test_ctrl_c_ends_after_the_slice_with_what_was_done(
    engine: Engine, command: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    store(engine, *[of_message(f"msg_{number}", "optout", 1, to=ANA) for number in range(9)])
    damage(engine, remove(MessageStatus), remove(OptOut))
    monkeypatch.setattr("sync.rebuild.command.ROWS_PER_SLICE", 2)
    with interrupted_in_the_second_slice():
        result = command(*arguments, "--json")
    assert result.exit_code == 1
    assert result.stderr == "stopped\n"
    summary = json.loads(result.stdout.splitlines()[-1])["summary"]
    assert (summary["is_complete"], summary["facts"]) == (False, 4)
    assert summary["tables"]["message_status"]["missing" if arguments else "added"] == 4
    assert set(summary["tables"]["opt_outs"].values()) == {0}
    assert len(everything(engine)["message_status"]) == (0 if arguments else 4)


@contextmanager
def interrupted_in_the_second_slice() -> Iterator[None]:
    """Within the block, press Ctrl-C when any engine reads bodies for the second time."""
    reads = []

    def interrupt(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "bodies.body" in statement:
            reads.append(statement)
            if len(reads) == 2:
                os.kill(os.getpid(), signal.SIGINT)

    event.listen(Engine, "before_cursor_execute", interrupt)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", interrupt)


def test_on_a_terminal_progress_is_shown_apart_from_the_data(
    engine: Engine, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(engine)
    damage(engine, DAMAGES["a changed status"][0])
    monkeypatch.setenv("FORCE_COLOR", "1")
    result = command("--check", "--json")
    assert f"{FACTS} of about {FACTS} facts, " in result.stderr
    assert [list(json.loads(line)) for line in result.stdout.splitlines()] == [
        ["table", "key", "drift", "columns"],
        ["table", "key", "drift", "columns"],  # of a roll-up
        ["summary"],
    ]


@pytest.mark.parametrize(
    ("environ", "status", "expected"),
    [
        ({"DATABASE_URL": " "}, 2, "DATABASE_URL is not set"),
        ({"ZEXA_DEFAULT_REGION": "Angola"}, 2, "ZEXA_DEFAULT_REGION is not a two-letter region"),
        ({"DATABASE_URL": "postgres://someone:hunter2@127.0.0.1:1/name"}, 1, "the database of DATABASE_URL failed ("),
        (
            {"DATABASE_URL": "sqlite:////nowhere/zexa.db"},
            1,
            "the database of DATABASE_URL failed (unable to open database file)",
        ),
    ],
)
@pytest.mark.parametrize("arguments", [("--check",), ()])
def test_a_failure_is_one_line_without_a_password(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    status: int,
    expected: str,
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.delenv("ZEXA_DATABASE_SCHEMA", raising=False)  # which goes with no SQLite
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    result = command(*arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (status, "", 1)
    assert result.stderr.startswith(f"Error: {expected}")
    assert not [detail for detail in ("hunter2", "nowhere") if detail in result.stderr]


def test_help_says_what_it_does_not_do(command: Command) -> None:
    help_text = " ".join(command("--help").stdout.split())
    assert "a lost fact must not make a person reachable." in help_text
    assert "opt_out_history is only added to." in help_text
