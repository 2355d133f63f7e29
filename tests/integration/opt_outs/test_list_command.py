"""`zexa-sync opt-outs list`: the latest first, masked, and counted."""

import hashlib
import json

import pytest
from sqlalchemy import Engine

from tests.integration.opt_outs.commands import BY, WHY, Command, give, stop
from tests.support.events_builder import ANA, RUI, minute

# list


def test_opt_outs_are_listed_the_latest_first_masked_and_counted(engine: Engine, command: Command) -> None:
    give(engine, stop(minute(1), channel="sms"), stop(minute(2), RUI))
    command("add", "ana@example.com", *BY, "--reason", f"she has {ANA} too", "--at", minute(3).isoformat())
    lines = command("list").stdout.splitlines()
    assert lines[0] == "Opt-outs in force: 3"
    assert lines[1].split("  ")[0] == "opted out"
    assert [line.split()[4 - 1] for line in lines[2:5]] == ["a…@example.com", "+244…111", "+244…678"]
    assert "she has +244…678 too" in lines[2]
    assert lines[5] == "By channel: any 2, sms 1"
    assert all(address not in "\n".join(lines) for address in (ANA, RUI))
    assert RUI in command("list", "--show-addresses").stdout


def test_opt_outs_are_listed_by_scope_source_time_and_whether_they_are_in_force(
    engine: Engine, command: Command
) -> None:
    give(engine, stop(minute(1), channel="sms", **{"from": "A"}), stop(minute(2), RUI))
    command("add", "ana@example.com", *BY, "--at", minute(3).isoformat())
    command("remove", RUI, *WHY)

    def listed(*options: str) -> list[str]:
        document = json.loads(command("list", "--json", "--show-addresses", *options).stdout)
        assert document["count"] == sum(document["channels"].values())
        return [row["address"] for row in document["opt_outs"]]

    assert listed() == ["ana@example.com", ANA]
    assert listed("--all") == ["ana@example.com", RUI, ANA]
    assert listed("--all", "--limit", "1") == ["ana@example.com"]
    assert listed("--channel", "sms") == listed("--sender", "A") == [ANA]
    assert listed("--source", "manual") == ["ana@example.com"]
    assert listed("--since", minute(2).isoformat()) == ["ana@example.com"]
    assert command("list", "--channel", "telegram").stdout == "No opt-outs.\n"
    assert command("list", "--channel", "fax").exit_code == 2


def test_opt_outs_as_json_are_masked_unless_asked_for(engine: Engine, command: Command) -> None:
    content = stop(minute(1), channel="sms", message_id="m1")
    give(engine, content)
    document = json.loads(command("list", "--json").stdout)
    (row,) = document["opt_outs"]
    assert row.pop("updated_at")
    assert row == {
        "channel": "sms",
        "address": "+244…678",
        "sender": "",
        "opted_out_at": "2026-06-24T10:01:00Z",
        "opted_in_at": None,
        "received_at": "2026-06-24T12:00:00Z",
        "source": "event",
        "message_id": "m1",
        "note": None,
        "opt_out_id": hashlib.sha256(content).hexdigest(),
        "person": "+244…678",
        "is_in_force": True,
    }
    command("add", RUI, *BY)
    shown = command("list", "--json").stdout
    assert RUI not in shown
    assert RUI in command("list", "--json", "--show-addresses").stdout


def test_a_database_that_is_away_is_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://127.0.0.1:1/zexa")
    for arguments in (("list",), ("add", ANA, *BY), ("remove", ANA, *WHY)):
        result = command(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.count("\n") == 1
        assert ANA not in result.stderr
