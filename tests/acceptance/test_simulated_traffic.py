"""A thousand simulated events through HTTP, queue and two workers, against a plain fold in memory."""

import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, text

from sync.events import Event, parse
from sync.merge import by_subject, campaign_row, fold, fold_opt_outs, message_row, opt_out_rows
from sync.raw_events import RawEvent
from sync.simulator.traffic import generate
from tests.events_builder import AO
from tests.processes import ROOT, SECRET, Platform, wait_for

START = "2026-06-24T08:00:00Z"
EVENTS, SEED = 1000, 20260624


def sent() -> list[Event]:
    """The facts that the simulator states, parsed; a copy is the same fact."""
    bodies = [
        delivery.body
        for delivery in generate(
            events=EVENTS, duplicates=0.1, shuffle=True, seed=SEED, start=datetime.fromisoformat(START)
        )
    ]
    assert (len(bodies), len(set(bodies))) == (EVENTS + EVENTS // 10, EVENTS)
    now = datetime(2026, 6, 24, tzinfo=UTC)
    return [parse(RawEvent(body=body, received_at=now), AO) for body in bodies]


def rows(engine: Engine, columns: str, table: str) -> set[tuple[Any, ...]]:
    with engine.connect() as connection:
        return {tuple(row) for row in connection.execute(text(f"SELECT {columns} FROM {table}"))}


def of(found: Iterable[Any], columns: str) -> set[tuple[Any, ...]]:
    return {tuple(getattr(row, name) for name in columns.split(", ")) for row in found if row is not None}


def test_the_tables_are_the_plain_fold_of_what_was_sent(migrated_platform: Platform, reader: Engine) -> None:
    migrated_platform.start_web()
    for _ in range(2):
        migrated_platform.start_worker()
    url = f"http://127.0.0.1:{migrated_platform.port}/webhooks/zexa"
    options = ["--events", str(EVENTS), "--seed", str(SEED), "--start", START, "--duplicates", "10%", "--shuffle"]
    simulated = subprocess.run(
        [sys.executable, "-m", "sync", "simulate", url, *options, "--concurrency", "16"],
        cwd=ROOT,
        env=migrated_platform.environ | {"ZEXA_WEBHOOK_SECRET": SECRET},
        capture_output=True,
        text=True,
        check=False,
    )
    assert simulated.returncode == 0, simulated.stdout + simulated.stderr

    facts = fold(sent())
    wait_for(lambda: len(rows(reader, "subject_id, event", "events")) == len(facts), seconds=60, what="every fact")
    subjects = by_subject(facts.values()).values()
    columns = "message_id, channel, recipient, sender, campaign_id, status, failure_code, failure_reason, conflict"
    assert rows(reader, columns, "message_status") == of(map(message_row, subjects), columns)
    columns = "campaign_id, status, name, details"
    assert rows(reader, columns, "campaign_status") == of(map(campaign_row, subjects), columns)
    claims = fold_opt_outs(claim for subject in subjects for claim in opt_out_rows(subject))
    columns = "channel, address, sender, message_id"
    assert rows(reader, columns, "active_opt_outs") == of(claims.values(), columns)
    assert rows(reader, "subject_id, event, outcome, body", "events") == {
        (fact.subject_id, fact.name, fact.outcome, fact.body) for fact in facts.values()
    }
    assert rows(reader, "*", "dead_letters") == set()
