"""`opt-outs evidence`, `opt-outs sent-after` and `status`: what people are shown, and what stays masked."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import Result
from redis import Redis
from sqlalchemy import Engine

from sync.events.polled import answer_body, parse_answer
from sync.events.raw import RawEvent
from sync.queue.connection import open_queue
from sync.queue.jobs import enqueue
from sync.store.apply import apply
from sync.store.polled import merge_answers
from tests.support.events_builder import ANA, AO, body, minute, raw

Command = Callable[..., Result]


@pytest.fixture
def command(command_line: Command) -> Command:
    return command_line


def give(engine: Engine, *bodies: bytes, now: datetime | None = None) -> None:
    apply(engine, [raw(content) for content in bodies], options=AO, now=now or datetime.now(UTC))


STOP = body("message.optout", minute(5), to="912345678", channel="sms", message_id="m1")
AFTER = body("message.delivered", minute(7), to=ANA, message_id="afterwards_1")


def delivered(message_id: str, at: float) -> bytes:
    return body("message.delivered", minute(at), to=ANA, message_id=message_id)


def test_evidence_shows_the_body_as_it_was_signed_and_what_was_sent_since(engine: Engine, command: Command) -> None:
    give(engine, delivered("m1", 4), STOP, AFTER)
    shown = command("opt-outs", "evidence", "(912) 345-678")
    assert shown.exit_code == 0
    for line in STOP.decode().splitlines():
        assert line in shown.stdout
    assert "Statement 1: opted out" in shown.stdout
    assert "the recipient, by Zexa (event)" in shown.stdout
    assert "Fact of message m1: message.delivered" in shown.stdout
    assert shown.stdout.splitlines()[1].startswith("1 message 2 min after STOP; the STOP reached us 1 h 53 min after")
    before, _, after = shown.stdout.partition("Messages with a status later than the first opt-out")
    assert "afterwards_1" not in before.split()
    assert "afterwards_1" in after.split()


def test_evidence_as_json_holds_every_statement_and_fact_exactly(engine: Engine, command: Command) -> None:
    give(engine, delivered("m1", 4), STOP, AFTER)
    document: dict[str, Any] = json.loads(command("opt-outs", "evidence", ANA, "--json").stdout)
    assert document["address"] == ANA
    (statement,) = document["statements"]
    assert (statement["body"], statement["body_base64"], statement["kind"]) == (STOP.decode(), None, "opted_out")
    assert [fact["event"] for fact in document["facts"]] == ["message.delivered", "message.optout"]
    assert [message["message_id"] for message in document["messages_afterwards"]] == ["afterwards_1"]
    assert [row["is_active"] for row in document["opt_outs"]] == [True]
    assert (document["verdict"]["messages"], document["verdict"]["before_receipt"]) == (1, 1)


def test_evidence_says_what_was_asked_for_and_not_signed(engine: Engine, command: Command) -> None:
    give(engine, delivered("m1", 4), STOP)
    for message_id in ("m1", "m2"):
        answer = parse_answer(
            answer_body(message_id, b'{"status": "failed", "to": "%b"}' % ANA.encode()), minute(7), AO
        )
        assert answer is not None
        with engine.begin() as connection:
            merge_answers(connection, [answer], AO, minute(8))
    shown = command("opt-outs", "evidence", ANA).stdout
    assert "Of 1 message the status was asked for, not signed: it may have come about earlier." in shown
    assert "Answer, asked for, not signed" in shown
    assert [line for line in shown.splitlines() if "m2" in line and "failed, asked for, not signed" in line]
    document = json.loads(command("opt-outs", "evidence", ANA, "--json").stdout)
    assert [fact["origin"] for fact in document["facts"]] == ["signed", "signed", "polled"]
    origins = {row["message_id"]: row["status_origin"] for row in document["messages_afterwards"]}
    assert origins == {"m1": "polled", "m2": "polled"}


def test_evidence_tells_who_ended_an_opt_out_and_why(engine: Engine, command: Command) -> None:
    give(engine, STOP)
    removed = command("opt-outs", "remove", ANA, "--by", "Rosa", "--reason", "signed up again")
    assert removed.exit_code == 0
    shown = command("opt-outs", "evidence", ANA).stdout
    assert "Statement 2: subscribed again" in shown
    assert "Rosa (manual)" in shown
    assert "signed up again" in shown


def test_of_an_address_nobody_spoke_of_there_is_no_evidence(command: Command) -> None:
    shown = command("opt-outs", "evidence", ANA)
    assert shown.exit_code == 1
    assert shown.stdout.startswith("Nothing was ever stated about")
    assert command("opt-outs", "evidence", " ").exit_code == 2


def test_what_was_sent_after_an_opt_out_is_listed_masked_and_with_status_1(engine: Engine, command: Command) -> None:
    assert command("opt-outs", "sent-after").exit_code == 0
    give(engine, STOP, AFTER, delivered("late", 70))
    shown = command("opt-outs", "sent-after")
    assert shown.exit_code == 1
    assert ANA not in shown.stdout
    assert shown.stdout.splitlines()[2].endswith("late")
    assert ANA in command("opt-outs", "sent-after", "--show-addresses").stdout
    document = json.loads(command("opt-outs", "sent-after", "--json", "--limit", "1").stdout)
    assert (len(document["messages"]), document["count"]) == (1, 2)
    assert document["messages"][0]["knowledge"] == "before_receipt"
    assert "1 h 5 min" in shown.stdout.splitlines()[2]
    assert ANA not in json.dumps(document)


@pytest.mark.parametrize(("grace", "count"), [("119s", 2), ("120", 1), ("2m", 1), ("1h", 1), ("1.5h", 0), ("2d", 0)])
def test_a_grace_leaves_out_what_was_on_its_way(engine: Engine, command: Command, grace: str, count: int) -> None:
    give(engine, STOP, AFTER, delivered("late", 70))
    shown = command("opt-outs", "sent-after", "--grace", grace, "--json")
    assert (json.loads(shown.stdout)["count"], shown.exit_code) == (count, int(count > 0))


@pytest.mark.parametrize("grace", ["", "soon", "-1", "1h30", "1 year", "9999999999"])
def test_a_grace_that_is_no_time_is_wrong_use(command: Command, grace: str) -> None:
    assert command("opt-outs", "sent-after", "--grace", grace).exit_code == 2


def test_status_tells_what_waits_and_how_soon_a_stop_takes_effect(
    engine: Engine, command: Command, redis: Redis
) -> None:
    now = datetime.now(UTC)
    apply(engine, [raw(STOP, now - timedelta(seconds=0.25))], options=AO, now=now)
    give(engine, b"[]")
    shown = command("status", "--json")
    document = json.loads(shown.stdout)
    assert shown.exit_code == 0
    assert 0 <= document.pop("staleness_seconds") < 60
    assert datetime.fromisoformat(document.pop("as_of")) >= now
    assert document.pop("opt_out_latency_p50_seconds") == pytest.approx(0.25, abs=0.001)
    assert document.pop("opt_out_latency_p99_seconds") == pytest.approx(0.25, abs=0.001)
    figures = {
        "held_by": None,
        "queue_jobs": 0,
        "failed_jobs": 0,
        "inbox_rows": 0,
        "dead_letters": 1,
        "ignored_opt_outs": 0,
        "nameless_opt_outs": 0,
        "opt_outs_last_day": 1,
        "opt_outs_within_one_second_share": 1.0,
    }
    assert document | figures == document
    enqueue(open_queue(redis), [RawEvent(body=STOP, received_at=now - timedelta(hours=1))], at_front=True)
    stale = command("status")
    assert stale.exit_code == 1
    assert "waits in the queue" in stale.stdout
    assert "jobs in the queue    1" in stale.stdout
    assert "Opt-outs are stale" in stale.stdout
    patient = command("status", "--max-staleness", "4000")
    assert "Opt-outs are stale" not in patient.stdout
    assert (patient.exit_code, "no worker runs" in patient.stdout) == (1, True)


@pytest.mark.parametrize(
    ("away", "held_by"),
    [({"REDIS_URL": "redis://127.0.0.1:1/0"}, "redis"), ({"DATABASE_URL": "postgres://127.0.0.1:1/zexa"}, "database")],
)
def test_status_of_a_store_that_is_away_is_unknown_and_1(command: Command, away: dict[str, str], held_by: str) -> None:
    shown = command("status", "--json", env=away)
    document = json.loads(shown.stdout)
    assert (shown.exit_code, document["as_of"], document["held_by"]) == (1, None, held_by)
    assert "unknown" in command("status", env=away).stdout
