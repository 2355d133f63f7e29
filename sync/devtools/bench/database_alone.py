"""The yardstick of applying: the rows that applying would write, made beforehand and inserted by one process.

It has the same batches and transactions as the workers, without queue, parsing or merging. It measures how fast this
database takes these rows from Python: by the project's statements, and by SQLAlchemy's own way with a list of rows.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from msgspec import structs
from sqlalchemy import Connection, Engine, Table, text
from sqlalchemy.dialects import postgresql, sqlite

from models.statements import bulk_insert
from models.tables import BODIES, CAMPAIGNS, LEDGER, MESSAGES, OPT_OUTS
from sync.events.addresses import person_of
from sync.events.event import Event
from sync.events.interpretation import ParseOptions
from sync.events.merge import by_subject, campaign_row, distinct, holding, message_row
from sync.events.opt_outs import StoredStatement, opt_out_rows, opt_outs_of
from sync.events.parse import parse
from sync.events.raw import RawEvent
from sync.settings.worker import DEFAULT_REGION
from sync.terminal.signals import StopAsked

PARSE_OPTIONS = ParseOptions(default_region=DEFAULT_REGION)

Batch = list[tuple[Table, list[dict[str, Any]]]]
Statement = Callable[[Connection, Table, list[dict[str, Any]]], tuple[Any, list[dict[str, Any]] | None]]


def prepare_batches(
    raw_events: Sequence[RawEvent], *, batch_size: int, now: datetime, body_ids: Sequence[int]
) -> list[Batch]:
    """Return the rows of `raw_events`, batch by batch, in the order of tables and keys in which workers write them.

    `body_ids` are as many ids of `bodies` that no row has.
    """
    return [
        _batch(raw_events[start : start + batch_size], now, body_ids[start : start + batch_size])
        for start in range(0, len(raw_events), batch_size)
    ]


def free_body_ids(engine: Engine, count: int) -> list[int]:
    """Return `count` ids of `bodies` that no row has, nor will get from a worker."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            ids = text("SELECT nextval('bodies_id_seq') FROM generate_series(1, :count)")
            return list(connection.execute(ids, {"count": count}).scalars())
        last = connection.execute(text("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'bodies'"))
        first = last.scalar_one() + 1
        return list(range(first, first + count))


def _batch(raw_events: Sequence[RawEvent], now: datetime, body_ids: Sequence[int]) -> Batch:
    facts = list(holding(distinct(parse(raw, PARSE_OPTIONS) for raw in raw_events)).values())
    subjects = by_subject(facts).values()
    stamp = {"updated_at": now}
    statements = [statement for events in subjects for statement in _statements(events)]
    rows = [
        [_entry(fact, now, body_id) for fact, body_id in zip(facts, body_ids, strict=False)],
        [_body(fact, body_id) for fact, body_id in zip(facts, body_ids, strict=False)],
        [structs.asdict(message) | stamp for events in subjects if (message := message_row(events))],
        [structs.asdict(campaign) | stamp for events in subjects if (campaign := campaign_row(events))],
        [structs.asdict(opt_out) | stamp for opt_out in opt_out_rows(statements).values()],
    ]
    return list(zip((LEDGER, BODIES, MESSAGES, CAMPAIGNS, OPT_OUTS), rows, strict=True))


def _entry(fact: Event, now: datetime, body_id: int) -> dict[str, Any]:
    return {
        "subject_id": fact.subject_id,
        "event": fact.name,
        "occurred_at": fact.occurred_at,
        "received_at": fact.received_at,
        "applied_at": now,
        "body_id": body_id,
        "is_dated": fact.is_dated,
        "outcome": fact.outcome,
        "digest": fact.digest,
    }


def _body(fact: Event, body_id: int) -> dict[str, Any]:
    return {
        "id": body_id,
        "received_at": fact.received_at,
        "subject_id": fact.subject_id,
        "event": fact.name,
        "body": fact.body,
    }


def _statements(facts: list[Event]) -> list[StoredStatement]:
    """Return what these facts of one subject state of opt-outs, as the database would return it."""
    by_digest = {fact.digest: fact for fact in facts}
    rows: list[StoredStatement] = []
    for statement in opt_outs_of(facts):
        fact = by_digest[statement.digest or ""]
        times = {"occurred_at": fact.occurred_at, "received_at": fact.received_at}
        rows.append(asdict(statement) | times | {"person": person_of(statement.address)})
    return rows


def row_lists(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> tuple[Any, list[dict[str, Any]]]:
    """Return an insert as SQLAlchemy's documentation has it; on PostgreSQL it sends long lists of values."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table), rows


def insert_batches(
    engine: Engine, batches: Sequence[Batch], is_stop_asked: Callable[[], bool], statement: Statement = bulk_insert
) -> float:
    """Insert `batches`, a transaction each; return the seconds of all but the first, which warms up."""
    begun = 0.0
    for number, batch in enumerate(batches):
        if number == 1:
            begun = time.monotonic()
        if is_stop_asked():
            raise StopAsked
        with engine.begin() as connection:
            for table, rows in batch:
                if rows:
                    insert, parameters = statement(connection, table, rows)
                    connection.execute(insert.on_conflict_do_nothing(), parameters)
    return time.monotonic() - begun
