"""The one statement of a look-up: made by SQLAlchemy once, and then given to the driver as it is.

What SQLAlchemy does around each execution takes about as long as the driver's own part, and look-ups share their
process with deliveries.
"""

import time
from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Engine, Select, func, literal_column, null, select, true
from sqlalchemy.exc import SQLAlchemyError

from models.in_array import WANTED, array_text, in_array
from models.in_force import in_force
from models.sessions import execute_single
from models.tables import FORGET_KEYS, OPT_OUTS
from models.types import UTCDateTime
from sync.queue.clock import clock_offset
from sync.suppression.freshness import WaitingInDatabase, waiting_columns

_FOUND = ("person", "channel", "sender", "opted_out_at", "source", "message_id")


def _waiting(dialect: str) -> Select[Any]:
    """Return the query of what waits, of the database's clock, and of the keys that forgotten people need.

    SQLite has the clock of this machine.
    """
    is_postgresql = dialect == "postgresql"
    clock = func.clock_timestamp() if is_postgresql else null()
    joined = func.string_agg if is_postgresql else func.group_concat
    keys = select(joined(FORGET_KEYS.c.key_id, literal_column("','"))).scalar_subquery()
    return select(*waiting_columns(), clock.label("clock"), keys.label("keys_in_use"))


class NotAnswered(Exception):  # noqa: N818 - a state, not a mistake
    """The database did not answer, or not this question."""


class ConnectionBroken(NotAnswered):
    """The connection was closed, perhaps while it rested: another one may be answered."""


class FoundOptOut(NamedTuple):
    """An opt-out in force, of one of the persons that were asked for."""

    person: str
    channel: str
    sender: str
    opted_out_at: datetime
    source: str
    message_id: str | None


class LookupResult(NamedTuple):
    """What the database says at one moment: the opt-outs in force, and what waits to become one."""

    opt_outs: list[FoundOptOut]
    waiting: WaitingInDatabase
    clock_offset_seconds: float
    keys_in_use: frozenset[str]


class CompiledStatement(NamedTuple):
    text: str
    names: tuple[str, ...] | None  # of its parameters, if the driver takes them by position


class LookupQuery:
    """Asks one database, whose engine may be read-only. Safe for threads."""

    def __init__(self, engine: Engine) -> None:
        # A statement is a moment of its own, and needs no transaction around it.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._dialect = engine.dialect
        self._driver_error: type[Exception] = engine.dialect.loaded_dbapi.Error
        time_type: Any = UTCDateTime().dialect_impl(engine.dialect)
        self._written, self._read = (
            time_type.bind_processor(engine.dialect),
            time_type.result_processor(engine.dialect, None),
        )
        self._statement = cache(self._made)

    def ask(self, persons: Collection[str], oldest_in_queue: datetime | None) -> LookupResult:
        """Return what there is, in one statement; over a new connection if the first turned out to be broken.

        `oldest_in_queue` is the parameter of `waiting_columns`. Raises NotAnswered.
        """
        parameters = {
            "oldest_in_queue": oldest_in_queue and self._written(oldest_in_queue),
            WANTED: array_text(self._dialect.name, persons),
        }
        statement = self._statement(bool(persons))
        begun = time.time()
        try:
            rows = self._rows(statement, parameters)
        except ConnectionBroken:
            self._engine.dispose()  # the others that rest may be broken too
            rows = self._rows(statement, parameters)
        read = self._read
        in_inbox, in_dead_letters, nameless, clock, keys_in_use, *_ = rows[0]
        return LookupResult(
            opt_outs=[
                FoundOptOut(person, channel, sender, read(opted_out_at), source, message_id)
                for *_, person, channel, sender, opted_out_at, source, message_id in (rows if persons else ())
                if person is not None
            ],
            waiting=WaitingInDatabase(
                in_inbox=read(in_inbox),
                in_dead_letters=read(in_dead_letters),
                nameless=read(nameless),
            ),
            clock_offset_seconds=clock_offset(begun, clock.timestamp(), time.time()) if clock else 0.0,
            keys_in_use=frozenset(keys_in_use.split(",")) if keys_in_use else frozenset(),
        )

    def _rows(self, statement: CompiledStatement, parameters: dict[str, Any]) -> list[Any]:
        try:
            with self._engine.connect() as connection:
                return self._execute(connection, statement, parameters)
        except self._driver_error:
            # SQLAlchemy wraps what statements raise, but not what a connection does that knows to be closed.
            raise ConnectionBroken from None
        except SQLAlchemyError:
            raise NotAnswered from None

    def _execute(self, connection: Connection, statement: CompiledStatement, parameters: dict[str, Any]) -> list[Any]:
        values: Any = parameters if statement.names is None else [parameters[name] for name in statement.names]
        try:
            return execute_single(connection, statement.text, values)
        except self._driver_error as error:
            if not self._dialect.is_disconnect(cast(Any, error), connection.connection.dbapi_connection, None):
                raise NotAnswered from None
            connection.invalidate()
            raise ConnectionBroken from None
        except BaseException:
            connection.invalidate()  # what it would answer next is not known
            raise

    def _made(self, is_of_any: bool) -> CompiledStatement:
        compiled: Any = (_query(self._dialect.name) if is_of_any else _waiting(self._dialect.name)).compile(
            self._engine
        )
        return CompiledStatement(str(compiled), tuple(compiled.positiontup) if compiled.positional else None)


def _query(dialect: str) -> Select[Any]:
    """Return the one statement of a look-up: one or more rows of opt-outs, each with the values of what waits.

    One statement sees one moment, and is one round trip to the database. Its opt-outs are of any channel and sender:
    SQL cannot say which spellings of a sender are alike, and no person has many opt-outs.
    """
    query = select(*(OPT_OUTS.c[name] for name in _FOUND)).where(
        in_array(dialect, OPT_OUTS.c.person), in_force(OPT_OUTS)
    )
    waiting, opt_outs = _waiting(dialect).subquery("waiting"), query.subquery("found")
    return select(waiting, opt_outs).select_from(waiting.outerjoin(opt_outs, true()))
