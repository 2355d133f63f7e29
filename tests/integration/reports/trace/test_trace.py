"""`zexa-sync trace`: what it says of messages whose rows the product itself made, on both databases."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import URL, Engine, event, insert, update

from models import Body, LedgerEntry, MessageStatus, OptOut
from sync.cli import main
from sync.events.polled import answer_body, parse_answer
from sync.events.raw import RawEvent
from sync.reports.trace.gather import trace_message
from sync.store.apply import apply
from sync.store.polled import merge_answers
from sync.terminal.text import visible
from sync.terminal.times import lag_text
from tests.support.events_builder import AO

Trace = Callable[..., Result]

ROOT = Path(__file__).parents[4]
OCCURRED = datetime(2026, 6, 24, 10, 5, tzinfo=UTC)
RECEIVED = OCCURRED + timedelta(seconds=1.5)
APPLIED = RECEIVED + timedelta(minutes=2, seconds=5)
ADDRESS = "+244912345678"


@pytest.fixture
def trace(migrated_url: URL, monkeypatch: pytest.MonkeyPatch) -> Trace:
    """Runs the command on the test's database."""
    monkeypatch.setenv("DATABASE_URL", migrated_url.render_as_string(hide_password=False))
    monkeypatch.delenv("ZEXA_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("DYNO", raising=False)
    return lambda *arguments: CliRunner().invoke(main, ["trace", *arguments], catch_exceptions=False)


def happened(event: str, *, seconds: float | None = 0, **data: Any) -> RawEvent:
    """An event that occurred `seconds` after OCCURRED; without a timestamp if that is None."""
    document: dict[str, Any] = {"event": event, "data": {"message_id": "msg_1"} | data}
    if seconds is not None:
        document["timestamp"] = (OCCURRED + timedelta(seconds=seconds)).isoformat()
    return RawEvent(body=json.dumps(document).encode(), received_at=RECEIVED)


def store(engine: Engine, *raw_events: RawEvent) -> None:
    tally = apply(engine, raw_events, options=AO, now=APPLIED)
    assert tally.dead == 0


def why(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    sentences: list[str] = json.loads(result.stdout)["why"]
    return sentences


def test_a_fact_is_shown_with_its_three_times_and_both_lags(engine: Engine, trace: Trace) -> None:
    store(engine, happened("message.delivered", channel="sms", to=ADDRESS))
    result = trace("msg_1")
    assert result.exit_code == 0
    lines = [line.split("  ") for line in result.stdout.splitlines()]
    values = [[part.strip() for part in line if part.strip()] for line in lines]
    assert ["message.delivered", "occurred", "2026-06-24 10:05:00Z"] in values
    assert ["outcome: applied", "received", "2026-06-24 10:05:01.500000Z", "1.5 s later"] in values
    assert ["applied", "2026-06-24 10:07:06.500000Z", "2 min 5 s later"] in values
    assert ["recipient", ADDRESS] in values
    assert ["status", "delivered"] in values


def test_json_has_every_fact_row_and_reason_with_times_in_utc(engine: Engine, trace: Trace) -> None:
    delivered = happened("message.delivered", channel="sms", to=ADDRESS, campaign_id="cmp_1")
    stop = happened("message.optout", seconds=60, channel="sms", to=ADDRESS)
    store(engine, delivered, stop)
    store(engine, happened("campaign.sent", campaign_id="cmp_1", name="June"))
    document = json.loads(trace("msg_1", "--json").stdout)
    assert list(document) == ["message_id", "why", "facts", "message_status", "campaign_status", "opt_outs"]
    assert document["facts"][0] == {
        "event": "message.delivered",
        "digest": hashlib.sha256(delivered.body).hexdigest(),
        "holds": True,
        "occurred_at": "2026-06-24T10:05:00Z",
        "is_dated": True,
        "received_at": "2026-06-24T10:05:01.500000Z",
        "applied_at": "2026-06-24T10:07:06.500000Z",
        "received_after_seconds": 1.5,
        "applied_after_seconds": 125.0,
        "outcome": "applied",
        "origin": "signed",
        "body": delivered.body.decode(),
        "body_base64": None,
    }
    assert [fact["event"] for fact in document["facts"]] == ["message.delivered", "message.optout"]
    assert list(document["message_status"]) == list(MessageStatus.model_fields)
    assert document["message_status"]["status_at"] == "2026-06-24T10:05:00Z"
    assert document["message_status"]["conflict"] is False
    assert document["campaign_status"]["name"] == "June"
    assert document["opt_outs"] == [
        {
            "channel": "sms",
            "address": ADDRESS,
            "sender": "",
            "opted_out_at": "2026-06-24T10:06:00Z",
            "opted_in_at": None,
            "received_at": "2026-06-24T10:05:01.500000Z",
            "source": "event",
            "message_id": "msg_1",
            "note": None,
            "opt_out_id": hashlib.sha256(stop.body).hexdigest(),
            "updated_at": "2026-06-24T10:07:06.500000Z",
            "person": ADDRESS,
            "is_active": True,
            "found_by": ["message_id", "address"],
        }
    ]


def test_the_only_status_event_is_named_as_the_reason(engine: Engine, trace: Trace) -> None:
    store(engine, happened("message.delivered"))
    assert why(trace("msg_1", "--json")) == [
        "delivered, because message.delivered (occurred 2026-06-24 10:05:00Z) is the only event that says what "
        "became of it."
    ]


def test_the_latest_final_event_outranks_the_others_and_the_conflict_is_said(engine: Engine, trace: Trace) -> None:
    store(engine, happened("message.delivered", seconds=10), happened("message.failed"))
    assert why(trace("msg_1", "--json")) == [
        "delivered, because message.delivered (occurred 2026-06-24 10:05:10Z) is the latest final event; it "
        "outranks message.failed (occurred 2026-06-24 10:05:00Z).",
        "Conflict: delivered and failed are final, and only one can be true.",
    ]


def test_of_events_of_one_moment_the_rank_is_the_reason(engine: Engine, trace: Trace) -> None:
    store(engine, happened("message.failed"), happened("message.undeliverable"))
    assert why(trace("msg_1", "--json"))[0] == (
        "undeliverable, because message.undeliverable (occurred 2026-06-24 10:05:00Z) is the latest final event; "
        "message.failed occurred at the same moment, and undeliverable ranks above failed."
    )


def test_of_a_message_with_nothing_but_an_opt_out_no_status_is_explained(engine: Engine, trace: Trace) -> None:
    store(engine, happened("message.optout", channel="sms", to=ADDRESS))
    result = trace("msg_1", "--json")
    assert why(result) == ["No status, because only an opt-out is known: no event says what became of the message."]
    assert json.loads(result.stdout)["message_status"]["status"] is None


def test_an_opt_out_without_an_address_is_said_to_wait_until_its_message_names_one(
    engine: Engine, trace: Trace
) -> None:
    store(engine, happened("message.optout"))
    assert why(trace("msg_1", "--json"))[1:] == [
        "The opt-out names no address and waits for its message to name one: until then it suppresses no person."
    ]
    store(engine, happened("message.delivered", channel="sms", to=ADDRESS))
    result = trace("msg_1", "--json")
    assert why(result)[1:] == [
        "message.optout (occurred 2026-06-24 10:05:00Z) is a decision of the recipient and changes no status.",
        "The opt-out names no address itself: it holds for the addresses that its message went to.",
    ]
    assert [row["address"] for row in json.loads(result.stdout)["opt_outs"]] == [ADDRESS]


def test_a_fact_without_a_time_is_said_to_be_undated_and_has_no_lag(engine: Engine, trace: Trace) -> None:
    store(engine, happened("message.failed", seconds=None))
    result = trace("msg_1", "--json")
    assert why(result)[1:] == ["message.failed names no time: it counts as occurred when it was received."]
    (fact,) = json.loads(result.stdout)["facts"]
    assert (fact["is_dated"], fact["received_after_seconds"]) == (False, None)
    assert "not dated" in trace("msg_1").stdout


def test_a_fact_of_an_unknown_type_is_said_to_be_ignored(engine: Engine, trace: Trace) -> None:
    store(engine, happened("message.unknown", to=ADDRESS))
    result = trace("msg_1", "--json")
    assert why(result) == [
        "No status and no row, because no fact says anything of a message that this version knows.",
        "message.unknown is ignored: its type is unknown to this version.",
    ]
    document = json.loads(result.stdout)
    assert (document["facts"][0]["outcome"], document["message_status"]) == ("ignored", None)


def test_the_id_of_a_campaign_is_said_to_be_one(engine: Engine, trace: Trace) -> None:
    store(engine, happened("campaign.sent", campaign_id="cmp_1"))
    assert why(trace("cmp_1", "--json"))[1:] == [
        "campaign.sent is of a campaign, so it makes no row of message_status."
    ]


def test_an_opt_out_without_a_message_is_found_by_its_digest(engine: Engine, trace: Trace) -> None:
    store(engine, happened("message.optout", message_id=None, channel="sms", to=ADDRESS))
    with engine.connect() as connection:
        subject = connection.execute(LedgerEntry.__table__.select()).one().subject_id
    result = trace(subject, "--json")
    assert "message.optout is of no message by its id, so it makes no row of message_status." in why(result)
    assert [row["found_by"] for row in json.loads(result.stdout)["opt_outs"]] == [["address"]]


def test_a_row_that_its_facts_do_not_make_is_said_to_differ(engine: Engine, trace: Trace) -> None:
    store(engine, happened("message.delivered", channel="sms", to=ADDRESS))
    with engine.begin() as connection:
        connection.execute(update(MessageStatus).values(status="failed", channel="email"))
    sentences = why(trace("msg_1", "--json"))
    assert sentences[1].startswith("The stored row differs from what these facts make in channel, status:")
    with engine.begin() as connection:
        connection.execute(MessageStatus.__table__.delete())
    sentences = why(trace("msg_1", "--json"))
    assert sentences[1] == "The row is missing: message_status has none, though these facts make one."


def test_every_body_of_a_fact_is_shown_and_said_which_holds(engine: Engine, trace: Trace) -> None:
    first = happened("message.delivered", channel="sms", to=ADDRESS)
    store(engine, happened("message.optout", seconds=20), first)
    store(engine, second := happened("message.delivered", seconds=10))
    result = trace("msg_1", "--json")
    assert why(result)[1:] == [
        "message.delivered came with 2 different bodies: the one that occurred 2026-06-24 10:05:10Z holds, and the "
        "others add only what it leaves out.",
        "message.optout (occurred 2026-06-24 10:05:20Z) is a decision of the recipient and changes no status.",
        "The opt-out names no address itself: it holds for the addresses that its message went to.",
    ]
    document = json.loads(result.stdout)
    assert [(fact["body"], fact["holds"]) for fact in document["facts"][:2]] == [
        (first.body.decode(), False),
        (second.body.decode(), True),
    ]
    row = document["message_status"]
    assert (row["recipient"], row["status_at"]) == (ADDRESS, "2026-06-24T10:05:10Z")
    text = trace("msg_1", "--bodies").stdout
    assert "  message.delivered, another body  occurred  2026-06-24 10:05:00Z" in text
    assert f"\nAnother body of message.delivered\n  {first.body.decode()}\n" in text
    assert f"\nBody of message.delivered\n  {second.body.decode()}\n" in text


@pytest.mark.parametrize(
    ("claimed", "why_not"),
    [
        (
            (RECEIVED + timedelta(days=1, seconds=1)).isoformat(),
            "it is more than a day after the body was first received",
        ),
        ("soon", "it is no time that can be read"),
    ],
)
def test_a_time_that_does_not_count_is_told_with_the_reason(
    engine: Engine, trace: Trace, claimed: str, why_not: str
) -> None:
    store(engine, happened("message.failed", seconds=None, failed_at=claimed))
    result = trace("msg_1", "--json")
    assert why(result)[-1] == f"message.failed: data.failed_at does not count, {why_not}."
    assert json.loads(result.stdout)["facts"][0]["is_dated"] is False


def test_opt_outs_of_the_address_are_shown_whatever_they_came_with(engine: Engine, trace: Trace) -> None:
    store(engine, happened("message.delivered", channel="sms", to=ADDRESS))
    store(engine, happened("message.optout", message_id="msg_2", channel="whatsapp", to=ADDRESS))
    rows = [
        {"channel": "email", "address": "a@example.com", "message_id": "msg_1"},
        {"channel": "sms", "address": ADDRESS, "opted_in_at": APPLIED},
        {"channel": "sms", "address": "+244911111111"},
    ]
    stated = {"sender": "", "source": "manual", "opted_out_at": OCCURRED, "received_at": RECEIVED}
    with engine.begin() as connection:
        for row in rows:
            connection.execute(insert(OptOut).values(stated | {"updated_at": APPLIED} | row))
    opt_outs = json.loads(trace("msg_1", "--json").stdout)["opt_outs"]
    assert [(row["channel"], row["address"], row["is_active"], row["found_by"]) for row in opt_outs] == [
        ("email", "a@example.com", True, ["message_id"]),
        ("sms", ADDRESS, False, ["address"]),
        ("whatsapp", ADDRESS, True, ["address"]),
    ]
    text = trace("msg_1").stdout
    assert "Active opt-out: it came with this message\n" in text
    assert "Inactive opt-out: it is of its address\n" in text


def test_opt_outs_are_shown_of_everybody_whom_the_message_names_in_any_spelling(engine: Engine, trace: Trace) -> None:
    store(engine, happened("message.delivered", to="+5215512345678"))
    store(engine, happened("message.optout", to="ZEXA", **{"from": "+5491112345678"}))
    for number, to in enumerate(("+525512345678", "+541112345678")):
        store(engine, happened("message.optout", message_id=f"another_{number}", channel="sms", to=to))
    opt_outs = json.loads(trace("msg_1", "--json").stdout)["opt_outs"]
    assert [(row["channel"], row["found_by"]) for row in opt_outs] == [("", ["message_id", "address"])] * 2 + [
        ("sms", ["address"])
    ] * 2


def test_an_opt_out_alone_makes_a_message_known(engine: Engine, trace: Trace) -> None:
    row = {"channel": "sms", "address": ADDRESS, "sender": "", "source": "import", "message_id": "msg_9"}
    times = {"opted_out_at": OCCURRED, "received_at": RECEIVED, "updated_at": APPLIED}
    with engine.begin() as connection:
        connection.execute(insert(OptOut).values(row | times))
    assert why(trace("msg_9", "--json")) == ["No status can be explained: the ledger has no fact of this message."]


def test_a_trace_does_not_wait_for_a_worker_that_writes(engine: Engine, trace: Trace) -> None:
    store(engine, happened("message.delivered"))
    with engine.begin() as connection:
        connection.execute(update(MessageStatus).values(status="failed"))
        assert json.loads(trace("msg_1", "--json").stdout)["message_status"]["status"] == "delivered"


def test_nothing_known_is_said_in_a_sentence_and_exits_1(trace: Trace) -> None:
    result = trace("msg_none")
    assert result.exit_code == 1
    assert result.stdout.startswith("Nothing is known of message msg_none: ")
    result = trace("msg_none", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "message_id": "msg_none",
        "why": [],
        "facts": [],
        "message_status": None,
        "campaign_status": None,
        "opt_outs": [],
    }


@pytest.mark.parametrize("message_id", ["[red]x[/red]", "\x1b]0;title\x07", "a\nb\r\u202ec", ":smile:", "x" * 1024])
def test_no_value_is_read_as_markup_or_reaches_the_terminal_as_a_control(
    engine: Engine, trace: Trace, message_id: str
) -> None:
    store(
        engine,
        happened("message.failed", message_id=message_id, sender=message_id, to="[bold]\x1b[2J", error="\x1b[31m[/]"),
        happened(f"message.{message_id[:200]}", message_id=message_id),
    )
    assert trace(f"{message_id}?").exit_code == 1
    for result in (trace(message_id), trace(message_id, "--bodies"), trace(f"{message_id}?")):
        assert result.exit_code == (1 if result.stdout.startswith("Nothing") else 0)
        assert [line for line in result.stdout.split("\n") if not line.isprintable()] == []
        assert visible(message_id) in result.stdout
    assert "  recipient       [bold]\\x1b[2J\n" in trace(message_id).stdout
    assert json.loads(trace(message_id, "--json").stdout)["message_id"] == message_id


@pytest.mark.parametrize("message_id", ["a\0b", "a\udcff"])
def test_an_id_that_no_database_can_hold_is_unknown(trace: Trace, message_id: str) -> None:
    result = trace(message_id)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"Nothing is known of message {visible(message_id)}: ")


def test_bodies_are_shown_as_text_only_when_asked_for(engine: Engine, trace: Trace) -> None:
    raw = RawEvent(body=b'{"event": "message.delivered",\r\n\t"data": {"id": "msg_1"}}', received_at=RECEIVED)
    store(engine, raw)
    assert '"event"' not in trace("msg_1").stdout
    assert trace("msg_1", "--bodies").stdout.endswith(
        'Body of message.delivered\n  {"event": "message.delivered",\\r\n  \\t"data": {"id": "msg_1"}}\n'
    )


def test_a_body_of_any_length_stays_on_its_lines(engine: Engine, trace: Trace) -> None:
    store(engine, raw := happened("message.failed", error="x" * 900, note="y " * 100_000))
    assert f"\n  {raw.body.decode()}\n" in trace("msg_1", "--bodies").stdout
    assert f"  failure_reason  {'x' * 900}\n" in trace("msg_1").stdout


def test_a_body_that_is_not_text_is_base64_and_explains_nothing(engine: Engine, trace: Trace) -> None:
    store(engine, happened("message.failed"))
    content = b"\xff\x00"
    with engine.begin() as connection:
        connection.execute(update(Body).values(body=content))
        connection.execute(update(LedgerEntry).values(digest=hashlib.sha256(content).hexdigest()))
    result = trace("msg_1", "--json")
    assert why(result) == ["The body of message.failed cannot be read, so nothing can be explained."]
    (fact,) = json.loads(result.stdout)["facts"]
    assert (fact["body"], base64.b64decode(fact["body_base64"])) == (None, b"\xff\x00")
    assert "  \\xff\\x00\n" in trace("msg_1", "--bodies").stdout


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("trace")
def test_characters_that_the_output_cannot_write_are_escaped(engine: Engine) -> None:
    store(engine, happened("message.failed", error="número ŋ"))
    environ = os.environ | {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "sync", "trace", "msg_1"]
    shown = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, check=True, timeout=60)
    assert "número \\u014b" in shown.stdout.decode("latin-1")
    assert b"\x1b" not in shown.stdout


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"DATABASE_URL": " "}, "DATABASE_URL is not set"),
        ({"ZEXA_DEFAULT_REGION": "Angola"}, "ZEXA_DEFAULT_REGION is not a two-letter region"),
        (
            {"DATABASE_URL": "postgres://someone:hunter2@127.0.0.1:1/name"},
            "the database of DATABASE_URL cannot be read",
        ),
        ({"DATABASE_URL": "sqlite:////nowhere/zexa.db"}, "the database of DATABASE_URL cannot be read"),
    ],
)
def test_a_failure_is_one_line_without_a_password(
    trace: Trace, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], expected: str
) -> None:
    monkeypatch.delenv("ZEXA_DATABASE_SCHEMA", raising=False)  # which goes with no SQLite
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    result = trace("msg_1")
    assert result.exit_code == (1 if "cannot be read" in expected else 2)
    assert result.stdout == ""
    assert result.stderr.startswith(f"Error: {expected}")
    assert result.stderr.count("\n") == 1
    assert not [detail for detail in ("hunter2", "nowhere") if detail in result.stderr]


def test_a_schema_that_is_not_at_head_is_one_line(database_url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url.render_as_string(hide_password=False))
    result = CliRunner().invoke(main, ["trace", "msg_1"])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "run `alembic upgrade head`" in result.stderr


def test_a_lag_is_told_in_units_a_person_reads() -> None:
    lags = [0.0004, 0.212, -0.5, 1.24, 59.94, 59.97, 61, 3600, 93_784, -90]
    assert [lag_text(timedelta(seconds=seconds)) for seconds in lags] == [
        "0 ms later",
        "212 ms later",
        "500 ms earlier",
        "1.2 s later",
        "59.9 s later",
        "1 min later",
        "1 min 1 s later",
        "1 h later",
        "1 d 2 h later",
        "1 min 30 s earlier",
    ]


def asked(engine: Engine, document: bytes, *, seconds: float = 7200) -> None:
    """What the provider answered about msg_1 when it was asked `seconds` after OCCURRED."""
    answer = parse_answer(answer_body("msg_1", document), OCCURRED + timedelta(seconds=seconds), AO)
    assert answer is not None
    with engine.begin() as connection:
        merge_answers(connection, [answer], AO, APPLIED + timedelta(days=1))


def test_what_was_asked_for_is_shown_as_such_and_not_as_signed(engine: Engine, trace: Trace) -> None:
    asked(engine, b'{"status": "delivered"}')
    shown = trace("msg_1", "--bodies").stdout
    for words in ("asked for, not signed", "Body of message.delivered, asked for, not signed", '"status": "delivered"'):
        assert words in shown
    (fact,) = json.loads(trace("msg_1", "--json").stdout)["facts"]
    assert (fact["origin"], fact["holds"], fact["is_dated"]) == ("polled", True, False)
    assert why(trace("msg_1", "--json")) == [
        "delivered, because message.delivered (occurred 2026-06-24 12:05:00Z, asked for, not signed) is the only event "
        "that says what became of it.",
        "message.delivered names no time: it counts as occurred when it was asked for.",
    ]


def test_a_signed_event_is_said_to_go_before_what_was_asked_for(engine: Engine, trace: Trace) -> None:
    store(engine, happened("message.failed"))
    asked(engine, b'{"status": "delivered", "delivered_at": "2026-06-24T10:05:00Z"}')
    asked(engine, b'{"status": "sent"}')
    assert why(trace("msg_1", "--json"))[0] == (
        "failed, because message.failed (occurred 2026-06-24 10:05:00Z) is the latest final event; message.delivered "
        "occurred at the same moment, and what is signed goes before what was asked for; message.sent (occurred "
        "2026-06-24 12:05:00Z, asked for, not signed) is not final."
    )


@pytest.mark.usefixtures("trace")
def test_opt_outs_are_found_by_their_indexes(engine: Engine) -> None:
    store(engine, happened("message.failed", to=ADDRESS))
    executed: list[tuple[str, Any]] = []

    def keep(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        executed.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", keep)
    trace_message(engine, "msg_1", options=AO)
    event.remove(engine, "before_cursor_execute", keep)
    ((statement, parameters),) = [(text, parameters) for text, parameters in executed if "FROM opt_outs" in text]
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # of no rows it would read all
        plan = str(connection.exec_driver_sql(f"{explain} {statement}", parameters).all())
    assert "ix_opt_outs_message_id" in plan
    assert "ix_opt_outs_person" in plan
