"""What `doctor` makes of what it found: pure, with values made up."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sync.doctor import store_findings, traffic_findings
from sync.doctor.check import CHECKS, ordered, worst
from sync.doctor.clocks import judge_clocks
from sync.doctor.in_numbers import check_numbers
from sync.doctor.in_redis import connection_error_text, memory, persistence, policy
from sync.doctor.in_settings import check_secrets
from sync.doctor.text import document, is_well, text
from sync.provider.outages.losses import KnownOutage
from sync.provider.outages.marks import DatabaseMark
from sync.provider.webhooks import probe_findings
from sync.status import InDatabase, InRedis, Lag, LastHour, Numbers, ProcessesSeen, ProcessSeen, SecretUse, Totals
from sync.status.document import status_document
from sync.status.findings import findings
from sync.suppression import Freshness
from sync.terminal.findings import Check, Finding, Severity, ok, unknown
from sync.terminal.times import iso_text

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 6, 24, 12, 0, tzinfo=UTC)
FINDINGS = [
    finding
    for module in (store_findings, traffic_findings, probe_findings)
    for finding in vars(module).values()
    if isinstance(finding, Finding)
]


def ago(**units: float) -> datetime:
    return NOW - timedelta(**units)


def running(at: datetime = NOW) -> ProcessesSeen:
    return ProcessesSeen(processes=(ProcessSeen(name="one", at=at),), latest=at)


NEVER = ProcessesSeen(processes=(), latest=None)
EVENTS = {"applied": 100, "ignored": 0, "unchanged": 0, "dead": 0}
DELIVERIES = {"200": 100, "403": 0, "413": 0, "503": 0}
REFUSED = {"missing": 0, "malformed": 0, "wrong": 0, "retired": 0, "too_large": 0}
HOUR = LastHour(
    deliveries=DELIVERIES,
    refused=REFUSED,
    events=EVENTS,
    probes_and_tests=0,
    quick_copies=0,
    quick_copies_seconds=0.0,
)
REDIS = InRedis(
    queue_jobs=0,
    failed_jobs=0,
    oldest_waiting_at=None,
    workers=running(),
    web=running(),
    totals=Totals(
        since=ago(days=30),
        deliveries=DELIVERIES,
        refused=REFUSED,
        events=EVENTS,
        conflicts=0,
        late_events=0,
        reconciled=0,
        lag=Lag(buckets=(), sum_seconds=0.0),
    ),
    last_hour=HOUR,
    last_delivery_at=ago(minutes=1),
    last_counted_at=ago(minutes=1),
    usual_gap_seconds=600.0,
    secrets=(SecretUse(position=1, known_since=ago(days=30), matched_at=ago(minutes=1)),),
    clock_offset_seconds=0.0,
)
DATABASE = InDatabase(
    inbox_rows=0,
    inbox_oldest_at=None,
    dead_letters=0,
    nameless_opt_outs=0,
    ignored_opt_outs=0,
    opt_out_latency=None,
    clock_offset_seconds=0.0,
)


def numbers(
    *,
    held_by: str | None = None,
    stale_seconds: float = 0,
    database: InDatabase | None = DATABASE,
    **changes: Any,
) -> Numbers:
    freshness = Freshness(as_of=ago(seconds=stale_seconds), held_by=held_by)
    return Numbers(looked_at=NOW, freshness=freshness, redis=replace(REDIS, **changes), database=database)


def judged(measured: Numbers) -> dict[str, Check]:
    return {check.check: check for check in check_numbers(measured)}


def hour(refused: Mapping[str, int] = {}, *, accepted: int = 100, unstored: int = 0, **changes: Any) -> LastHour:
    signatures = sum(number for reason, number in refused.items() if reason != "too_large")
    deliveries = {"200": accepted, "403": signatures, "413": refused.get("too_large", 0), "503": unstored}
    return replace(HOUR, deliveries=deliveries, refused=REFUSED | refused, **changes)


def test_a_healthy_installation_is_ok_throughout() -> None:
    assert {check.status for check in check_numbers(numbers())} == {Severity.OK}


@pytest.mark.parametrize(
    ("measured", "check", "status", "words"),
    [
        (numbers(web=NEVER), "web", "warning", "no web process has started yet"),
        (numbers(web=NEVER), "outages", "ok", "nothing could be missed"),
        (numbers(web=running(ago(minutes=2))), "web", "problem", "the last was seen 2 min ago"),
        (numbers(workers=NEVER), "workers", "problem", "no worker runs"),
        (numbers(workers=running(ago(hours=2))), "workers", "problem", "the last 2 h ago"),
        (numbers(queue_jobs=7, oldest_waiting_at=ago(seconds=59)), "queue", "ok", "7"),
        (
            numbers(queue_jobs=7, oldest_waiting_at=ago(seconds=61)),
            "queue",
            "warning",
            "the oldest waits for 1 min 1 s",
        ),
        (numbers(failed_jobs=1), "failed_jobs", "problem", "failed jobs that wait for a person: 1"),
        (numbers(database=replace(DATABASE, dead_letters=2)), "dead_letters", "warning", "for a person: 2"),
        (numbers(database=replace(DATABASE, tasks_wait_since=ago(seconds=59))), "tasks", "ok", "no work"),
        (numbers(database=replace(DATABASE, tasks_wait_since=ago(seconds=61))), "tasks", "warning", "for 1 min 1 s"),
        (
            numbers(database=replace(DATABASE, dead_letters=2), held_by="dead_letters"),
            *("dead_letters", "problem", "one may be an opt-out"),
        ),
        (
            numbers(database=replace(DATABASE, inbox_rows=9, inbox_oldest_at=ago(minutes=1))),
            *("inbox", "ok", "events in the inbox: 9"),
        ),
        (
            numbers(database=replace(DATABASE, inbox_rows=9, inbox_oldest_at=ago(minutes=5))),
            *("inbox", "problem", "events in the inbox: 9, the oldest waits for 5 min"),
        ),
        # Refusals
        (numbers(last_hour=hour({"wrong": 101})), "refusals", "problem", "101 refused for a wrong signature, 100 acc"),
        (numbers(last_hour=hour({"wrong": 100})), "refusals", "warning", "100 refused, 100 accepted (wrong: 100)"),
        (numbers(last_hour=hour({"retired": 101})), "refusals", "problem", "that a retired secret signed"),
        (numbers(last_hour=hour({"missing": 60, "malformed": 60})), "refusals", "problem", "had no whole signature"),
        (numbers(last_hour=hour({"missing": 60, "malformed": 40})), "refusals", "ok", "100 refused, 100 accepted"),
        (numbers(last_hour=hour({"too_large": 101})), "refusals", "problem", "larger than 256 KiB"),
        (numbers(last_hour=hour(unstored=101)), "refusals", "problem", "101 answered 503"),
        (numbers(last_hour=hour({"wrong": 1}, accepted=0)), "refusals", "problem", "1 refused for a wrong signature"),
        (numbers(last_hour=hour(accepted=0)), "refusals", "ok", "0 refused, 0 accepted"),
        # Silence
        (numbers(last_counted_at=ago(minutes=20)), "silence", "ok", "the longest usual gap is 10 min"),
        (numbers(last_counted_at=ago(minutes=20, seconds=1)), "silence", "problem", "nothing came for 20 min 1 s"),
        (numbers(usual_gap_seconds=None), "silence", "unknown", "known after two weeks"),
        (numbers(last_counted_at=None), "silence", "unknown", "no delivery came since Redis counts"),
        # Copies
        (
            numbers(last_hour=replace(HOUR, quick_copies=100, quick_copies_seconds=4.0)),
            *("copies", "warning", "each event comes twice, 40 ms apart: two webhooks registered?"),
        ),
        (
            numbers(last_hour=replace(HOUR, quick_copies=200, quick_copies_seconds=8.0)),
            *("copies", "warning", "each event comes 3 times, 40 ms apart"),
        ),
        (numbers(last_hour=replace(HOUR, quick_copies=49, quick_copies_seconds=4.0)), "copies", "ok", "came again"),
        (numbers(last_hour=replace(HOUR, events=EVENTS | {"applied": 9})), "copies", "unknown", "fewer than 10"),
    ],
)
def test_what_is_counted_is_judged(measured: Numbers, check: str, status: str, words: str) -> None:
    judgement = judged(measured)[check]
    assert judgement.status == status
    assert words in judgement.found
    assert bool(judgement.remedy) or status in ("ok", "unknown")


def test_a_store_that_did_not_answer_is_judged_by_nothing() -> None:
    assert judged(numbers(database=None)).keys().isdisjoint({"inbox", "dead_letters", "outages", "tasks"})
    assert judged(replace(numbers(), redis=None)).keys() == {"inbox", "dead_letters", "outages", "tasks"}


def outage(began: datetime, ended: datetime | None, resolved_at: datetime | None = None) -> KnownOutage:
    return KnownOutage(number=1, began_at=began, ended_at=ended, kind="no_process", resolved_at=resolved_at)


@pytest.mark.parametrize(
    ("outages", "status", "words"),
    [
        ([outage(ago(minutes=90), ago(minutes=41))], "problem", "had their last try inside it; a STOP among them"),
        ([outage(ago(minutes=90), ago(minutes=41), ago(minutes=1))], "ok", "none of which"),
        ([outage(ago(minutes=90), ago(minutes=71))], "ok", "none of which"),
        ([outage(ago(minutes=5), None)], "problem", "no delivery can be acknowledged: unreachable since"),
        ([outage(ago(days=1), ago(hours=23)), outage(ago(hours=2), ago(hours=1))], "problem", "; and 1 more"),
    ],
)
def test_an_outage_is_a_problem_until_a_person_has_looked_after_what_it_cost(
    outages: Sequence[KnownOutage], status: str, words: str
) -> None:
    measured = numbers(database=replace(DATABASE, outages=tuple(outages)))
    check = worst(check for check in check_numbers(measured) if check.check == "outages")
    assert check.status == status
    assert words in check.found


def test_an_outage_that_nobody_has_recorded_yet_is_told_by_the_marks() -> None:
    marked = ago(seconds=20).timestamp()
    database = replace(DATABASE, mark=DatabaseMark(at=marked - 9, due=marked + 21))
    measured = numbers(database=database, marked=marked)
    check = worst(check for check in check_numbers(measured) if check.check == "outages")
    assert (check.status, status_document(measured, [])["unreachable_since"]) == ("problem", iso_text(ago(seconds=20)))


def test_a_secret_that_matches_nothing_while_another_does_is_safe_to_remove() -> None:
    first = SecretUse(position=1, known_since=ago(days=30), matched_at=ago(minutes=1))
    idle = SecretUse(position=2, known_since=ago(days=30), matched_at=ago(days=9))
    never = SecretUse(position=3, known_since=ago(days=8), matched_at=None)
    young = SecretUse(position=4, known_since=ago(days=1), matched_at=None)
    checks = [
        check for check in check_numbers(numbers(secrets=(first, idle, never, young))) if check.check == "secrets"
    ]
    assert [check.found for check in checks] == [
        "secret 2 matched nothing for 9 days",
        "secret 3 matched nothing for 8 days",
    ]
    assert "safe to remove" in checks[0].remedy
    # If none matches, it is silence, not a rotation that has ended.
    assert "secrets" not in judged(numbers(secrets=(idle, replace(never, known_since=ago(days=9)))))


# Settings, Redis, clocks


def test_secrets_are_judged_by_how_they_are_written() -> None:
    assert check_secrets((b"one", b"two")) == ok("secrets", "2 in ZEXA_WEBHOOK_SECRET")
    quoted = check_secrets((b"one", b'"two"', b'"two"'))
    assert quoted.status is Severity.WARNING
    assert "secret 2 begins and ends with a quotation mark" in quoted.found
    assert "a secret stands twice" in quoted.found
    assert "two" not in quoted.found.replace("twice", "")


@pytest.mark.parametrize(
    ("ahead", "status", "words"),
    [
        ({"Redis": 0.0, "the database": 0.9}, "ok", "this machine, Redis and the database agree within a second"),
        (
            {"Redis": 3.0, "the database": 0.0},
            "warning",
            "clocks differ by 3.0 s: Redis is 3.0 s ahead of this machine",
        ),
        ({"Redis": 3.0, "the database": -3.0}, "problem", "clocks differ by 6.0 s: Redis is 3.0 s ahead"),
        ({"Redis": -7200.0, "the database": -7200.0}, "problem", "differ by 7,200 s: Redis is 7,200.0 s behind this"),
        ({"Redis": None, "the database": 7200.0}, "problem", "differ by 7,200 s"),
        ({"Redis": None, "the database": 0.0}, "unknown", "Redis did not tell the time"),
        ({"Redis": None, "the database": None}, "unknown", "Redis and the database did not tell the time"),
    ],
)
def test_clocks_are_compared_with_each_other(ahead: dict[str, float | None], status: str, words: str) -> None:
    check = judge_clocks(ahead)
    assert check.status == status
    assert words in check.found


def test_what_redis_does_not_say_is_unknown() -> None:
    silent = [policy({}, is_journalled=False), persistence({}, {}, is_journalled=False), memory({})]
    assert {check.status for check in silent} == {Severity.UNKNOWN}
    unread = persistence({"aof_enabled": 1}, {}, is_journalled=False)
    assert unread.status is Severity.UNKNOWN
    assert "appendfsync" in unread.found


@pytest.mark.parametrize(
    ("info", "configured", "status"),
    [
        ({"aof_enabled": 1}, {"appendfsync": "always"}, "ok"),
        ({"aof_enabled": 1}, {"appendfsync": "everysec"}, "warning"),
        ({"aof_enabled": 1}, {"appendfsync": "always", "no-appendfsync-on-rewrite": "yes"}, "warning"),
        ({"aof_enabled": 1}, {"appendfsync": "no"}, "problem"),
        ({"aof_enabled": 0}, {}, "problem"),
        ({"aof_enabled": 1, "aof_last_write_status": "err"}, {"appendfsync": "always"}, "problem"),
    ],
)
def test_what_waits_must_survive_a_loss_of_power(info: Any, configured: Any, status: str) -> None:
    assert persistence(info, configured, is_journalled=False).status == status
    assert persistence(info, configured, is_journalled=True).status == "ok"


@pytest.mark.parametrize(
    ("used", "most", "status"),
    [(10, 100, "ok"), (80, 100, "warning"), (98, 100, "problem"), (150, 100, "problem"), (10, 0, "warning")],
)
def test_memory_is_judged_by_its_share(used: int, most: int, status: str) -> None:
    assert memory({"used_memory": used, "maxmemory": most}).status == status


def test_a_journal_makes_a_warning_of_eviction() -> None:
    info = {"maxmemory_policy": "allkeys-lru"}
    assert policy(info, is_journalled=False).status is Severity.PROBLEM
    assert policy(info, is_journalled=True).status is Severity.WARNING


def test_a_connection_error_names_no_address() -> None:
    assert connection_error_text("Error 111 connecting to redis.internal:6379. Connection refused.") == (
        "connection refused"
    )
    assert (
        connection_error_text("Error -3 connecting to redis.internal:6379. Something new.") == "the connection failed"
    )


# What is shown


def test_problems_come_first_and_equals_keep_the_order_of_the_contract() -> None:
    checks = [
        ok("settings", ""),
        *(Check(check=name, status=Severity.PROBLEM, found="") for name in reversed(CHECKS[1:])),
    ]
    assert [check.check for check in ordered(checks)] == [*CHECKS[1:], "settings"]
    mixed = [unknown("probe", ""), ok("redis", ""), store_findings.SECRET_TWICE(), traffic_findings.WORKERS_NEVER()]
    assert [check.check for check in ordered(mixed)] == ["workers", "secrets", "probe", "redis"]


def test_several_findings_of_one_check_are_one_line() -> None:
    check = worst([ok("durability", "fine"), store_findings.PAGES_TORN(), store_findings.FSYNC_OFF()])
    assert check.status is Severity.PROBLEM
    assert check.found == f"{store_findings.FSYNC_OFF.found}; {store_findings.PAGES_TORN.found}"
    assert check.remedy == f"{store_findings.FSYNC_OFF.remedy}; {store_findings.PAGES_TORN.remedy}"


def test_the_text_has_a_line_for_each_check_and_its_remedy_below() -> None:
    checks = [traffic_findings.WEB_NEVER(), unknown("probe", "none\x1b was sent"), ok("settings", "fine")]
    assert text(checks).splitlines() == [
        "warning  web       no web process has started yet",
        "                   → start the web process of the Procfile",
        "unknown  probe     none\\x1b was sent",
        "ok       settings  fine",
        "",
        "1 warning, 1 unknown",
    ]
    assert text([ok("settings", "fine")]).splitlines()[-1] == "all is well"


def test_only_a_problem_makes_it_not_well() -> None:
    checks = [traffic_findings.WEB_NEVER(), unknown("probe", ""), ok("settings", "")]
    assert is_well(checks)
    assert document(checks)["ok"] is True
    assert document([traffic_findings.WORKERS_NEVER()]) == {
        "ok": False,
        "checks": [
            {
                "check": "workers",
                "status": "problem",
                "found": "no worker runs: what is accepted waits",
                "remedy": "start the worker process of the Procfile (`zexa-sync worker`)",
            }
        ],
    }


def sections() -> dict[str, str]:
    """The runbook's sections about checks, by the name of the check."""
    parts = re.split(r"^### `(\w+)`$", (ROOT / "docs" / "runbook.md").read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding.found)
def test_the_runbook_has_an_entry_for_every_problem_and_warning(finding: Finding) -> None:
    shown = re.sub(r"\{\w+\}", "…", finding.found)
    assert f"\n| {shown} | " in sections()[finding.check]
    assert finding.check in CHECKS
    assert finding.remedy


def test_the_runbook_has_no_entry_for_what_is_never_said() -> None:
    shown = {(finding.check, re.sub(r"\{\w+\}", "…", finding.found)) for finding in FINDINGS}
    entries = {
        (check, entry)
        for check, section in sections().items()
        for entry in re.findall(r"^\| (.*?) \| ", section.partition("\n## ")[0], re.MULTILINE)
    }
    assert {entry for entry in entries if entry[1] != "it says"} == shown


STATUS_LINES = [
    *findings(replace(numbers(database=None), redis=None), silent_after=None, max_staleness=60),
    *findings(numbers(stale_seconds=61), silent_after=None, max_staleness=60),
    *findings(
        numbers(database=replace(DATABASE, outages=(outage(ago(minutes=5), None),))),
        silent_after=None,
        max_staleness=60,
    ),
    *findings(numbers(queue_jobs=7, workers=NEVER), silent_after=None, max_staleness=60),
    *findings(numbers(queue_jobs=7, workers=running(ago(hours=1))), silent_after=None, max_staleness=60),
    *findings(numbers(last_hour=hour({"wrong": 101}), clock_offset_seconds=7200.0), silent_after=60, max_staleness=60),
    *findings(numbers(last_counted_at=ago(hours=1)), silent_after=None, max_staleness=60),
    *findings(numbers(last_counted_at=ago(hours=1)), silent_after=1800, max_staleness=60),
]


def status_section() -> list[str]:
    section = (ROOT / "docs" / "runbook.md").read_text().split("## What `status` says")[1].split("\n## ")[0]
    return re.findall(r"^\| (.*?) \| ", section, re.MULTILINE)[1:]


def test_the_runbook_has_an_entry_for_every_line_of_status_that_makes_it_exit_1() -> None:
    patterns = [re.escape(entry).replace("…", ".+") for entry in status_section()]
    assert len(STATUS_LINES) == 10
    for line in STATUS_LINES:
        assert any(re.fullmatch(pattern, line) for pattern in patterns), line
    for pattern in patterns:
        assert any(re.fullmatch(pattern, line) for line in STATUS_LINES), pattern
