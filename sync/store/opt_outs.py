"""The statements about opt-outs, and the rows of `opt_outs` that follow from them.

A statement goes into the history once. Then the rows that it is about are computed from all statements about their
persons. Each transaction that writes here writes to the history first, which is where `hold_statements` waits.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime

from msgspec.structs import asdict
from sqlalchemy import Connection, delete, select, text, tuple_
from sqlalchemy.dialects import sqlite

from models.statements import bulk_insert, is_one_of, overwrite, slices
from models.tables import HISTORY, NAMELESS_OPT_OUTS, OPT_OUTS
from models.views import OPT_OUT_STATEMENTS
from sync.events.addresses import person_of
from sync.events.event import Event
from sync.events.opt_outs import (
    NAMELESS_FOR,
    OptOutKey,
    OptOutRow,
    OptOutStatement,
    StoredStatement,
    nameless_opt_outs,
    opt_out_rows,
    opt_outs_of,
)

_FIELDS = tuple(field.name for field in fields(OptOutStatement))
# What the fold of statements reads: the rest is for people.
_STATED = tuple(
    OPT_OUT_STATEMENTS.c[name]
    for name in (
        *("kind", "channel", "address", "sender", "occurred_at", "received_at"),
        *("source", "message_id", "digest", "reason", "opt_out_id", "person"),
    )
)


def merge_opt_outs(connection: Connection, events: Mapping[str, list[Event]], now: datetime) -> None:
    """Bring `opt_outs` up to date with the opt-outs among `events`: of each subject every body that is known."""
    opting_out = {
        event.subject_id: events[event.subject_id]
        for bodies in events.values()
        for event in bodies
        if event.message and event.message.is_opt_out
    }
    if not opting_out:
        return
    state(connection, [statement for bodies in opting_out.values() for statement in opt_outs_of(bodies)], now)
    _keep_nameless(connection, opting_out)


def _keep_nameless(connection: Connection, events: Mapping[str, list[Event]]) -> None:
    """Keep in `nameless_opt_outs` which of these opt-outs name nobody, and no others of their subjects."""
    for piece in slices(sorted(events)):
        connection.execute(
            delete(NAMELESS_OPT_OUTS).where(is_one_of(connection, NAMELESS_OPT_OUTS.c.subject_id, piece))
        )
    rows = [
        {
            "subject_id": subject,
            "digest": event.digest,
            "received_at": event.received_at,
            "holds_until": event.received_at + NAMELESS_FOR,
        }
        for subject, bodies in sorted(events.items())
        for event in nameless_opt_outs(bodies)
    ]
    if rows:
        connection.execute(NAMELESS_OPT_OUTS.insert(), rows)


def state(connection: Connection, statements: Iterable[OptOutStatement], now: datetime) -> None:
    """Keep opt-outs that are stated, each of an event once, and bring the rows that they are about up to date."""
    statements = sorted(statements, key=lambda statement: (statement.key, statement.digest or ""))
    if not statements:
        return
    add_to_history(connection, statements, now)
    write_rows(connection, {statement.key for statement in statements}, now)


def add_to_history(connection: Connection, statements: Sequence[OptOutStatement], now: datetime) -> None:
    """Add statements to the history; what an event states of an address is there once at the most."""
    rows = [{name: getattr(statement, name) for name in _FIELDS} for statement in statements]
    insert, parameters = bulk_insert(connection, HISTORY, rows, applied_at=now)
    connection.execute(insert.on_conflict_do_nothing(), parameters)


def write_rows(connection: Connection, keys: Collection[OptOutKey], now: datetime) -> None:
    """Bring the rows of `opt_outs` under `keys` up to date with all that was ever stated."""
    rows = _rows_of(connection, keys)
    existing = sorted(rows.keys() - _insert_missing(connection, rows, now))
    if not existing:
        return
    # Locked first: the holder of a row's lock, if it is the last, has seen every statement committed before.
    if connection.dialect.name == "postgresql":
        for piece in slices(existing):
            query = select(OPT_OUTS.c.address).where(tuple_(*OPT_OUTS.primary_key).in_(piece))
            connection.execute(query.order_by(*OPT_OUTS.primary_key).with_for_update())
        rows = _rows_of(connection, existing)
    overwrite(connection, OPT_OUTS, [asdict(rows[key]) for key in existing], now)


def _rows_of(connection: Connection, keys: Collection[OptOutKey]) -> dict[OptOutKey, OptOutRow]:
    rows = opt_out_rows(read_statements(connection, persons_of(keys)))
    return {key: row for key, row in rows.items() if key in keys}


def persons_of(keys: Iterable[OptOutKey]) -> set[str]:
    """Return whose rows of `opt_outs` these are."""
    return {person_of(address) for _, address, _ in keys}


def read_statements(connection: Connection, persons: Iterable[str]) -> list[StoredStatement]:
    """Return all that was ever stated about `persons`, under any spelling."""
    statements: list[StoredStatement] = []
    for piece in slices(sorted(persons)):
        query = select(*_STATED).where(is_one_of(connection, OPT_OUT_STATEMENTS.c.person, piece))
        statements += [dict(row) for row in connection.execute(query).mappings()]
    return statements


def read_rows(connection: Connection, persons: Iterable[str]) -> dict[OptOutKey, OptOutRow]:
    """Return every row of `opt_outs` of `persons`, sorted by key."""
    columns = [OPT_OUTS.c[name] for name in OptOutRow.__struct_fields__]
    rows: list[OptOutRow] = []
    for piece in slices(sorted(persons)):
        query = select(*columns).where(is_one_of(connection, OPT_OUTS.c.person, piece))
        rows += [OptOutRow(**row) for row in connection.execute(query).mappings()]
    return {row.key: row for row in sorted(rows, key=lambda row: row.key)}


def hold_statements(connection: Connection, *, alone: bool) -> None:
    """Keep others from ending opt-outs until the transaction ends, or with `alone` from stating anything at all.

    A transaction that ends opt-outs must see every opt-out that is stated before, and be seen by each that is
    stated after. On SQLite a transaction is alone anyway.
    """
    if connection.dialect.name == "postgresql":
        mode = "SHARE ROW EXCLUSIVE" if alone else "ROW EXCLUSIVE"
        connection.execute(text(f"LOCK TABLE opt_out_history IN {mode} MODE"))


def _insert_missing(connection: Connection, rows: Mapping[OptOutKey, OptOutRow], now: datetime) -> set[OptOutKey]:
    """Insert those of `rows`, which are sorted, whose keys are not there yet; return these keys."""
    if not rows:
        return set()
    values = [asdict(row) for row in rows.values()]
    keys = list(OPT_OUTS.primary_key)
    if connection.dialect.name == "sqlite":
        stored_rows = read_rows(connection, persons_of(rows))
        missing = [row | {"updated_at": now} for row, key in zip(values, rows, strict=True) if key not in stored_rows]
        if missing:
            connection.execute(sqlite.insert(OPT_OUTS), missing)
        return rows.keys() - stored_rows.keys()
    insert, parameters = bulk_insert(connection, OPT_OUTS, values, updated_at=now)
    inserted = connection.execute(insert.on_conflict_do_nothing().returning(*keys), parameters)
    return {(row.channel, row.address, row.sender) for row in inserted}
