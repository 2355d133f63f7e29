"""The checks of the database: can events be written, does it keep what it confirms, and are the tables ours?"""

from collections.abc import Collection, Iterable, Iterator

from sqlalchemy import URL, Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from models.errors import error_line, is_misconfigured
from models.forget_keys import missing_forget_keys
from models.refusals import SchemaBehind, SchemaError
from models.schema import (
    VERSION_TABLE,
    current_revision,
    require_compatible,
    require_utf8,
)
from models.sessions import is_pooled
from models.tables import METADATA
from models.writable import is_busy, is_standby, missing_rights, write_and_roll_back
from sync.doctor import store_findings as findings
from sync.doctor.check import worst
from sync.terminal.findings import Check, ok, unknown
from sync.terminal.stores import open_quickly

NAMES_MAX = 5

_DURABILITY = text(
    "SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit, "
    "current_setting('full_page_writes') AS full_page_writes"
)


def check_database(url: URL, forget_key_ids: Collection[str] = ()) -> Iterator[Check]:
    """Yield the checks of the database; only the first if it cannot be used.

    `forget_key_ids` are the fingerprints of the keys of ZEXA_FORGET_KEY.
    """
    reader, writer = open_quickly(url, is_read_only=True), open_quickly(url)
    try:
        with reader.connect() as connection:
            yield ok("database", _name(connection))
            schema, durability = check_kept(connection)
            yield schema
            yield durability
            yield _pooler(connection)
            yield _foreign_tables(connection)
            if schema.status != "problem":
                yield check_forget_key(connection, forget_key_ids)
        yield _writable(writer, has_schema=schema.status != "problem")
    except DBAPIError as error:
        away = findings.DATABASE_MISCONFIGURED if is_misconfigured(error) else findings.DATABASE_AWAY
        yield away(error=error_line(error))
    finally:
        reader.dispose()
        writer.dispose()


def check_kept(connection: Connection) -> tuple[Check, Check]:
    """Return whether the schema is ours, and whether the database keeps what it confirms. Both are read at once."""
    return _schema(connection), _durability(connection)


def _name(connection: Connection) -> str:
    if connection.dialect.name == "sqlite":
        return "the SQLite file can be read"
    version = connection.scalar(text("SELECT current_setting('server_version')"))
    return f"PostgreSQL {version} answers"


def _schema(connection: Connection) -> Check:
    try:
        require_utf8(connection)
        is_ahead = require_compatible(connection)
    except SchemaBehind as error:
        return findings.SCHEMA_BEHIND(line=str(error).partition(":")[0])
    except SchemaError as error:
        line, _, remedy = str(error).partition(": ")
        return findings.SCHEMA_WRONG(line=line, remedy=remedy)
    return findings.SCHEMA_AHEAD() if is_ahead else ok("schema", "it is the one of this version")


def _durability(connection: Connection) -> Check:
    if connection.dialect.name == "sqlite":
        return ok("durability", "a commit is on disk before it returns, if the disk is of this machine")
    settings = connection.execute(_DURABILITY).one()
    checks = [ok("durability", "a commit is on disk before it returns")]
    if settings.fsync == "off":
        checks.append(findings.FSYNC_OFF())
    if settings.synchronous_commit == "off":
        checks.append(findings.COMMIT_NOT_ON_DISK())
    if settings.full_page_writes == "off":
        checks.append(findings.PAGES_TORN())
    return worst(checks)


def _pooler(connection: Connection) -> Check:
    if connection.dialect.name == "sqlite":
        return ok("pooler", "SQLite has none")
    if is_pooled(connection.connection.driver_connection):
        return ok("pooler", "a pooler in transaction mode stands before the database, which is provided for")
    return ok("pooler", "no pooler stands before the database, or one that gives each client a connection of its own")


def _foreign_tables(connection: Connection) -> Check:
    """Compare the tables in our schema with ours: before the migrations none may be there, after them all."""
    is_postgresql = connection.dialect.name == "postgresql"
    schema = connection.scalar(text("SELECT current_schema()")) if is_postgresql else None
    inspector = inspect(connection)
    ours = METADATA.tables
    columns = inspector.get_multi_columns(schema, filter_names=list(ours))
    stored_columns = {name: {column["name"] for column in columns[_, name]} for _, name in columns}
    if current_revision(connection) is None:
        return (
            findings.TABLES_OF_OTHERS(names=_listed(stored_columns))
            if stored_columns
            else ok("foreign_tables", "none in the way")
        )
    changed = [name for name, table in ours.items() if not stored_columns.get(name, set()) >= set(table.columns.keys())]
    if changed:
        return findings.TABLES_CHANGED(names=_listed(changed))
    others = len(set(inspector.get_table_names(schema)) - {*ours, VERSION_TABLE})
    beside = f"; {others} of other programs beside them, which are left alone" if others else ""
    return ok("foreign_tables", f"the tables are ours{beside}")


def check_forget_key(connection: Connection, key_ids: Collection[str]) -> Check:
    """Return whether the keys that forgotten people were hashed with are among those with these fingerprints."""
    missing = missing_forget_keys(connection, key_ids)
    if missing:
        return findings.FORGET_KEY_MISSING(key_ids=_listed(missing))
    return ok(
        "forget_key", "whoever was forgotten is known by a key that is set" if key_ids else "nobody was forgotten"
    )


def _listed(names: Iterable[str]) -> str:
    names = sorted(names)
    more = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
    return ", ".join(names[:NAMES_MAX]) + more


def _writable(writer: Engine, *, has_schema: bool) -> Check:
    """Write as a delivery would be written while Redis is away, and roll that back."""
    try:
        with writer.connect() as connection:
            if not has_schema:
                return unknown("database_writable", "the tables are not there, or not those of this version")
            if missing := missing_rights(connection):
                return findings.RIGHTS_MISSING(rights=_listed(missing))
            write_and_roll_back(connection)
    except DBAPIError as error:
        if is_busy(error):
            return ok("database_writable", "another process writes just now")
        if is_standby(error):
            return findings.DATABASE_STANDBY()
        return findings.INBOX_REFUSES(error=error_line(error))
    return ok("database_writable", "a row of the inbox was written, and rolled back")
