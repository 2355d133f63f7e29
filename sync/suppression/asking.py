"""The one statement of a look-up: made by SQLAlchemy once, and then given to the driver as it is.

What SQLAlchemy does around each execution takes about as long as the driver's own part, and look-ups share their
process with deliveries.
"""

from collections.abc import Collection
from contextlib import closing
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Engine, Select, Text, bindparam, column, literal_column, or_, select, table, true
from sqlalchemy.exc import SQLAlchemyError

from models.types import UTCDateTime
from sync.suppression.among import WANTED, is_among, listed
from sync.suppression.freshness import InDatabase, waiting_columns

_FOUND = ("address", "channel", "sender", "opted_out_at", "source", "message_id")
ACTIVE = table(
    "active_opt_outs", *(column(name, UTCDateTime() if name == "opted_out_at" else Text()) for name in _FOUND)
)
_WAITING = select(*waiting_columns())


class NotAnswered(Exception):  # noqa: N818 - a state, not a mistake
    """The database did not answer, or not this question."""


class ConnectionBroken(NotAnswered):
    """The connection was closed, perhaps while it rested: another one may be answered."""


class Found(NamedTuple):
    """An opt-out in force, of one of the addresses that were asked for."""

    address: str
    channel: str
    sender: str
    opted_out_at: datetime
    source: str
    message_id: str | None


class Seen(NamedTuple):
    """What the database says at one moment: the opt-outs in force, and what waits to become one."""

    found: list[Found]
    waiting: InDatabase


class Statement(NamedTuple):
    text: str
    names: tuple[str, ...] | None  # of its parameters, where the driver takes them by their places


class Asker:
    """Asks one database, whose engine may be read-only. Safe for threads, and for greenlets as the engine is."""

    def __init__(self, engine: Engine) -> None:
        # A statement is a moment of its own, and needs no transaction around it.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._dialect = engine.dialect
        self._driver_error: type[Exception] = engine.dialect.loaded_dbapi.Error
        moment: Any = UTCDateTime().dialect_impl(engine.dialect)
        self._written, self._read = moment.bind_processor(engine.dialect), moment.result_processor(engine.dialect, None)
        self._statement = cache(self._made)

    def ask(
        self, wanted: Collection[str], channel: str | None, sender: str | None, oldest_in_queue: datetime | None
    ) -> Seen:
        """Return what there is, in one statement; over a new connection where one turned out to be broken.

        `wanted` are addresses as the tables spell them, and `oldest_in_queue` is the parameter of `waiting_columns`.
        Raises NotAnswered.
        """
        parameters = {
            "oldest_in_queue": oldest_in_queue and self._written(oldest_in_queue),
            "channel": channel,
            "sender": sender,
            WANTED: listed(self._dialect.name, wanted),
        }
        statement = self._statement(bool(wanted), channel is not None, sender is not None)
        try:
            rows = self._rows(statement, parameters)
        except ConnectionBroken:
            self._engine.dispose()  # the others that rest may be broken too
            rows = self._rows(statement, parameters)
        read = self._read
        in_inbox, in_dead_letters, nameless, *_ = rows[0]
        return Seen(
            found=[
                Found(address, channel, sender, read(opted_out_at), source, message_id)
                for _, _, _, address, channel, sender, opted_out_at, source, message_id in (rows if wanted else ())
                if address is not None
            ],
            waiting=InDatabase(
                in_inbox=read(in_inbox),
                in_dead_letters=read(in_dead_letters),
                nameless=read(nameless),
            ),
        )

    def _rows(self, statement: Statement, parameters: dict[str, Any]) -> list[Any]:
        try:
            with self._engine.connect() as connection:
                return self._execute(connection, statement, parameters)
        except self._driver_error:
            # SQLAlchemy wraps what statements raise, but not what a connection does that knows to be closed.
            raise ConnectionBroken from None
        except SQLAlchemyError:
            raise NotAnswered from None

    def _execute(self, connection: Connection, statement: Statement, parameters: dict[str, Any]) -> list[Any]:
        given: Any = parameters if statement.names is None else [parameters[name] for name in statement.names]
        try:
            with closing(connection.connection.cursor()) as cursor:
                cursor.execute(statement.text, given)
                return list(cursor.fetchall())
        except self._driver_error as error:
            if not self._dialect.is_disconnect(cast(Any, error), connection.connection.dbapi_connection, None):
                raise NotAnswered from None
            connection.invalidate()
            raise ConnectionBroken from None
        except UnicodeError:  # a scope that is no text, which was not sent
            raise NotAnswered from None
        except BaseException:
            connection.invalidate()  # nobody knows what it would say next
            raise

    def _made(self, is_of_any: bool, is_of_channel: bool, is_of_sender: bool) -> Statement:
        query = _query(self._dialect.name, is_of_channel, is_of_sender) if is_of_any else _WAITING
        compiled: Any = query.compile(self._engine)
        return Statement(str(compiled), tuple(compiled.positiontup) if compiled.positional else None)


def _query(dialect: str, is_of_channel: bool, is_of_sender: bool) -> Select[Any]:
    """Return the one statement of a look-up: a row, or more, for what is found, and what waits in each of them.

    One statement sees one moment, and is one way to the database and back.
    """
    query = select(*(ACTIVE.c[name] for name in _FOUND)).where(is_among(dialect, ACTIVE.c.address))
    for name, is_asked in (("channel", is_of_channel), ("sender", is_of_sender)):
        if is_asked:
            query = query.where(or_(ACTIVE.c[name] == bindparam(name), ACTIVE.c[name] == literal_column("''")))
    waiting, found = _WAITING.subquery("waiting"), query.subquery("found")
    return select(waiting, found).select_from(waiting.outerjoin(found, true()))
