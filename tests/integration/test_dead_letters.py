"""`zexa-sync dead-letters`: what waits for a person, and what a person can do about it, on both databases."""

import base64
import hashlib
import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import Redis
from rq import Queue
from rq.job import Job
from sqlalchemy import URL, Engine, create_engine, event, insert, select, text, update

from models import Body, DeadLetter, FurtherBody, LedgerEntry
from sync.cli import main
from sync.dead_letters.find import LetterSelection
from sync.dead_letters.replay import ReplayVerdict, replay
from sync.dead_letters.replay_ignored import IgnoredTally, apply_ignored
from sync.devtools.dev.embedded import RedisServer, free_port
from sync.events.raw import RawEvent, from_json
from sync.queue.connection import open_queue
from sync.queue.jobs import enqueue
from sync.store.apply import apply
from sync.worker.applier import Applier
from sync.worker.rq_worker import EventWorker
from sync.worker.stop import Stop
from tests.conftest import NOW, ROOT
from tests.events_builder import ANA, AO, RECEIVED, RUI, TEN, Row, body, minute, rows

Command = Callable[..., Result]

UNREADABLE = b'{"to": "+244912345678'
STOP = body("message.optout", TEN, message_id="msg_1", channel="sms", to=ANA)
DELIVERED = body("message.delivered", TEN, message_id="msg_1", channel="sms", to=ANA)


@pytest.fixture
def command(migrated_url: URL, redis: Redis, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `dead-letters` on the test's database and an empty Redis."""
    assert redis.dbsize() == 0
    monkeypatch.setenv("DATABASE_URL", migrated_url.render_as_string(hide_password=False))
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    for name in ("ZEXA_DEFAULT_REGION", "REDIS_TLS_VERIFY", "DYNO"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments: CliRunner().invoke(main, ["dead-letters", *arguments], catch_exceptions=False)


@pytest.fixture
def queue(redis: Redis) -> Queue:
    return open_queue(redis)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def keep(engine: Engine, content: bytes, *, received: float = 0, **columns: Any) -> str:
    """Store `content` as a dead letter of an earlier version, received `received` minutes after ten."""
    row = {
        "digest": digest(content),
        "body": content,
        "reason": "no_subject",
        "error": "as an earlier version saw it",
        "received_at": minute(received),
        "attempts": 1,
    }
    with engine.begin() as connection:
        connection.execute(insert(DeadLetter).values(row | columns))
    return digest(content)


def letters(engine: Engine) -> dict[bytes, Row]:
    return {row["body"]: row for row in rows(engine, "dead_letters")}


def active(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT address FROM active_opt_outs ORDER BY address")).scalars())


def fail(queue: Queue, raw_events: Sequence[RawEvent], why: str, *, at_front: bool = False) -> str:
    """Put raw events into the failed jobs, as RQ's maintenance does with a job that killed its workers."""
    enqueue(queue, raw_events, at_front=at_front)
    job = queue.get_jobs()[0 if at_front else -1]
    queue.connection.lrem(queue.key, 1, job.id)
    job.retries_left = 0
    nobody = Applier(create_engine("sqlite://"), options=AO, batch_size=1)  # never connects
    EventWorker(queue.connection, nobody, Stop()).handle_job_failure(job, queue, exc_string=why)
    return str(job.id)


def raw(content: bytes) -> RawEvent:
    return RawEvent(body=content, received_at=RECEIVED)


def waiting(queue: Queue) -> list[list[RawEvent]]:
    return [from_json(job.args[0]) for job in queue.get_jobs()]


# list


def test_letters_are_listed_oldest_first_with_their_size_and_counts_per_reason(
    engine: Engine, command: Command
) -> None:
    keep(engine, STOP, received=5, reason="not_json", error="the body is not JSON", attempts=3)
    keep(engine, UNREADABLE, received=1)
    keep(engine, DELIVERED, received=2)
    result = command("list")
    assert result.exit_code == 0, result.output
    first, names, *listed = result.stdout.splitlines()
    assert first == "Dead letters: 3"
    assert names.split() == ["received", "digest", "reason", "attempts", "bytes", "resolved", "error"]
    assert [line.split()[2] for line in listed[:3]] == [digest(one)[:12] for one in (UNREADABLE, DELIVERED, STOP)]
    assert listed[2].split(maxsplit=7) == [
        "2026-06-24",
        "10:05:00Z",
        digest(STOP)[:12],
        "not_json",
        "3",
        str(len(STOP)),
        "-",
        "the body is not JSON",
    ]
    assert listed[3:] == ["No failed jobs.", "By reason: no_subject 2, not_json 1"]


def test_a_limit_cuts_the_list_and_not_the_counts(engine: Engine, command: Command) -> None:
    for number in range(5):
        keep(engine, b"%d" % number, received=number)
    lines = command("list", "--limit", "2").stdout.splitlines()
    assert lines[0] == "Dead letters: the first 2 of 5"
    assert [line.split()[2] for line in lines[2:4]] == [digest(b"0")[:12], digest(b"1")[:12]]
    assert lines[4:] == ["No failed jobs.", "By reason: no_subject 5"]


def test_letters_are_listed_by_reason_and_by_whether_they_are_resolved(engine: Engine, command: Command) -> None:
    keep(engine, b"waits", received=1)
    keep(engine, b"resolved", received=2, resolved_at=NOW)
    keep(engine, b"other", received=3, reason="not_json")

    def listed(*options: str) -> list[str]:
        document = json.loads(command("list", "--json", *options).stdout)
        assert sum(document["reasons"].values()) == len(document["dead_letters"])
        return [letter["digest"] for letter in document["dead_letters"]]

    assert listed() == [digest(b"waits"), digest(b"other")]
    assert listed("--resolved") == [digest(b"resolved")]
    assert listed("--all") == [digest(b"waits"), digest(b"resolved"), digest(b"other")]
    assert listed("--reason", "not_json") == [digest(b"other")]
    assert listed("--reason", "not_json", "--resolved") == []


def test_the_list_as_json_has_letters_jobs_and_counts(engine: Engine, command: Command, queue: Queue) -> None:
    keep(engine, UNREADABLE, received=0.5, resolved_at=NOW)
    begun = datetime.now(UTC)
    job_id = fail(queue, [raw(STOP), raw(DELIVERED)], "Job was stuck in intermediate queue.", at_front=True)
    document = json.loads(command("list", "--all", "--json").stdout)
    (job,) = document["failed_jobs"]
    assert abs(datetime.fromisoformat(job.pop("failed_at")) - begun) < timedelta(minutes=1)
    assert document == {
        "dead_letters": [
            {
                "digest": digest(UNREADABLE),
                "reason": "no_subject",
                "error": "as an earlier version saw it",
                "received_at": "2026-06-24T10:00:30Z",
                "attempts": 1,
                "resolved_at": NOW.isoformat().replace("+00:00", "Z"),
                "may_opt_out": False,
                "body_bytes": len(UNREADABLE),
            }
        ],
        "failed_jobs": [
            {
                "job_id": job_id,
                "raw_events": 2,
                "why": "Job was stuck in intermediate queue.",
                "is_at_front": True,
            }
        ],
        "failed_jobs_count": 1,
        "redis_error": None,
        "reasons": {"no_subject": 1},
    }


TRACEBACK = f"""Traceback (most recent call last):
  File "apply.py", line 1, in apply_job
    raise ValueError
psycopg.errors.CheckViolation: row {ANA}
DETAIL: {ANA}
Traceback (most recent call last):
_{ANA.removeprefix("+")}: {ANA}
"""


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ("Job was stuck in intermediate queue.", "Job was stuck in intermediate queue."),
        ("Work-horse terminated unexpectedly; waitpid returned 9; ", "Work-horse terminated unexpectedly"),
        (TRACEBACK, "psycopg.errors.CheckViolation"),
        ("Traceback (most recent call last):\nKeyError", "KeyError"),
        (f"{ANA} is not allowed", "unknown"),
        (f"refused {ANA}\n{TRACEBACK}", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_failed_job_says_why_in_words_that_quote_no_event(
    command: Command, queue: Queue, kept: str, told: str
) -> None:
    job_id = fail(queue, [raw(STOP)], kept)
    lines = command("list").stdout.splitlines()
    assert lines[1] == "Failed jobs: 1"
    assert lines[3].split(maxsplit=4)[2:] == [job_id, "1", told]


def test_a_job_that_holds_no_raw_events_and_one_that_is_gone_are_listed_as_such(
    engine: Engine, command: Command, queue: Queue, redis: Redis
) -> None:
    foreign = queue.enqueue("builtins.print", f"not raw events {ANA}", retry=None)
    EventWorker(redis, Applier(engine, options=AO, batch_size=1), Stop()).work(burst=True)
    redis.zadd(queue.failed_job_registry.key, {"gone": -1})
    jobs = {job["job_id"]: job for job in json.loads(command("list", "--json").stdout)["failed_jobs"]}
    assert {name: (job["raw_events"], job["why"]) for name, job in jobs.items()} == {
        foreign.id: (0, "The job does not hold raw events."),
        "gone": (0, "The job itself is gone."),
    }


def test_listing_removes_no_failed_job_whose_time_is_over(command: Command, queue: Queue, redis: Redis) -> None:
    redis.zadd(queue.failed_job_registry.key, {"over": 1})
    assert json.loads(command("list", "--json").stdout)["failed_jobs_count"] == 1
    assert redis.zcard(queue.failed_job_registry.key) == 1


def test_where_redis_is_away_the_letters_are_listed_and_the_status_is_1(
    engine: Engine, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(engine, UNREADABLE)
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    result = command("list")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[2].split()[2] == digest(UNREADABLE)[:12]
    assert result.stdout.splitlines()[3:] == [
        "Failed jobs: Redis did not answer (ConnectionError).",
        "By reason: no_subject 1",
    ]
    result = command("list", "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["failed_jobs"], document["failed_jobs_count"]) == (1, None, None)
    assert (document["redis_error"], len(document["dead_letters"])) == ("ConnectionError", 1)


# show


def test_a_letter_is_shown_by_the_first_digits_of_its_digest_and_its_body_only_when_asked_for(
    engine: Engine, command: Command
) -> None:
    content = b'{"to":\t"+244912345678",\r\n "name": "\x1b[2J\xff"}'
    keep(engine, content, received=2.5)
    for name in (digest(content), digest(content)[:6], digest(content)[:9].upper()):
        result = command("show", name)
        assert result.exit_code == 0
        assert f"digest       {digest(content)}\n" in result.stdout
        assert "received_at  2026-06-24 10:02:30Z\n" in result.stdout
        assert "244912345678" not in result.output
    shown = command("show", digest(content), "--body").stdout
    assert shown.endswith('\nBody\n  {"to":\\t"+244912345678",\\r\n   "name": "\\x1b[2J\\xff"}\n')
    document = json.loads(command("show", digest(content), "--json").stdout)
    assert list(document) == [
        "digest",
        "reason",
        "error",
        "received_at",
        "attempts",
        "resolved_at",
        "may_opt_out",
        "body_bytes",
    ]
    bodies = json.loads(command("show", digest(content), "--json", "--body").stdout)
    assert bodies == document | {"body": None, "body_base64": base64.b64encode(content).decode()}


def test_a_body_that_is_text_is_text_in_json(engine: Engine, command: Command) -> None:
    keep(engine, UNREADABLE)
    document = json.loads(command("show", digest(UNREADABLE), "--json", "--body").stdout)
    assert (document["body"], document["body_base64"]) == (UNREADABLE.decode(), None)


def test_digits_that_fit_several_letters_or_none_show_nothing(engine: Engine, command: Command) -> None:
    keep(engine, b"1", digest="abcdef" + "0" * 58)
    keep(engine, b"2", digest="abcdef" + "f" * 58)
    result = command("show", "abcdef")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: abcdef fits several dead letters: give more digits\n"
    assert "digest       abcdeff" in command("show", "abcdeff").stdout
    for name in ("abcde", "abcdef1", "f" * 64, "no digest", "\x1b[2J", "a\udcff", "a:b"):
        result = command("show", name)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
        assert result.stderr.startswith("Error: no dead letter has a digest that begins with ")
        assert "\x1b" not in result.stderr


def test_a_failed_job_is_shown_by_its_id_and_its_bodies_only_when_asked_for(command: Command, queue: Queue) -> None:
    job_id = fail(queue, [raw(STOP), raw(b"\xff\x00")], "Job was stuck in intermediate queue.")
    shown = command("show", job_id).stdout
    assert f"job_id       {job_id}\nraw_events   2\n" in shown
    assert "is_at_front  no\n" in shown
    assert ANA not in shown
    shown = command("show", job_id, "--body").stdout
    assert f"\nBody received 2026-06-24 12:00:00Z\n  {STOP.decode()}\n" in shown
    assert shown.endswith("\n  \\xff\\x00\n")
    document = json.loads(command("show", job_id, "--json", "--body").stdout)
    assert list(document) == ["job_id", "raw_events", "failed_at", "why", "is_at_front", "bodies"]
    assert document["bodies"] == [
        {"received_at": "2026-06-24T12:00:00Z", "body": STOP.decode(), "body_base64": None},
        {"received_at": "2026-06-24T12:00:00Z", "body": None, "body_base64": "/wA="},
    ]
    assert "bodies" not in json.loads(command("show", job_id, "--json").stdout)


def test_a_job_that_has_not_failed_is_not_shown(command: Command, queue: Queue) -> None:
    enqueue(queue, [raw(STOP)], at_front=False)
    (job_id,) = queue.get_job_ids()
    assert command("show", job_id).exit_code == 1


# replay


def replayed(result: Result) -> dict[str, str]:
    return {one["digest"]: one["verdict"] for one in json.loads(result.stdout)["dead_letters"]}


def test_a_letter_that_is_understood_now_is_applied_resolved_and_keeps_when_it_was_received(
    engine: Engine, command: Command
) -> None:
    keep(engine, STOP, received=3)
    begun = datetime.now(UTC)
    result = command("replay", "--all")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"applied     {digest(STOP)[:12]}",
        "Replayed 1 dead letter: 1 applied, 0 ignored, 0 unchanged, 0 still dead.",
    ]
    (fact,) = rows(engine, "events")
    assert (fact["digest"], fact["received_at"], fact["outcome"]) == (digest(STOP), minute(3), "applied")
    assert [(row["body"], row["received_at"]) for row in rows(engine, "bodies")] == [(STOP, minute(3))]
    assert active(engine) == [ANA]
    letter = letters(engine)[STOP]
    assert begun <= letter["resolved_at"] <= datetime.now(UTC)
    assert (letter["attempts"], letter["reason"]) == (1, "no_subject")


def test_a_replay_as_json_has_a_verdict_for_each_and_counts(engine: Engine, command: Command) -> None:
    apply(engine, [raw(DELIVERED)], options=AO, now=NOW)
    unknown = body("message.read", TEN, message_id="msg_1")
    for content in (STOP, DELIVERED, unknown, UNREADABLE):
        keep(engine, content, received=120)
    result = command("replay", "--all", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert sorted(document.pop("dead_letters"), key=lambda one: one["verdict"]) == [
        {"digest": digest(STOP), "verdict": "applied", "reason": None, "error": None},
        {"digest": digest(unknown), "verdict": "ignored", "reason": None, "error": None},
        {
            "digest": digest(UNREADABLE),
            "verdict": "still_dead",
            "reason": "not_json",
            "error": "the body is not JSON",
        },
        {"digest": digest(DELIVERED), "verdict": "unchanged", "reason": None, "error": None},
    ]
    assert document == {
        "counts": {"applied": 1, "ignored": 1, "unchanged": 1, "still_dead": 1},
        "ignored_facts": None,
    }
    assert {content for content, letter in letters(engine).items() if letter["resolved_at"]} == {
        STOP,
        DELIVERED,
        unknown,
    }
    assert json.loads(command("replay", "--reason", "refused", "--json").stdout) == {
        "dead_letters": [],
        "counts": {"applied": 0, "ignored": 0, "unchanged": 0, "still_dead": 0},
        "ignored_facts": None,
    }


def test_a_letter_still_dead_waits_on_with_its_present_reason_and_one_attempt_more(
    engine: Engine, command: Command
) -> None:
    keep(engine, UNREADABLE, received=1, reason="too_long", error="an earlier error")
    for attempts in (2, 3):
        result = command("replay", digest(UNREADABLE)[:8])
        assert result.exit_code == 1
        assert result.stdout.startswith(f"still dead  {digest(UNREADABLE)[:12]}  not_json: the body is not JSON\n")
        assert letters(engine)[UNREADABLE] == {
            "digest": digest(UNREADABLE),
            "body": UNREADABLE,
            "reason": "not_json",
            "error": "the body is not JSON",
            "received_at": minute(1),
            "attempts": attempts,
            "resolved_at": None,
            "may_opt_out": False,
        }


REFUSED = "msg_refused"


@pytest.fixture
def refusing(engine: Engine) -> Engine:
    """A database that refuses one message, as one does that has a rule of the customer's own."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            rule = f"ALTER TABLE message_status ADD CONSTRAINT own_rule CHECK (message_id <> '{REFUSED}')"
        else:
            rule = (
                "CREATE TRIGGER own_rule BEFORE INSERT ON message_status "
                f"WHEN NEW.message_id = '{REFUSED}' BEGIN SELECT RAISE(ABORT, 'own rule'); END"
            )
        connection.execute(text(rule))
    return engine


def allow(engine: Engine) -> None:
    on_postgres = engine.dialect.name == "postgresql"
    drop = "ALTER TABLE message_status DROP CONSTRAINT own_rule" if on_postgres else "DROP TRIGGER own_rule"
    with engine.begin() as connection:
        connection.execute(text(drop))


def test_a_refused_letter_keeps_its_kind_of_error_and_stops_no_other(refusing: Engine, command: Command) -> None:
    bad = body("message.optout", TEN, message_id=REFUSED, channel="sms", to=RUI)
    for content in (bad, STOP, UNREADABLE):
        keep(refusing, content, received=1)
    result = command("replay", "--all", "--json")
    assert result.exit_code == 1
    assert replayed(result) == {digest(bad): "still_dead", digest(STOP): "applied", digest(UNREADABLE): "still_dead"}
    letter = letters(refusing)[bad]
    assert (letter["reason"], letter["attempts"], letter["resolved_at"]) == ("refused", 2, None)
    assert letter["error"] in ("CheckViolation", "IntegrityError")
    assert letters(refusing)[UNREADABLE]["attempts"] == 2
    assert (active(refusing), len(rows(refusing, "events"))) == ([ANA], 1)
    assert REFUSED not in result.output

    allow(refusing)
    assert replayed(command("replay", "--reason", "refused", "--json")) == {digest(bad): "applied"}
    assert active(refusing) == sorted([ANA, RUI])


def test_resolved_letters_are_left_alone_unless_they_are_named(engine: Engine, command: Command) -> None:
    keep(engine, STOP, resolved_at=NOW)
    keep(engine, UNREADABLE, resolved_at=NOW)
    for options in (["--all"], ["--reason", "no_subject"]):
        assert replayed(command("replay", *options, "--json")) == {}
    result = command("replay", digest(STOP), digest(UNREADABLE), digest(STOP)[:8], "--json")
    assert replayed(result) == {digest(STOP): "applied", digest(UNREADABLE): "still_dead"}
    assert letters(engine)[STOP]["resolved_at"] > NOW
    # What a person decided stands, though replaying it did not help.
    assert letters(engine)[UNREADABLE]["resolved_at"] == NOW


def test_only_letters_of_the_reason_are_replayed(engine: Engine, command: Command) -> None:
    keep(engine, STOP, reason="too_long")
    keep(engine, DELIVERED, reason="no_subject")
    assert replayed(command("replay", "--reason", "too_long", "--json")) == {digest(STOP): "applied"}
    assert letters(engine)[DELIVERED]["resolved_at"] is None


def test_where_one_name_fits_no_letter_none_is_replayed(engine: Engine, command: Command) -> None:
    keep(engine, STOP)
    result = command("replay", digest(STOP), "f" * 64)
    assert (result.exit_code, result.stdout) == (1, "")
    assert letters(engine)[STOP]["resolved_at"] is None


def test_letters_are_read_in_pages_and_each_comes_once_though_it_stays_dead(engine: Engine) -> None:
    good = [body("message.delivered", TEN, message_id=f"msg_{number}") for number in range(5)]
    dead = [b"{%d" % number for number in range(6)]
    for content in (*good, *dead):
        keep(engine, content)
    pages: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT dead_letters.digest, dead_letters.body"):
            pages.append(statement)

    event.listen(engine, "after_cursor_execute", count)
    found = list(replay(engine, LetterSelection(), options=AO, page_size=2))
    event.remove(engine, "after_cursor_execute", count)
    assert len(pages) == 7
    digests = [one.digest for one in found]
    assert digests == sorted(map(digest, (*good, *dead)))
    assert {one.digest for one in found if one.verdict is ReplayVerdict.APPLIED} == set(map(digest, good))
    assert [letter["attempts"] for content, letter in letters(engine).items() if content in dead] == [2] * 6


@pytest.mark.parametrize("page_size", [1, 2])
def test_two_bodies_of_one_fact_are_both_applied(engine: Engine, page_size: int) -> None:
    early, late = (body("message.failed", minute(at), message_id="msg_1", to=ANA) for at in (1, 2))
    for content in (early, late):
        keep(engine, content)
    found = {one.digest: one.verdict for one in replay(engine, LetterSelection(), options=AO, page_size=page_size)}
    assert found == {digest(early): ReplayVerdict.APPLIED, digest(late): ReplayVerdict.APPLIED}
    assert sorted(row["body"] for row in rows(engine, "bodies")) == sorted([early, late])
    assert [row["digest"] for row in rows(engine, "events")] == [digest(late)]


def test_a_replay_that_is_killed_has_done_nothing_by_halves_and_can_be_repeated(engine: Engine) -> None:
    good = [body("message.optout", TEN, channel="sms", to=to) for to in (ANA, RUI)]
    for content in good:
        keep(engine, content)

    def kill(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE dead_letters"):
            raise SystemExit

    event.listen(engine, "before_cursor_execute", kill)
    with pytest.raises(SystemExit):
        list(replay(engine, LetterSelection(), options=AO))
    assert (active(engine), {letter["resolved_at"] for letter in letters(engine).values()}) == ([], {None})
    event.remove(engine, "before_cursor_execute", kill)

    next(replay(engine, LetterSelection(), options=AO, page_size=1))
    assert len(active(engine)) == 1
    assert len(list(replay(engine, LetterSelection(), options=AO))) == 1
    assert active(engine) == sorted([ANA, RUI])


def test_a_database_that_goes_away_is_one_line_and_what_was_done_stays_done(engine: Engine, command: Command) -> None:
    keep(engine, STOP)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE events RENAME TO events_away"))
    result = command("replay", "--all")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    missing = "no such table: events" if engine.dialect.name == "sqlite" else 'relation "events" does not exist'
    assert result.stderr == f"Error: the database of DATABASE_URL cannot be used: {missing}\n"
    assert (letters(engine)[STOP]["attempts"], letters(engine)[STOP]["resolved_at"]) == (1, None)


# replay --ignored


def ignore(engine: Engine, content: bytes, subject: str, name: str) -> None:
    """Put `content` into the ledger as a version does that does not know its type, beside what is there of the fact."""
    key = {"subject_id": subject, "event": name}
    known = {"digest": digest(content), "occurred_at": RECEIVED, "received_at": RECEIVED, "is_dated": False}
    with engine.begin() as connection:
        stored = connection.execute(
            insert(Body).values(key | {"received_at": RECEIVED, "body": content}).returning(Body.id)
        )
        row = key | known | {"body_id": stored.scalar_one()}
        if connection.execute(select(LedgerEntry.event).filter_by(**key)).first():
            connection.execute(insert(FurtherBody).values(row))
        else:
            connection.execute(insert(LedgerEntry).values(row | {"outcome": "ignored", "applied_at": NOW}))


def ledger(engine: Engine) -> dict[tuple[str, str], Any]:
    with engine.connect() as connection:
        found = connection.execute(select(LedgerEntry.__table__))  # type: ignore[attr-defined]
        return {(row.subject_id, row.event): row for row in found}


def test_ignored_facts_that_are_understood_now_are_applied_with_all_that_follows_from_them(
    engine: Engine, command: Command
) -> None:
    ignore(engine, DELIVERED, "msg_1", "message.delivered")
    ignore(engine, body("message.optout", minute(2), message_id="msg_1"), "msg_1", "message.optout")
    ignore(engine, body("campaign.sent", TEN, campaign_id="cmp_1"), "cmp_1", "campaign.sent")
    ignore(engine, body("message.read", TEN, message_id="msg_1", to=RUI), "msg_1", "message.read")
    ignore(engine, UNREADABLE, "msg_2", "message.failed")
    keep(engine, body("message.failed", TEN, message_id="msg_3"))
    result = command("replay", "--ignored")
    assert result.exit_code == 0, result.output
    assert result.stdout == ("Of the ledger's ignored facts: 3 applied, 1 not understood, 1 unreadable, 0 refused.\n")
    found = ledger(engine)
    assert {key: row.outcome for key, row in found.items()} == {
        ("cmp_1", "campaign.sent"): "applied",
        ("msg_1", "message.delivered"): "applied",
        ("msg_1", "message.optout"): "applied",
        ("msg_1", "message.read"): "ignored",
        ("msg_2", "message.failed"): "ignored",
    }
    delivered = found["msg_1", "message.delivered"]
    assert (delivered.occurred_at, delivered.received_at) == (TEN, RECEIVED)
    assert delivered.applied_at > NOW
    assert found["msg_1", "message.read"].applied_at == NOW
    (message,) = rows(engine, "message_status")
    assert (message["status"], message["recipient"], message["opted_out_at"]) == ("delivered", ANA, minute(2))
    assert active(engine) == [ANA]
    assert [row["campaign_id"] for row in rows(engine, "campaign_status")] == ["cmp_1"]
    # Without --all no letter was replayed.
    assert [letter["resolved_at"] for letter in letters(engine).values()] == [None]

    document = json.loads(command("replay", "--all", "--ignored", "--json").stdout)
    assert document["counts"] == {"applied": 1, "ignored": 0, "unchanged": 0, "still_dead": 0}
    assert document["ignored_facts"] == {"applied": 0, "not_understood": 1, "unreadable": 1, "refused": 0}


def test_an_ignored_fact_joins_the_row_that_its_message_has(engine: Engine) -> None:
    apply(engine, [raw(body("message.failed", minute(1), message_id="msg_1"))], options=AO, now=NOW)
    ignore(engine, body("message.delivered", minute(2), message_id="msg_1"), "msg_1", "message.delivered")
    pages = list(apply_ignored(engine, options=AO))
    assert pages == [(1, IgnoredTally(applied=1))]
    (message,) = rows(engine, "message_status")
    assert (message["status"], message["conflict"]) == ("delivered", True)


def test_an_ignored_fact_is_applied_with_all_its_bodies_or_not_at_all(engine: Engine) -> None:
    first, second = (body("message.failed", minute(at), message_id="msg_1", error=f"at {at}") for at in (2, 1))
    for content in (second, first):
        ignore(engine, content, "msg_1", "message.failed")
        ignore(engine, content.replace(b"msg_1", b"msg_2"), "msg_2", "message.failed")
    ignore(engine, UNREADABLE, "msg_2", "message.failed")
    (_, tally), *_ = apply_ignored(engine, options=AO)
    assert tally == IgnoredTally(applied=1, unreadable=1)
    assert [row["failure_reason"] for row in rows(engine, "message_status")] == ["at 2"]
    found = ledger(engine)
    assert found["msg_1", "message.failed"].digest == digest(first)
    assert found["msg_2", "message.failed"].outcome == "ignored"
    assert len(rows(engine, "bodies")) == 5


def test_ignored_facts_are_read_in_pages_whatever_stays_ignored(engine: Engine) -> None:
    for number in range(4):
        ignore(engine, body("message.read", TEN, id=f"msg_{number}"), f"msg_{number}", "message.read")
        ignore(engine, body("message.delivered", TEN, id=f"msg_{number}"), f"msg_{number}", "message.delivered")
        ignore(engine, body("message.failed", TEN, id=f"msg_{number}"), f"msg_{number}", "message.failed")
    pages = list(apply_ignored(engine, options=AO, page_size=5))
    assert [facts for facts, _ in pages] == [5, 5, 2]
    assert sum((tally for _, tally in pages), IgnoredTally()) == IgnoredTally(applied=8, not_understood=4)
    assert {row["status"] for row in rows(engine, "message_status")} == {"delivered"}
    assert all(row["conflict"] for row in rows(engine, "message_status"))


def test_an_ignored_fact_whose_subject_was_not_found_goes_to_its_own_place(engine: Engine) -> None:
    """A version that does not know a type may not know which of its fields names the message."""
    apply(engine, [raw(DELIVERED)], options=AO, now=NOW)
    stop = body("message.optout", minute(2), message_id="msg_1")
    ignore(engine, stop, f"sha256:{digest(stop)}", "message.optout")
    assert list(apply_ignored(engine, options=AO)) == [(1, IgnoredTally(applied=1))]
    assert {key: row.outcome for key, row in ledger(engine).items()} == {
        ("msg_1", "message.delivered"): "applied",
        ("msg_1", "message.optout"): "applied",
    }
    assert active(engine) == [ANA]


def test_an_ignored_fact_whose_rows_are_refused_stays_and_stops_no_other(refusing: Engine, command: Command) -> None:
    for name in ("msg_a", REFUSED, "msg_z"):
        ignore(refusing, body("message.delivered", TEN, message_id=name), name, "message.delivered")
    result = command("replay", "--ignored")
    assert result.exit_code == 1
    assert "2 applied, 0 not understood, 0 unreadable, 1 refused" in result.stdout
    assert {subject: row.outcome for (subject, _), row in ledger(refusing).items()} == {
        "msg_a": "applied",
        REFUSED: "ignored",
        "msg_z": "applied",
    }
    assert {row["message_id"] for row in rows(refusing, "message_status")} == {"msg_a", "msg_z"}


def test_a_fact_that_another_process_applies_meanwhile_is_left_to_it(engine: Engine) -> None:
    ignore(engine, DELIVERED, "msg_1", "message.delivered")
    found: list[tuple[int, IgnoredTally]] = []
    work = threading.Thread(target=lambda: found.extend(apply_ignored(engine, options=AO)))
    with engine.begin() as connection:
        connection.execute(update(LedgerEntry).values(outcome="applied"))
        work.start()
        work.join(0.5)
        assert work.is_alive()
    work.join(30)
    assert sum((tally for _, tally in found), IgnoredTally()) == IgnoredTally()
    (fact,) = rows(engine, "events")
    assert (fact["occurred_at"], fact["outcome"]) == (RECEIVED, "applied")
    assert rows(engine, "message_status") == []


# resolve


def test_letters_are_resolved_by_digest_without_being_applied(engine: Engine, command: Command) -> None:
    keep(engine, STOP)
    keep(engine, UNREADABLE)
    result = command("resolve", digest(STOP)[:10])
    assert (result.exit_code, result.stdout) == (0, "Resolved 1 dead letter.\n")
    resolved_at = letters(engine)[STOP]["resolved_at"]
    assert resolved_at > NOW
    assert letters(engine)[UNREADABLE]["resolved_at"] is None
    assert (active(engine), letters(engine)[STOP]["attempts"]) == ([], 1)
    result = command("resolve", digest(STOP), digest(UNREADABLE))
    assert (result.exit_code, result.stdout) == (0, "Resolved 1 dead letter. Resolved before: 1.\n")
    assert letters(engine)[STOP]["resolved_at"] == resolved_at


def test_letters_are_resolved_by_reason(engine: Engine, command: Command) -> None:
    for number in range(3):
        keep(engine, b"%d" % number, reason="not_json" if number else "too_long")
    assert command("resolve", "--reason", "not_json").stdout == "Resolved 2 dead letters.\n"
    assert {letter["reason"] for letter in letters(engine).values() if letter["resolved_at"]} == {"not_json"}


def test_where_one_name_fits_no_letter_none_is_resolved(engine: Engine, command: Command) -> None:
    keep(engine, STOP)
    result = command("resolve", digest(STOP), "f" * 64)
    assert (result.exit_code, result.stderr) == (1, f"Error: {'f' * 64} fits no dead letter\n")
    assert letters(engine)[STOP]["resolved_at"] is None


def test_all_letters_are_resolved_only_with_a_yes(engine: Engine, command: Command) -> None:
    keep(engine, STOP)
    keep(engine, UNREADABLE)
    result = command("resolve", "--all")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert [letter["resolved_at"] for letter in letters(engine).values()] == [None, None]
    assert command("resolve", "--all", "--yes").stdout == "Resolved 2 dead letters.\n"
    assert None not in [letter["resolved_at"] for letter in letters(engine).values()]


@pytest.mark.usefixtures("command")
@pytest.mark.parametrize(("answer", "status"), [(b"n\n", 1), (b"y\n", 0)])
def test_on_a_terminal_resolving_all_is_asked_for(engine: Engine, answer: bytes, status: int) -> None:
    keep(engine, STOP)
    terminal, end = pty.openpty()
    try:
        os.write(terminal, answer)
        asked = subprocess.run(
            [sys.executable, "-m", "sync", "dead-letters", "resolve", "--all"],
            cwd=ROOT,
            stdin=end,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(terminal)
        os.close(end)
    assert "Resolve 1 dead letter without applying them? [y/N]" in asked.stdout + asked.stderr
    assert asked.returncode == status
    assert (letters(engine)[STOP]["resolved_at"] is not None) == (status == 0)


# requeue


def test_a_failed_job_goes_back_to_its_end_of_the_queue_and_is_gone_from_the_failed_ones(
    command: Command, queue: Queue, redis: Redis
) -> None:
    enqueue(queue, [raw(b"waits")], at_front=False)
    front = fail(queue, [raw(STOP)], "stuck", at_front=True)
    back = fail(queue, [raw(DELIVERED), raw(b"\xff\x00")], "stuck")
    result = command("requeue", front, back)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"requeued  {front}  1 raw event",
        f"requeued  {back}  2 raw events",
    ]
    assert waiting(queue) == [[raw(STOP)], [raw(b"waits")], [raw(DELIVERED), raw(b"\xff\x00")]]
    assert [job.enqueue_at_front_on_retry for job in queue.get_jobs()] == [True, False, False]
    assert not {front, back} & set(queue.get_job_ids())
    assert queue.failed_job_registry.get_job_ids(cleanup=False) == []
    assert sorted(redis.keys("rq:job:*")) == sorted(f"rq:job:{job_id}".encode() for job_id in queue.get_job_ids())
    assert redis.keys("rq:results:*") == []


def test_all_failed_jobs_are_requeued_but_those_that_hold_no_raw_events(
    engine: Engine, command: Command, queue: Queue, redis: Redis
) -> None:
    ours = fail(queue, [raw(STOP)], "stuck")
    foreign = queue.enqueue("builtins.print", f"not raw events {ANA}", retry=None)
    worker = EventWorker(redis, Applier(engine, options=AO, batch_size=1), Stop())
    worker.work(burst=True)
    redis.zadd(queue.failed_job_registry.key, {"gone": -1})
    result = command("requeue", "--all")
    assert result.exit_code == 1
    assert sorted(result.stdout.splitlines()) == sorted(
        [
            f"requeued  {ours}  1 raw event",
            f"not touched  {foreign.id}  it holds no raw events",
            "not touched  gone  it holds no raw events",
        ]
    )
    assert waiting(queue) == [[raw(STOP)]]
    assert sorted(queue.failed_job_registry.get_job_ids(cleanup=False)) == sorted([foreign.id, "gone"])
    assert Job.exists(foreign.id, redis)

    worker = EventWorker(redis, Applier(engine, options=AO, batch_size=1), Stop())
    worker.work(burst=True)
    assert active(engine) == [ANA]


@pytest.mark.parametrize("held", [[5], [[]], [{}], [[["2026-06-24T12:00:00+00:00", 5]]], [[["never", "{"]]], []])
def test_a_job_of_any_other_shape_is_not_touched(command: Command, queue: Queue, held: list[Any]) -> None:
    job = queue.enqueue("builtins.print", *held)
    queue.connection.lrem(queue.key, 1, job.id)
    queue.failed_job_registry.add(job, ttl=-1, exc_string="")
    result = command("requeue", job.id)
    assert (result.exit_code, result.stdout) == (1, f"not touched  {job.id}  it holds no raw events\n")
    assert queue.failed_job_registry.get_job_ids(cleanup=False) == [job.id]
    assert waiting(queue) == []


def test_a_job_that_has_not_failed_is_not_requeued(command: Command, queue: Queue) -> None:
    enqueue(queue, [raw(STOP)], at_front=False)
    (job_id,) = queue.get_job_ids()
    result = command("requeue", job_id, "a\x1b[2J")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"not touched  {job_id}  no failed job has this id",
        "not touched  a\\x1b[2J  no failed job has this id",
    ]
    assert queue.get_job_ids() == [job_id]


def test_where_the_new_job_is_not_confirmed_the_failed_one_stays(command: Command, queue: Queue, redis: Redis) -> None:
    job_id = fail(queue, [raw(STOP)], "stuck")
    redis.config_set("maxmemory", 1)
    try:
        result = command("requeue", "--all")
    finally:
        redis.config_set("maxmemory", 0)
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch(r"Error: the Redis of REDIS_URL did not answer \(\w+\)\n", result.stderr)
    assert queue.failed_job_registry.get_job_ids(cleanup=False) == [job_id]
    assert command("requeue", "--all").exit_code == 0
    assert waiting(queue) == [[raw(STOP)]]
    assert command("requeue", "--all").stdout == "No failed jobs.\n"


# What holds for all of them


def test_no_body_and_no_address_is_printed_unless_it_is_asked_for(
    refusing: Engine, command: Command, queue: Queue
) -> None:
    bad = body("message.optout", TEN, message_id=REFUSED, channel="sms", to=RUI)
    for content in (bad, STOP, UNREADABLE):
        keep(refusing, content)
    ignore(refusing, body("message.delivered", TEN, id="msg_7", to=RUI), "msg_7", "message.delivered")
    job_id = fail(queue, [raw(STOP)], TRACEBACK)
    said = ""
    for arguments in (
        ["list", "--all"],
        ["show", digest(bad)],
        ["show", job_id],
        ["replay", "--all", "--ignored"],
        ["replay", digest(bad)],
        ["resolve", digest(bad)],
        ["requeue", job_id],
    ):
        for options in ([], ["--json"] if arguments[0] in ("list", "show", "replay") else []):
            result = command(*arguments, *options)
            assert result.exit_code in (0, 1), result.output
            said += result.output
    assert len(said) > 2000
    for secret in (ANA, RUI, ANA.removeprefix("+"), "message.optout", '"to"', REFUSED):
        assert secret not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--resolved", "--all"],
        ["list", "--reason", "bad_luck"],
        ["list", "--limit", "0"],
        ["show"],
        ["replay"],
        ["replay", "abcdef", "--all"],
        ["replay", "--all", "--reason", "refused"],
        ["replay", "abcdef", "--ignored"],
        ["replay", "--ignored", "--reason", "refused"],
        ["replay", "abcde"],
        ["replay", "f" * 65],
        ["resolve"],
        ["resolve", "abcdef", "--all", "--yes"],
        ["resolve", "abcdef", "--reason", "refused"],
        ["resolve", "\x1b[2Jabcdef"],
        ["requeue"],
        ["requeue", "job", "--all"],
        ["burn"],
    ],
)
def test_wrong_use_changes_nothing_and_exits_2(command: Command, engine: Engine, arguments: list[str]) -> None:
    keep(engine, STOP)
    result = command(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "\x1b" not in result.stderr
    assert letters(engine)[STOP]["resolved_at"] is None


@pytest.mark.parametrize(
    ("arguments", "environ", "status", "expected"),
    [
        (["list"], {"DATABASE_URL": " "}, 2, "DATABASE_URL is not set"),
        (["list"], {"REDIS_URL": " "}, 2, "REDIS_URL is not set"),
        (["replay", "--all"], {"ZEXA_DEFAULT_REGION": "Angola"}, 2, "ZEXA_DEFAULT_REGION is not a two-letter region"),
        (["requeue", "--all"], {"REDIS_URL": "redis://:hunter2@127.0.0.1:1/0"}, 1, "the Redis of REDIS_URL did not"),
        (["show", "a-job"], {"REDIS_URL": "redis://:hunter2@127.0.0.1:1/0"}, 1, "the Redis of REDIS_URL did not"),
        *[
            (arguments, {"DATABASE_URL": "postgres://someone:hunter2@127.0.0.1:1/name"}, 1, "the database of DATABASE_")
            for arguments in (["list"], ["show", "abcdef"], ["replay", "--all"], ["resolve", "--reason", "refused"])
        ],
    ],
)
def test_a_failure_is_one_line_without_a_password(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    environ: dict[str, str],
    status: int,
    expected: str,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    result = command(*arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (status, "", 1)
    assert result.stderr.startswith(f"Error: {expected}")
    assert not [detail for detail in ("hunter2",) if detail in result.stderr]


def test_a_schema_that_is_not_at_head_is_one_line(database_url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url.render_as_string(hide_password=False))
    result = CliRunner().invoke(main, ["dead-letters", "replay", "--all"])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "run `alembic upgrade head`" in result.stderr


@pytest.mark.parametrize("name", ["list", "show", "replay", "resolve", "requeue"])
def test_every_command_teaches_with_examples(name: str) -> None:
    result = CliRunner().invoke(main, ["dead-letters", name, "--help"])
    assert result.exit_code == 0
    assert f"\n    zexa-sync dead-letters {name}" in result.stdout
    assert "Exit status: 0" in " ".join(result.stdout.split())


@pytest.mark.usefixtures("command")
@pytest.mark.parametrize("is_stdout_watched", [False, True])
def test_many_letters_are_replayed_under_a_bar_on_the_terminal(
    engine: Engine, tmp_path: Path, is_stdout_watched: bool
) -> None:
    many = 250
    letter = {"reason": "not_json", "error": "", "received_at": RECEIVED, "attempts": 1}
    contents = [b"{%d" % number for number in range(many)]
    with engine.begin() as connection:
        connection.execute(
            insert(DeadLetter), [letter | {"digest": digest(content), "body": content} for content in contents]
        )
    terminal, end = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(terminal, 65536):
                shown.append(chunk)
        except OSError:
            return  # how Linux says that the other end is closed

    reading = threading.Thread(target=read)
    reading.start()
    lines = tmp_path / "lines"
    with lines.open("wb") as output:
        status = subprocess.call(
            [sys.executable, "-m", "sync", "dead-letters", "replay", "--all"],
            cwd=ROOT,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
            stdin=subprocess.DEVNULL,
            stdout=end if is_stdout_watched else output,
            stderr=end,
            timeout=60,
        )
    os.close(end)
    reading.join(30)
    os.close(terminal)
    seen = b"".join(shown).decode()
    told = seen if is_stdout_watched else lines.read_text()
    assert status == 1
    assert f"{many}/{many}" in seen
    assert "Replaying dead letters" in seen
    assert len(re.findall(r"(?:^|[\r\n]|\x1b\[2K)still dead  [0-9a-f]{12}  not_json", told)) == many
    assert f"Replayed {many} dead letters: 0 applied, 0 ignored, 0 unchanged, {many} still dead." in told
    assert is_stdout_watched or "\x1b" not in told
