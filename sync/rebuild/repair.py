"""Repairs what comparing found. Missing and changed rows go the way of a worker, so they are safe beside workers.

A row too many is the exception. A worker that finds such a row waits for its lock, and has nothing to write once the
row is deleted. So no other transaction writes to the ledger while rows are deleted.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, Table, delete, text

from models.statements import is_one_of, locked_rows
from models.tables import CAMPAIGNS, LEDGER, MESSAGES, NAMELESS_OPT_OUTS
from sync.events.event import Event
from sync.events.interpretation import ParseOptions
from sync.events.merge import campaign_row, message_row
from sync.events.opt_outs import nameless_opt_outs
from sync.events.remains import without_forgotten
from sync.rebuild.compare import Drift, DriftKind, Slice
from sync.rebuild.ledger_slices import KnownSubjects, read_ledger
from sync.rollups.contribution import COUNTED, Change
from sync.rollups.deltas import keep_deltas
from sync.store.apply import merge_rows
from sync.store.forgotten import forgotten_people
from sync.store.ledger import settle_again
from sync.store.retry import patiently

LOCK_SECONDS = 2

_ROW_OF: tuple[tuple[Table, Callable[[Iterable[Event]], Any]], ...] = (
    (MESSAGES, message_row),
    (CAMPAIGNS, campaign_row),
)
# What is needed of a row that goes, to take back what it counted.
_TELLING: Mapping[str, list[Any]] = {MESSAGES.name: [MESSAGES.c[name] for name in sorted({"message_id", *COUNTED})]}


def repair(engine: Engine, part: Slice, *, options: ParseOptions) -> dict[str, int]:
    """Repair the rows of one slice; return how many were removed, by table.

    Owns its transactions: one for the rows to write, and one before it if there are rows to remove. Errors of the
    database are SQLAlchemy's DBAPIError; rows that are not repaired then are found again by another run.
    """
    surplus = [drift for drift in part.drifts if drift.kind is DriftKind.SURPLUS]
    removed = patiently(partial(_remove, engine, surplus, options)) if surplus else {}
    if part.repairing:
        patiently(partial(_write, engine, part, options))
    return removed


def _write(engine: Engine, part: Slice, options: ParseOptions) -> None:
    now = datetime.now(UTC)
    keys = {(drift.key["subject_id"], drift.key["event"]) for drift in part.drifts if drift.table == LEDGER.name}
    with engine.begin() as connection:
        wait_briefly(connection)
        # Somebody may have been forgotten since the bodies were read.
        people = forgotten_people(connection, options)
        events = [without_forgotten(event, people) for event in part.repairing] if people else part.repairing
        if keys:
            settle_again(connection, [event for event in events if event.key in keys], now)
        merge_rows(connection, events, options, now)


def _remove(engine: Engine, surplus: list[Drift], options: ParseOptions) -> dict[str, int]:
    subjects = sorted({subject for drift in surplus if (subject := drift.subject)})
    with engine.begin() as connection:
        wait_briefly(connection)
        _hold_ledger_still(connection)
        ledger = read_ledger(connection, lambda subject: is_one_of(connection, subject, subjects), options)
        removed = {table.name: _remove_from(connection, table, row_of, surplus, ledger) for table, row_of in _ROW_OF}
        return removed | {NAMELESS_OPT_OUTS.name: _remove_named(connection, surplus, ledger)}


def wait_briefly(connection: Connection) -> None:
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
    ledger: KnownSubjects,
) -> int:
    (key,) = table.primary_key
    subject_ids = sorted(drift.key[key.name] for drift in surplus if drift.table == table.name)
    if not subject_ids:
        return 0
    columns = _TELLING.get(table.name, [key])
    locked = {row[key.name]: row for row in locked_rows(connection, table, subject_ids, columns)}
    gone = [
        subject
        for subject in locked
        if row_of(ledger.events.get(subject, [])) is None and subject not in ledger.unreadable
    ]
    if table is MESSAGES:
        keep_deltas(connection, [], [Change(old=locked[subject], new=None) for subject in gone])
    return connection.execute(delete(table).where(key.in_(gone))).rowcount


def _remove_named(connection: Connection, surplus: list[Drift], ledger: KnownSubjects) -> int:
    """Remove what is kept of opt-outs that name somebody, or that are none."""
    removed = 0
    for drift in surplus:
        if drift.table == NAMELESS_OPT_OUTS.name:
            subject, digest = drift.key["subject_id"], drift.key["digest"]
            still = {event.digest for event in nameless_opt_outs(ledger.events.get(subject, []))}
            if digest not in still and subject not in ledger.unreadable:
                is_row = [NAMELESS_OPT_OUTS.c[name] == value for name, value in drift.key.items()]
                removed += connection.execute(delete(NAMELESS_OPT_OUTS).where(*is_row)).rowcount
    return removed
