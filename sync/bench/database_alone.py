"""The yardstick of applying: the rows that applying would write, made beforehand and inserted by one process.

The same batches and transactions as ours, without queue, parsing or merging. What is measured is how fast this
database takes these rows from Python: by our own statements, and by SQLAlchemy's own way with a list of rows.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.dialects import postgresql, sqlite

from sync.development.processes import StopAsked
from sync.events import Event, parse
from sync.merge import by_subject, campaign_row, fold, fold_opt_outs, message_row, opt_out_rows
from sync.raw_events import RawEvent
from sync.reading import Reading
from sync.settings import DEFAULT_REGION
from sync.statements import bulk_insert
from sync.store import CAMPAIGNS, LEDGER, MESSAGES, OPT_OUTS

READING = Reading(default_region=DEFAULT_REGION)

Batch = list[tuple[Table, list[dict[str, Any]]]]
Statement = Callable[[Connection, Table, list[dict[str, Any]]], tuple[Any, list[dict[str, Any]] | None]]


def prepare_batches(raw_events: Sequence[RawEvent], *, batch_size: int, now: datetime) -> list[Batch]:
    """Return the rows of `raw_events`, batch by batch, in the order of tables and keys in which ours writes them."""
    return [_batch(raw_events[start : start + batch_size], now) for start in range(0, len(raw_events), batch_size)]


def _batch(raw_events: Sequence[RawEvent], now: datetime) -> Batch:
    facts = list(fold(parse(raw, READING) for raw in raw_events).values())
    subjects = by_subject(facts).values()
    stamp = {"updated_at": now}
    messages = [asdict(row) | stamp for of in subjects if (row := message_row(of))]
    campaigns = [asdict(campaign) | stamp for of in subjects if (campaign := campaign_row(of))]
    claims = fold_opt_outs(claim for of in subjects for claim in opt_out_rows(of)).values()
    opt_outs = [{name: getattr(claim, name) for name in _OPT_OUT_COLUMNS} | stamp for claim in claims]
    entries = [_entry(fact, now) for fact in facts]
    return [(LEDGER, entries), (MESSAGES, messages), (CAMPAIGNS, campaigns), (OPT_OUTS, opt_outs)]


_OPT_OUT_COLUMNS = ("channel", "address", "sender", "opted_out_at", "source", "message_id")


def _entry(fact: Event, now: datetime) -> dict[str, Any]:
    named = {"event": fact.name, "applied_at": now}
    return {column.name: named.get(column.name) or getattr(fact, column.name) for column in LEDGER.columns}


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
                    insert, given = statement(connection, table, rows)
                    connection.execute(insert.on_conflict_do_nothing(), given)
    return time.monotonic() - begun
