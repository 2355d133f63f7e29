"""Repairs what comparing found: takes locks as workers do, looks again under them, and writes what differs.

Missing and changed rows go the way of a worker (`sync.store`): insert what is missing, lock what is there, read its
facts again, write. So they are safe beside workers for the same reasons. Facts are parsed only once, where their
bodies are still the same. A row too many is the exception: a worker that finds it there and waits for its lock
would find nothing to write once it is deleted. So nobody writes to the ledger while rows are deleted.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, Table, delete, text

from sync.merge import OptOutRow, campaign_row, message_row, opt_out_rows
from sync.opt_outs.merging import merge_opt_outs
from sync.reading import Reading
from sync.rebuilding.claims import Row, has_opt_out
from sync.rebuilding.comparing import Drift, Kind, Slice
from sync.rebuilding.ledger import Known, read_ledger
from sync.rebuilding.patience import patiently
from sync.reports.contribution import COUNTED, Change
from sync.reports.deltas import keep_deltas
from sync.statements import columns_of, insert_missing, is_one_of, locked_rows, overwrite
from sync.store import CAMPAIGNS, LEDGER, MESSAGES, Facts, Hints, hints_of

LOCK_SECONDS = 2

_ROW_OF: tuple[tuple[Table, Callable[[Facts, Hints], Any]], ...] = (
    (MESSAGES, message_row),
    (CAMPAIGNS, lambda facts, _hints: campaign_row(facts)),
)
# What is needed of a row that is locked, to make it anew and to take back what it counted.
_TELLING = {MESSAGES.name: [MESSAGES.c[name] for name in sorted({"message_id", "channel", "recipient", *COUNTED})]}


def repair(engine: Engine, found: Slice, *, reading: Reading) -> dict[str, int]:
    """Repair the rows of one slice; return how many were removed, by table.

    Owns its transactions: one for what is to be written, and one before it where rows are to be removed. Errors of
    the database are SQLAlchemy's DBAPIError; what is then undone is found again by another run.
    """
    surplus = [drift for drift in found.drifts if drift.kind is Kind.SURPLUS]
    removed = patiently(partial(_remove, engine, surplus, reading)) if surplus else {}
    if found.repairing:
        patiently(partial(_write, engine, found, reading))
    return removed


def _write(engine: Engine, found: Slice, reading: Reading) -> None:
    now = datetime.now(UTC)
    # What was once claimed holds for ever, whatever has happened since the slice was read.
    claims = [claim.row for claim in found.unmet]
    claims += [claim for facts in found.repairing.values() if has_opt_out(facts) for claim in opt_out_rows(facts)]
    with engine.begin() as connection:
        _wait_briefly(connection)
        for table, row_of in _ROW_OF:
            claims += _put_right(connection, table, row_of, found, reading, now)
        merge_opt_outs(connection, claims, now)


def _put_right(
    connection: Connection,
    table: Table,
    row_of: Callable[[Facts, Hints], Any],
    found: Slice,
    reading: Reading,
    now: datetime,
) -> list[OptOutRow]:
    """Write the rows of `table` that are missing or changed; return what the subjects of those now locked claim."""
    (key,) = table.primary_key
    drifts = {drift.key[key.name]: drift for drift in found.drifts if drift.table == table.name and drift.expected}
    missing = [dict(drift.expected) for drift in drifts.values() if drift.expected and drift.kind is Kind.MISSING]
    inserted = insert_missing(connection, table, missing, now)
    added = [row for row in missing if row[key.name] in inserted]
    asked = sorted(drifts.keys() - inserted)
    if not asked:
        _count(connection, table, added, [])
        return []
    locked = {row[key.name]: row for row in locked_rows(connection, table, asked, _TELLING.get(table.name, [key]))}
    condition = is_one_of(connection, LEDGER.c.subject_id, list(locked))
    known = read_ledger(connection, condition, reading, found.repairing)
    made = {subject: _made(drifts[subject], row, known, found.repairing, row_of) for subject, row in locked.items()}
    overwrite(connection, table, [row for row in made.values() if row], now)
    _count(connection, table, added, [Change(old=locked[subject], new=row) for subject, row in made.items() if row])
    return [
        claim
        for subject, row in locked.items()
        if has_opt_out(facts := known.facts.get(subject, []))
        for claim in opt_out_rows(facts, hints_of(row))
    ]


def _count(connection: Connection, table: Table, added: list[dict[str, Any]], changes: list[Change]) -> None:
    if table is MESSAGES:
        keep_deltas(connection, added, changes)


def _made(
    drift: Drift, locked: Row, known: Known, compared: Mapping[str, Facts], row_of: Callable[[Facts, Hints], Any]
) -> dict[str, Any] | None:
    """Return the row that the facts make now; None where they make none."""
    (subject,) = drift.key.values()
    facts = known.facts.get(subject, [])
    told = {name: value for name, value in locked.items() if name not in drift.key}
    if drift.stored and facts == compared[subject] and told.items() <= drift.stored.items():
        return dict(drift.expected or {})  # as nothing has changed since the slice was read
    row = row_of(facts, hints_of(locked))
    return columns_of(row) if row else None


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
    row_of: Callable[[Facts, Hints], Any],
    surplus: list[Drift],
    reading: Reading,
) -> int:
    (key,) = table.primary_key
    asked = sorted(drift.key[key.name] for drift in surplus if drift.table == table.name)
    if not asked:
        return 0
    columns = _TELLING.get(table.name, [key])
    locked = {row[key.name]: row for row in locked_rows(connection, table, asked, columns)}
    known = read_ledger(connection, is_one_of(connection, LEDGER.c.subject_id, list(locked)), reading)
    gone = [name for name in locked if row_of(known.facts.get(name, []), []) is None and name not in known.unreadable]
    if table is MESSAGES:
        keep_deltas(connection, [], [Change(old=locked[name], new=None) for name in gone])
    return connection.execute(delete(table).where(key.in_(gone))).rowcount
