"""The settings that the project's statements on PostgreSQL depend on, set anew in every transaction.

The database, the role, or other users of the same connection may have set something else. A pooler in transaction mode
(PgBouncer, Neon, Supabase) gives each transaction any of its server connections. A setting that one client makes for
its session reaches another client, or is lost. So transactions begin with `SET LOCAL`, in the same message as BEGIN.
Nothing is set for a session that another client could have.
"""

from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, event

# The place in which a pooled connection keeps the statements that its single statements begin with.
_SINGLE = "zexa_single"
_DEPENDED_ON = (
    "TimeZone = 'UTC'",
    "DateStyle = 'ISO, YMD'",
    "IntervalStyle = 'postgres'",
    "client_encoding = 'UTF8'",
    "standard_conforming_strings = on",
    "bytea_output = 'hex'",
    "lock_timeout = 0",
    # Whether a commit is on disk before it returns is for the database to say, not for a neighbour.
    "synchronous_commit = DEFAULT",
)


class Sessions:
    """Gives the connections of one engine what they depend on. The engine's own isolation level is AUTOCOMMIT.

    psycopg would send a BEGIN of its own, and the settings would cost another round trip.
    """

    def __init__(self, *, schema: str | None, statement_seconds: float, is_read_only: bool) -> None:
        path = f'"{schema}"' if schema else "DEFAULT"
        timeout = int(statement_seconds * 1000)
        settings = [*_DEPENDED_ON, f"statement_timeout = {timeout}", f"search_path = {path}"]
        mode = f"READ {'ONLY' if is_read_only else 'WRITE'}"
        switch = "on" if is_read_only else "off"
        self._begin = _script(f"BEGIN ISOLATION LEVEL READ COMMITTED {mode}", *_each("SET LOCAL", settings))
        # Several statements in one message are one transaction without a BEGIN too.
        self._single = _script(*_each("SET LOCAL", [f"transaction_read_only = {switch}", *settings]))
        self._session = _script(*_each("SET", [f"default_transaction_read_only = {switch}", *settings]))

    def listen(self, engine: Engine) -> None:
        event.listen(engine, "connect", self._prepare)
        event.listen(engine, "begin", self._begin_transaction)
        event.listen(engine, "do_execute_no_params", _execute_script)

    def _prepare(self, connection: Any, record: Any) -> None:
        from psycopg.types.array import ListBinaryDumper  # noqa: PLC0415 - not loaded if only SQLite is used

        # Writing arrays as text, every element quoted, costs the driver six times as much.
        connection.adapters.register_dumper(list, ListBinaryDumper)
        if is_pooled(connection):
            # The server connection that knows a prepared statement may not be the next one.
            connection.prepare_threshold = None
            connection.adapters.register_loader("timestamptz", _time_loader())
            record.info[_SINGLE] = self._single
        else:
            connection.execute(self._session, prepare=False)

    def _begin_transaction(self, connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            # Nothing of it is streamed, though the engine may stream what it reads.
            options = {"no_parameters": True, "stream_results": False, "yield_per": None}
            connection.exec_driver_sql(self._begin, execution_options=options)


def execute_single(connection: Connection, text: str, parameters: Any) -> list[Any]:
    """Execute one statement of the driver's own outside of any transaction; return its rows.

    It is one message to the database, prepared if it is repeated; over a pooler the settings go with it. Raises the
    errors of the driver.
    """
    fairy = connection.connection
    single = fairy.info.get(_SINGLE)
    if single is None:
        with closing(fairy.cursor()) as cursor:
            cursor.execute(text, parameters)
            return list(cursor.fetchall())
    from psycopg import ClientCursor  # noqa: PLC0415 - not loaded if only SQLite is used

    driver: Any = fairy.driver_connection
    with ClientCursor(driver) as cursor:
        # Parameters in the text, which the driver quotes: a message with parameters of its own takes one statement.
        cursor.execute(single + text, parameters)
        while cursor.nextset():
            pass
        return list(cursor.fetchall())


def is_pooled(connection: Any) -> bool:
    """Return whether a pooler stands before the server: the connection names another process id than the server does.

    A pooler cannot name the id of a server process: the next transaction has another server process.
    """
    (pid,) = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    return bool(pid != connection.info.backend_pid)


def _time_loader() -> Any:
    """Return a reader of times as the settings of this module write them.

    psycopg's own reader goes by the settings of the connection at the time it reads. A single statement is a
    transaction of its own, which has ended by then.
    """
    from psycopg.adapt import Loader  # noqa: PLC0415 - not loaded if only SQLite is used

    class IsoLoader(Loader):
        def load(self, data: Any) -> datetime:
            return datetime.fromisoformat(bytes(data).decode())

    return IsoLoader


def _execute_script(cursor: Any, script: str, _context: object) -> bool:
    """Execute several statements at once, which psycopg must not try to prepare as one after their fifth use."""
    cursor.execute(script, prepare=False)
    return True


def _each(command: str, settings: Iterable[str]) -> list[str]:
    return [f"{command} {setting}" for setting in settings]


def _script(*statements: str) -> str:
    return "".join(f"{statement}; " for statement in statements)
