"""Statements that any table takes, written for many rows at once. Every function works in the caller's transaction."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar, cast

from msgspec.json import Encoder
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Insert,
    LargeBinary,
    Select,
    Table,
    any_,
    bindparam,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeDecorator, TypeEngine

from models.types import UTCDateTime

# SQLite takes 32,766 parameters in a statement, PostgreSQL 65,535.
KEYS_PER_QUERY = 10_000

Value = TypeVar("Value")


def hold_snapshot(connection: Connection) -> None:
    """Let every query of the transaction see the same state, as on SQLite every transaction does.

    Must come before the first query of the transaction.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))


def slices(keys: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Yield `keys` in as many pieces as it takes for each to fit into one statement."""
    return (keys[start : start + KEYS_PER_QUERY] for start in range(0, len(keys), KEYS_PER_QUERY))


class PackedArray(TypeDecorator[Any]):
    """An array of PostgreSQL's that is sent as one text, which msgspec writes; psycopg looks at each element in Python.

    Its elements are texts, numbers, truths, aware times, days or None, but no bytes.
    """

    impl = ARRAY
    cache_ok = True

    def __init__(self, item_type: TypeEngine[Any]) -> None:
        super().__init__(item_type)
        self.item_type = item_type

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str]:  # noqa: ARG002
        return _packed_times if isinstance(self.item_type, UTCDateTime) else packed


_timezone = attrgetter("tzinfo")


def _packed_times(times: Sequence[datetime | None]) -> str:
    if None in set(map(_timezone, filter(None, times))):
        raise ValueError("a naive datetime cannot be stored")
    return packed(times)


def packed(values: Sequence[Any]) -> str:
    """Return `values` as https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO reads them.

    JSON differs only in its brackets, and in what a backslash stands for.
    """
    text = _encode(values).decode()
    if "\\" in text:
        text = ",".join("NULL" if value is None else _quoted(value) for value in values)
        return f"{{{text}}}"
    return f"{{{text[1:-1]}}}"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_encode = Encoder().encode


def array_of(item_type: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type of a parameter that holds many values of `item_type`, for PostgreSQL."""
    return ARRAY(item_type) if isinstance(item_type, LargeBinary) else PackedArray(item_type)


def is_one_of(connection: Connection, column: Column[Any], keys: Sequence[Any]) -> ColumnElement[bool]:
    """Return the condition that `column` is one of `keys`, which are a slice.

    PostgreSQL gets them as one array: to read and plan a list of a thousand takes it longer than to find the rows.
    """
    if connection.dialect.name == "sqlite":
        return column.in_(keys)
    return column == any_(bindparam(f"{column.name}_keys", list(keys), type_=ARRAY(column.type)))


def insert_missing(connection: Connection, table: Table, rows: list[dict[str, Any]], now: datetime) -> set[str]:
    """Insert those of `rows` whose keys are not there yet; return these keys."""
    if not rows:
        return set()
    (key,) = table.primary_key
    if connection.dialect.name == "sqlite":
        # Nobody else writes in this transaction, so what is missing stays so. Insertions that return their
        # keys become statements of hundreds of rows, which take twice as long to make as to execute.
        stored_keys = {
            name for piece in slices([row[key.name] for row in rows]) for name in _stored_keys(connection, key, piece)
        }
        rows = [row for row in rows if row[key.name] not in stored_keys]
        execute_many(connection, table, sqlite.insert(table), [row | {"updated_at": now} for row in rows])
        return {row[key.name] for row in rows}
    statement = _insert_missing(table, tuple(rows[0]))
    return set(connection.execute(statement, _parameters(rows, {"updated_at": now})).scalar_one() or ())


@cache
def _insert_missing(table: Table, names: tuple[str, ...]) -> Select[Any]:
    (key,) = table.primary_key
    inserted = _insert_arrays(table, names, ("updated_at",)).on_conflict_do_nothing().returning(key).cte("inserted")
    # One row with all keys: a row for each takes Python longer.
    return select(func.array_agg(inserted.c[key.name], type_=ARRAY(key.type)))


def _stored_keys(connection: Connection, key: Column[Any], keys: Sequence[str]) -> Iterable[str]:
    return connection.execute(select(key).where(is_one_of(connection, key, keys))).scalars()


def locked_rows(
    connection: Connection, table: Table, keys: Sequence[str], columns: Sequence[Column[Any]] = ()
) -> Iterator[Mapping[str, Any]]:
    """Lock the rows under `keys`, which are sorted, in their order; yield them, whole or only these `columns`."""
    (key,) = table.primary_key
    for piece in slices(keys):
        query = select(*(columns or table.columns)).where(is_one_of(connection, key, piece))
        result = connection.execute(query.order_by(key).with_for_update())
        yield from cast(Iterable[Mapping[str, Any]], result.mappings())


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
    if connection.dialect.name == "sqlite":
        execute_many(connection, table, upsert, rows_given)
    else:
        connection.execute(upsert, rows_given)


def execute_many(connection: Connection, table: Table, statement: Insert, rows: Sequence[Mapping[str, Any]]) -> None:
    """Execute `statement` for each of `rows`, which have the same columns, on SQLite.

    Values are prepared as SQLAlchemy would, but a column at a time, and without a look at NULLs, which most are. That
    is a third of the work.
    """
    if not rows:
        return
    compiled = statement.compile(dialect=connection.dialect, column_keys=list(rows[0]))
    columns = []
    for name in compiled.positiontup or ():
        prepare = table.c[name].type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
        values = [row[name] for row in rows]
        if prepare:
            # Times repeat: all rows are written at one time, and a status often has the time of its event.
            once = {value: prepare(value) for value in {*values} - {None}}
            values = [once.get(value) for value in values]
        columns.append(values)
    connection.exec_driver_sql(str(compiled), list(zip(*columns, strict=True)))


def bulk_insert(connection: Connection, table: Table, rows: list[dict[str, Any]], **constants: Any) -> tuple[Any, Any]:
    """Return an insert of `rows`, to be given a conflict clause, and the parameters to execute it with.

    `constants` are columns that every row has alike. PostgreSQL gets one array a column, a fraction of the work of a
    long list of values.
    """
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table), [row | constants for row in rows] if constants else rows
    return _insert_arrays(table, tuple(rows[0]), tuple(constants)), _parameters(rows, constants)


@cache
def _insert_arrays(table: Table, names: tuple[str, ...], constants: tuple[str, ...]) -> postgresql.Insert:
    """Return the insert of one array for each of `names`, and one value for each of `constants`, on PostgreSQL."""
    arrays = [bindparam(f"{name}_values", type_=array_of(table.c[name].type)) for name in names]
    source = func.unnest(*arrays).table_valued(*names).render_derived()
    constant_columns = [bindparam(f"{name}_value", type_=table.c[name].type) for name in constants]
    selected = select(*(source.c[name] for name in names), *constant_columns).select_from(source)
    return postgresql.insert(table).from_select([*names, *constants], selected)


def _parameters(rows: Sequence[Mapping[str, Any]], constants: Mapping[str, Any]) -> dict[str, Any]:
    arrays = {f"{name}_values": [row[name] for row in rows] for name in rows[0]}
    return arrays | {f"{name}_value": value for name, value in constants.items()}
