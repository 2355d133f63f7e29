"""`zexa-sync dead-letters list` and `show`: letters and failed jobs, and their bodies only if asked for."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from rq import Queue
from sqlalchemy import Engine

from sync.devtools.dev.embedded import free_port
from sync.queue.jobs import enqueue
from sync.worker.applier import Applier
from sync.worker.rq_worker import EventWorker
from sync.worker.stop import Stop
from tests.conftest import NOW
from tests.integration.dead_letters.letters import (
    DELIVERED,
    STOP,
    TRACEBACK,
    UNREADABLE,
    Command,
    digest,
    fail,
    keep,
    raw,
)
from tests.support.events_builder import ANA, AO

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
    assert [line.split()[2] for line in listed[:3]] == [
        digest(content)[:12] for content in (UNREADABLE, DELIVERED, STOP)
    ]
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


@pytest.mark.parametrize(
    ("error", "shown_error"),
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
    command: Command, queue: Queue, error: str, shown_error: str
) -> None:
    job_id = fail(queue, [raw(STOP)], error)
    lines = command("list").stdout.splitlines()
    assert lines[1] == "Failed jobs: 1"
    assert lines[3].split(maxsplit=4)[2:] == [job_id, "1", shown_error]


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
