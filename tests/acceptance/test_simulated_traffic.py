"""A thousand simulated events through HTTP, queue and two workers, against a plain fold in memory."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, text

from sync.devtools.simulate.traffic import generate
from sync.events.addresses import person_of
from sync.events.event import Event
from sync.events.merge import by_subject, campaign_row, distinct, holding, message_row
from sync.events.opt_outs import opt_out_rows, opt_outs_of
from sync.events.parse import parse
from sync.events.raw import RawEvent
from tests.support.events_builder import AO
from tests.support.forked import run_forked
from tests.support.processes import SECRET, Platform, wait_for

START = "2026-06-24T08:00:00Z"
EVENTS, SEED = 1000, 20260624
RECEIVED = datetime(2026, 6, 24, 12, tzinfo=UTC)  # every event names a time before it, so this decides nothing


def sent() -> list[Event]:
    """What each body of the simulator states, copies too."""
    bodies = [
        delivery.body
        for delivery in generate(
            events=EVENTS, duplicates=0.1, shuffle=True, seed=SEED, start=datetime.fromisoformat(START)
        )
    ]
    assert (len(bodies), len(set(bodies))) == (EVENTS + EVENTS // 10, EVENTS)
    return [parse(RawEvent(body=body, received_at=RECEIVED), AO) for body in bodies]


def rows(engine: Engine, columns: str, table: str) -> set[tuple[Any, ...]]:
    with engine.connect() as connection:
        return {tuple(row) for row in connection.execute(text(f"SELECT {columns} FROM {table}"))}


def columns_of(rows: Iterable[Any], columns: str) -> set[tuple[Any, ...]]:
    return {tuple(getattr(row, name) for name in columns.split(", ")) for row in rows if row is not None}


def test_the_tables_are_the_plain_fold_of_what_was_sent(migrated_platform: Platform, reader: Engine) -> None:
    migrated_platform.start_web()
    for _ in range(2):
        migrated_platform.start_worker()
    url = f"http://127.0.0.1:{migrated_platform.port}/webhooks/zexa"
    options = ["--events", str(EVENTS), "--seed", str(SEED), "--start", START, "--duplicates", "10%", "--shuffle"]
    simulated = run_forked(
        ["python", "-m", "sync", "simulate", url, *options, "--concurrency", "16"],
        env=migrated_platform.environ | {"ZEXA_WEBHOOK_SECRET": SECRET},
    )
    assert simulated.returncode == 0, simulated.stdout + simulated.stderr

    bodies = distinct(sent())
    assert all(event.is_dated for event in bodies)
    wait_for(lambda: len(rows(reader, "id", "bodies")) == len(bodies), seconds=60, what="every body")
    facts = holding(bodies)
    assert rows(reader, "subject_id, event, outcome, digest", "events") == {
        (event.subject_id, event.name, event.outcome, event.digest) for event in facts.values()
    }
    assert rows(reader, "subject_id, event, body", "bodies") == {
        (event.subject_id, event.name, event.body) for event in bodies
    }
    subjects = by_subject(bodies).values()
    columns = "message_id, channel, recipient, sender, campaign_id, status, failure_code, failure_reason, conflict"
    assert rows(reader, columns, "message_status") == columns_of(map(message_row, subjects), columns)
    columns = "campaign_id, status, name, details"
    assert rows(reader, columns, "campaign_status") == columns_of(map(campaign_row, subjects), columns)
    statements = [statement for subject in subjects for statement in opt_outs_of(subject)]
    stopped = opt_out_rows(
        asdict(statement) | {"received_at": RECEIVED, "person": person_of(statement.address)}
        for statement in statements
    )
    assert stopped
    columns = "channel, address, sender, message_id"
    assert rows(reader, columns, "active_opt_outs") == columns_of(stopped.values(), columns)
    assert rows(reader, "*", "dead_letters") == set()
