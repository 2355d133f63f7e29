"""Statements that any table takes, written for many rows at once. Every function works in the caller's transaction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, TypeVar, cast

from sqlalchemy import ARRAY, Column, ColumnElement, Connection, Insert, Table, any_, bindparam, func, or_, select, text
from sqlalchemy.dialects import postgresql, sqlite

from sync.merge import CampaignRow, MessageRow
from sync.opt_out_rule import OptOutRow

# SQLite takes 32,766 parameters in a statement, PostgreSQL 65,535.
KEYS_PER_QUERY = 10_000

Value = TypeVar("Value")


def hold_one_moment(connection: Connection) -> None:
    """Let every query of the transaction see the same state, as on SQLite every transaction does.

    Must come before the first query of the transaction.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))


def slices(keys: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Yield `keys` in as many pieces as it takes for each to fit into one statement."""
    return (keys[start : start + KEYS_PER_QUERY] for start in range(0, len(keys), KEYS_PER_QUERY))


def is_one_of(connection: Connection, column: Column[Any], keys: Sequence[Any]) -> ColumnElement[bool]:
    """Return the condition that `column` is one of `keys`, which are a slice.

    PostgreSQL gets them as one array: to read and plan a list of a thousand takes it longer than to find the rows.
    """
    if connection.dialect.name == "sqlite":
        return column.in_(keys)
    return column == any_(bindparam(f"{column.name}_keys", list(keys), type_=ARRAY(column.type)))


RowValues = MessageRow | CampaignRow | OptOutRow
_VALUES = {kind: attrgetter(*kind.__slots__) for kind in (MessageRow, CampaignRow, OptOutRow)}


def values_of(row: RowValues) -> tuple[Any, ...]:
    """Return the values of a row, in the order of its fields."""
    return tuple(_VALUES[type(row)](row))


def columns_of(row: RowValues) -> dict[str, Any]:
    """Return the columns of a row by name, in the order of its fields."""
    # dataclasses.asdict() copies every value, which costs more than making the row.
    return dict(zip(row.__slots__, values_of(row), strict=True))


def insert_missing(connection: Connection, table: Table, rows: list[dict[str, Any]], now: datetime) -> set[str]:
    """Insert those of `rows` whose keys are not there yet; return these keys."""
    if not rows:
        return set()
    (key,) = table.primary_key
    if connection.dialect.name == "sqlite":
        # Nobody else writes in this transaction, so what is missing stays so. Insertions that return their
        # keys become statements of hundreds of rows, which take twice as long to make as to execute.
        there = {name for some in slices([row[key.name] for row in rows]) for name in _found(connection, key, some)}
        rows = [row for row in rows if row[key.name] not in there]
        execute_many(connection, table, sqlite.insert(table), [row | {"updated_at": now} for row in rows])
        return {row[key.name] for row in rows}
    insert, stamped = bulk_insert(connection, table, rows, updated_at=now)
    return set(connection.execute(insert.on_conflict_do_nothing().returning(key), stamped).scalars().all())


def _found(connection: Connection, key: Column[Any], keys: Sequence[str]) -> Iterable[str]:
    return connection.execute(select(key).where(is_one_of(connection, key, keys))).scalars()


def locked_rows(
    connection: Connection, table: Table, keys: Sequence[str], columns: Sequence[Column[Any]] = ()
) -> Iterator[Mapping[str, Any]]:
    """Lock the rows under `keys`, which are sorted, in their order; yield them, whole or only these `columns`."""
    (key,) = table.primary_key
    for some in slices(keys):
        query = select(*(columns or table.columns)).where(is_one_of(connection, key, some))
        found = connection.execute(query.order_by(key).with_for_update())
        yield from cast(Iterable[Mapping[str, Any]], found.mappings())


def overwrite(connection: Connection, table: Table, rows: list[dict[str, Any]], now: datetime) -> None:
    """Write whole rows over those of their keys, which the caller has locked; what is the same already stays."""
    if not rows:
        return
    insert, rows_given = bulk_insert(connection, table, rows, updated_at=now)
    values = {
        column.name: insert.excluded[column.name]
        for column in table.columns
        if not column.primary_key and column.computed is None
    }
    says_else = or_(*(table.c[name].is_distinct_from(new) for name, new in values.items() if name != "updated_at"))
    keys = list(table.primary_key)
    upsert = insert.on_conflict_do_update(index_elements=keys, set_=values, where=says_else)
    if rows_given is None:
        connection.execute(upsert)
    else:
        execute_many(connection, table, upsert, rows_given)


def execute_many(connection: Connection, table: Table, statement: Insert, rows: Sequence[Mapping[str, Any]]) -> None:
    """Execute `statement` for each of `rows`, which have the same columns, on SQLite.

    Values are prepared as SQLAlchemy would, but a column at a time and without a look at those that are NULL, which
    most are: a third of the work.
    """
    if not rows:
        return
    compiled = statement.compile(dialect=connection.dialect, column_keys=list(rows[0]))
    columns = []
    for name in compiled.positiontup or ():
        prepare = table.c[name].type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
        values = [row[name] for row in rows]
        if prepare:
            # A moment is rarely alone: all rows are written at one, and a status is often of the moment it tells.
            once = {value: prepare(value) for value in {*values} - {None}}
            values = [once.get(value) for value in values]
        columns.append(values)
    connection.exec_driver_sql(str(compiled), list(zip(*columns, strict=True)))


def bulk_insert(
    connection: Connection, table: Table, rows: list[dict[str, Any]], **constants: Any
) -> tuple[Any, list[dict[str, Any]] | None]:
    """Return an insert of `rows`, to be given a conflict clause, and the parameters to execute it with.

    `constants` are columns that every row has alike. PostgreSQL gets one array a column, or one value where all
    rows have the same: a fraction of the work of a long list of values.
    """
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table), [row | constants for row in rows] if constants else rows
    first, *others = rows[0]  # the first is part of the key, so it stands for the number of rows
    values = {first: [row[first] for row in rows]}
    constants = dict(constants)
    for name in others:
        found = [row[name] for row in rows]
        if all(value == found[0] for value in found):
            constants[name] = found[0]
        else:
            values[name] = found
    source = _unnested(table, values)
    same = [bindparam(f"{name}_value", value, type_=table.c[name].type) for name, value in constants.items()]
    selected = select(*(source.c[name] for name in values), *same).select_from(source)
    return postgresql.insert(table).from_select([*values, *constants], selected), None


def _unnested(table: Table, values: Mapping[str, list[Any]]) -> Any:
    arrays = [bindparam(f"{name}_values", found, type_=ARRAY(table.c[name].type)) for name, found in values.items()]
    return func.unnest(*arrays).table_valued(*values).render_derived()
