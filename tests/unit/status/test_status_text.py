"""What `zexa-sync status` says, and what it finds wrong."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sync.status import (
    InDatabase,
    InRedis,
    Lag,
    LastHour,
    Latency,
    Numbers,
    ProcessesSeen,
    ProcessSeen,
    SecretUse,
    Totals,
)
from sync.status.document import status_document
from sync.status.findings import findings
from sync.status.text import status_text
from sync.suppression import Freshness

NOW = datetime(2026, 6, 24, 12, 0, tzinfo=UTC)
CODES = {"200": 90, "403": 0, "413": 0, "503": 0}
REFUSED = {"missing": 0, "malformed": 0, "wrong": 0, "retired": 0, "too_large": 0}
EVENTS = {"applied": 90, "ignored": 0, "unchanged": 0, "dead": 0}


def ago(**parts: float) -> datetime:
    return NOW - timedelta(**parts)


HOUR = LastHour(
    deliveries=CODES, refused=REFUSED, events=EVENTS, probes_and_tests=0, quick_copies=0, quick_copies_seconds=0.0
)
REDIS = InRedis(
    queue_jobs=0,
    failed_jobs=0,
    oldest_waiting_at=None,
    workers=ProcessesSeen(processes=(ProcessSeen(name="host:7", at=ago(seconds=2)),), latest=ago(seconds=2)),
    web=ProcessesSeen(processes=(ProcessSeen(name="host:5", at=ago(seconds=3)),), latest=ago(seconds=3)),
    totals=Totals(
        since=ago(days=30),
        deliveries=CODES,
        refused=REFUSED,
        events=EVENTS,
        conflicts=0,
        late_events=0,
        reconciled=0,
        lag=Lag(buckets=((1.0, 90), (float("inf"), 90)), sum_seconds=9.0),
    ),
    last_hour=HOUR,
    last_delivery_at=ago(seconds=30),
    last_counted_at=ago(seconds=30),
    usual_gap_seconds=60.0,
    secrets=None,
    clock_offset_seconds=0.0,
)
DATABASE = InDatabase(
    inbox_rows=0,
    inbox_oldest_at=None,
    dead_letters=0,
    nameless_opt_outs=0,
    ignored_opt_outs=0,
    opt_out_latency=Latency(opt_outs=0, p50_seconds=None, p99_seconds=None, within_one_second=0),
    clock_offset_seconds=0.0,
)
WELL = Numbers(looked_at=NOW, freshness=Freshness(as_of=NOW, held_by=None), redis=REDIS, database=DATABASE)


def numbers(**changes: Any) -> Numbers:
    """Numbers of a system that is well, but for these of Redis."""
    return replace(WELL, redis=replace(REDIS, **changes))


def findings_of(state: Numbers, silent_after: float | None = None) -> list[str]:
    return findings(state, silent_after=silent_after, max_staleness=60.0)


def test_nothing_is_found_where_all_is_well() -> None:
    assert findings_of(WELL) == []
    assert status_document(WELL, [])["ok"] is True


def test_jobs_that_wait_without_a_worker_are_found() -> None:
    nobody = ProcessesSeen(processes=(), latest=None)
    late = ProcessesSeen(processes=(ProcessSeen(name="host:7", at=ago(seconds=61)),), latest=ago(seconds=61))
    assert findings_of(numbers(queue_jobs=112, workers=nobody)) == [
        "112 jobs wait and no worker runs: none was ever seen. Start a worker."
    ]
    assert findings_of(numbers(queue_jobs=1, workers=late)) == [
        "1 job waits and no worker runs: the last one was seen 1 min 1 s ago. Start a worker."
    ]
    assert findings_of(numbers(queue_jobs=0, workers=nobody)) == []
    assert findings_of(numbers(queue_jobs=112)) == []


def test_more_refusals_than_deliveries_in_the_last_hour_are_found_with_their_reasons() -> None:
    def refusing(accepted: int, wrong: int) -> Numbers:
        codes = CODES | {"200": accepted, "403": wrong}
        return numbers(last_hour=replace(HOUR, deliveries=codes, refused=REFUSED | {"wrong": wrong}))

    assert findings_of(refusing(10, 10)) == []
    (line,) = findings_of(refusing(10, 11))
    assert "11 wrong" in line
    unstored = numbers(last_hour=replace(HOUR, deliveries=CODES | {"200": 0, "503": 1}))
    assert "1 not stored (503)" in findings_of(unstored)[0]


def test_a_silence_is_found_by_the_usual_gap_or_by_the_bound_that_was_given() -> None:
    assert findings_of(numbers(last_counted_at=ago(seconds=120))) == []
    (line,) = findings_of(numbers(last_counted_at=ago(seconds=121)))
    assert line == "No delivery came for 2 min 1 s, more than twice the usual gap of 1 min."
    assert findings_of(numbers(last_counted_at=ago(seconds=121)), silent_after=3600.0) == []
    assert findings_of(numbers(last_counted_at=ago(seconds=3601)), silent_after=3600.0)
    assert findings_of(numbers(last_counted_at=ago(days=9), usual_gap_seconds=None)) == []
    assert findings_of(numbers(last_counted_at=None)) == []


def test_work_of_the_console_that_waits_for_over_a_minute_is_found_if_a_worker_runs() -> None:
    def waiting(seconds: float, **changes: Any) -> Numbers:
        return replace(numbers(**changes), database=replace(DATABASE, tasks_wait_since=ago(seconds=seconds)))

    assert findings_of(waiting(60)) == []
    assert findings_of(waiting(61)) == [
        "Work that somebody asked for in the console waits for 1 min 1 s, though a worker runs."
    ]
    assert findings_of(waiting(61, workers=ProcessesSeen(processes=(), latest=None))) == []
    assert findings_of(replace(waiting(61), redis=None))[1:] == []


@pytest.mark.parametrize("offset", [-6.0, 6.0])
def test_clocks_that_differ_are_found(offset: float) -> None:
    assert findings_of(numbers(clock_offset_seconds=offset / 2)) == []
    assert findings_of(numbers(clock_offset_seconds=offset))[0].startswith("Clocks differ: Redis is 6.0 s")
    differing = replace(numbers(clock_offset_seconds=-3.0), database=replace(DATABASE, clock_offset_seconds=3.0))
    assert len(findings_of(differing)) == 1


def test_a_store_that_is_away_is_found_and_its_numbers_are_unknown_not_zero() -> None:
    away = replace(WELL, redis=None, database=None, freshness=Freshness(as_of=None, held_by="database"))
    assert findings_of(away) == ["Redis does not answer.", "The database does not answer."]
    document = status_document(away, [])
    assert {name for name, value in document.items() if value == 0 and value is not False} == set()
    assert document.keys() == status_document(WELL, []).keys()
    assert "jobs in the queue    unknown" in status_text(away, [])


def test_stale_opt_outs_are_found() -> None:
    assert findings_of(replace(WELL, freshness=Freshness(as_of=ago(seconds=61), held_by="queue")))


def test_a_secret_that_matched_nothing_since_another_took_over_is_safe_to_remove() -> None:
    def secret_lines(*secrets: SecretUse) -> list[str]:
        lines = status_text(numbers(secrets=secrets), []).splitlines()
        return [line.split(maxsplit=2)[2] for line in lines if line.startswith("  secret ")]

    new = SecretUse(position=1, known_since=ago(days=10), matched_at=ago(seconds=5))
    old = SecretUse(position=2, known_since=ago(days=90), matched_at=ago(days=9))
    assert secret_lines(new, old) == ["matched 5.0 s ago", "matched nothing for 9 d: safe to remove"]
    unused = SecretUse(position=1, known_since=ago(hours=1), matched_at=None)
    assert secret_lines(unused, replace(old, matched_at=ago(seconds=5))) == [
        "matched nothing since 2026-06-24 11:00:00Z",
        "matched 5.0 s ago",
    ]
    # Nothing came at all for nine days: that says nothing of a secret.
    assert secret_lines(old)[0] == "matched 9 d ago"


def test_the_oldest_that_waits_is_that_of_queue_and_inbox() -> None:
    in_inbox = replace(DATABASE, inbox_oldest_at=ago(seconds=90))
    state = replace(numbers(oldest_waiting_at=ago(seconds=5)), database=in_inbox)
    assert status_document(state, [])["oldest_waiting_seconds"] == 90
    assert status_document(WELL, [])["oldest_waiting_seconds"] == 0
