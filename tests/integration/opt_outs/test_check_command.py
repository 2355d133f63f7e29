"""`zexa-sync opt-outs check`: an answer for each address, and nobody is allowed on less than an answer."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from sqlalchemy import Engine

from sync.events.raw import RawEvent
from sync.queue.connection import open_queue
from sync.queue.jobs import enqueue
from tests.integration.opt_outs.commands import SPELLED, Command, give, status, stop
from tests.support.events_builder import ANA, RUI, minute

# check


def test_a_look_up_allows_only_where_every_address_is_allowed(engine: Engine, command: Command) -> None:
    give(engine, stop(minute(1), channel="sms"))
    assert [command("check", *addresses).exit_code for addresses in ((RUI,), (RUI, SPELLED), ("Ana",), (ANA,))] == [
        0,
        1,
        1,
        1,
    ]


def test_a_look_up_says_the_status_the_address_and_the_opt_out(engine: Engine, command: Command) -> None:
    give(engine, stop(minute(1), channel="sms", message_id="m1"))
    names, first, second, third, as_of = command("check", SPELLED, RUI, "Ana").stdout.splitlines()
    assert names.split() == ["status", "given", "address", "opt-out"]
    assert first.split(maxsplit=4)[0] == "suppressed"
    assert ANA in first
    assert "sms, any sender, since 2026-06-24 10:01:00Z (event, message m1)" in first
    assert second.split() == ["allowed", RUI, RUI, "-"]
    assert third.split() == ["invalid", "Ana", "-", "-"]
    assert as_of.startswith("As of 20")


def test_a_look_up_as_json_has_an_answer_for_each_address_in_order(engine: Engine, command: Command) -> None:
    give(engine, stop(minute(1), channel="sms", message_id="m1", **{"from": "A"}))
    begun = datetime.now(UTC)
    document = json.loads(command("check", "--json", RUI, SPELLED).stdout)
    assert begun <= datetime.fromisoformat(document.pop("as_of")) <= datetime.now(UTC)
    match = {"channel": "sms", "sender": "A", "since": "2026-06-24T10:01:00Z", "source": "event", "message_id": "m1"}
    assert document == {
        "held_by": None,
        "results": [
            {"input": RUI, "address": RUI, "status": "allowed", "match": None},
            {"input": SPELLED, "address": ANA, "status": "suppressed", "match": match},
        ],
    }


def test_a_narrower_scope_must_be_asked_for(engine: Engine, command: Command) -> None:
    give(engine, stop(minute(1), channel="sms", **{"from": "A"}))
    assert status(command, ANA, "--channel", "SMS", "--sender", "A") == ["suppressed"]
    assert status(command, ANA, "--channel", "whatsapp") == ["allowed"]
    assert status(command, ANA, "--sender", "B") == ["allowed"]


def test_addresses_may_come_from_standard_input_one_a_line(engine: Engine, command: Command) -> None:
    give(engine, stop(minute(1)))
    lines = b"\xef\xbb\xbf912345678\r\n\r\n" + RUI.encode() + b"\n\xff912345678"
    result = command("check", "-", "--json", input=lines)
    assert [answer["status"] for answer in json.loads(result.stdout)["results"]] == ["suppressed", "allowed", "invalid"]
    assert command("check", "-", input=b"\n").exit_code == 2


def test_what_holds_a_look_up_back_is_told_and_nobody_is_allowed(command: Command, redis: Redis) -> None:
    received = datetime.now(UTC) - timedelta(minutes=5)
    enqueue(open_queue(redis), [RawEvent(body=stop(received), received_at=received)], at_front=True)
    result = command("check", RUI)
    assert (result.exit_code, result.stdout.splitlines()[1].split()[0]) == (1, "unknown")
    assert "waits in the queue" in result.stdout.splitlines()[-1]
    assert command("check", RUI, "--max-staleness", "360").exit_code == 0


def test_where_a_store_is_away_nobody_is_allowed(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    result = command("check", RUI)
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (1, "As of unknown: Redis did not answer.")
    monkeypatch.setenv("DATABASE_URL", "postgres://127.0.0.1:1/zexa")
    assert command("check", RUI).stdout.splitlines()[-1] == "As of unknown: the database did not answer."
