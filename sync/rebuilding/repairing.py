"""Repairs what comparing found: takes locks as workers do, looks again under them, and writes what differs.

Missing and changed rows go the way of a worker that merges facts again (`sync.apply.merge_taken`), which is safe
beside others by its design. A row too many is the exception: a worker that finds it there and waits for its lock
would find nothing to write once it is deleted. So nobody writes to the ledger while rows are deleted.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, Table, delete, text

from sync.apply import merge_taken
from sync.events import Event
from sync.merge import campaign_row, message_row
from sync.reading import Reading
from sync.rebuilding.comparing import Drift, Kind, Slice
from sync.rebuilding.ledger import read_ledger
from sync.rebuilding.patience import patiently
from sync.reports.contribution import Change
from sync.reports.deltas import keep_deltas
from sync.store import CAMPAIGNS, LEDGER, MESSAGES, _locked_rows

LOCK_SECONDS = 2

_ROW_OF: tuple[tuple[Table, Callable[[Iterable[Event]], Any]], ...] = (
    (MESSAGES, message_row),
    (CAMPAIGNS, campaign_row),
)


def repair(engine: Engine, found: Slice, *, reading: Reading) -> dict[str, int]:
    """Repair the rows of one slice; return how many were removed, by table.

    Owns its transactions: one for what is to be written, and one before it where rows are to be removed. Errors of
    the database are SQLAlchemy's DBAPIError; what is then undone is found again by another run.
    """
    surplus = [drift for drift in found.drifts if drift.kind is Kind.SURPLUS]
    removed = patiently(partial(_remove, engine, surplus, reading)) if surplus else {}
    if found.repairing:
        patiently(partial(_merge, engine, found.repairing, reading))
    return removed


def _merge(engine: Engine, facts: list[Event], reading: Reading) -> None:
    with engine.begin() as connection:
        _wait_briefly(connection)
        merge_taken(connection, facts, [], reading, datetime.now(UTC))


def _remove(engine: Engine, surplus: list[Drift], reading: Reading) -> dict[str, int]:
    with engine.begin() as connection:
        _wait_briefly(connection)
        _hold_ledger_still(connection)
        return {table.name: _remove_from(connection, table, row_of, surplus, reading) for table, row_of in _ROW_OF}


def _wait_briefly(connection: Connection) -> None:
    """Let go of what is locked already rather than wait long for more. SQLite has a busy timeout instead."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))


def _hold_ledger_still(connection: Connection) -> None:
    """Wait until every transaction that wrote to the ledger has ended, and let none begin until this one has.

    On SQLite this transaction is the only one that writes anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE events IN SHARE MODE"))


def _remove_from(
    connection: Connection,
    table: Table,
    row_of: Callable[[Iterable[Event]], Any],
    surplus: list[Drift],
    reading: Reading,
) -> int:
    (key,) = table.primary_key
    asked = sorted(drift.key[key.name] for drift in surplus if drift.table == table.name)
    if not asked:
        return 0
    locked = {row[key.name]: row for row in _locked_rows(connection, table, asked)}
    known = read_ledger(connection, LEDGER.c.subject_id.in_(locked), reading)
    gone = [name for name in locked if row_of(known.facts.get(name, ())) is None and name not in known.unreadable]
    if table is MESSAGES:
        keep_deltas(connection, [], [Change(old=locked[name], new=None) for name in gone])
    return connection.execute(delete(table).where(key.in_(gone))).rowcount
