"""Runs the migrations: one process at a time, in one transaction, on the database of DATABASE_URL.

A caller that already holds a connection passes it as `config.attributes["connection"]`.
"""

import os
import sys
import time
import warnings

from alembic import command, context
from sqlalchemy import Connection, Engine, MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema

from models.database import SCHEMA, open_database
from models.errors import error_line, is_misconfigured
from models.refusals import SchemaBehind, SchemaError
from models.schema import VERSION_TABLE, require_compatible, require_utf8
from sync.settings.database_url import read_database_url
from sync.settings.environment import SettingError
from sync.settings.names import require_known_names
from sync.settings.worker import read_report_timezone

# Any constant will do, as long as no other application on this database uses it.
LOCK_KEY = 0x7A657861  # "zexa"
WAIT_SECONDS = 60


def main() -> None:
    attributes = context.config.attributes
    if (connection := attributes.get("connection")) is not None:
        attributes["report_timezone"] = read_report_timezone(os.environ)
        migrate(connection)
        return
    try:
        require_known_names(os.environ)
        url = read_database_url(os.environ)
        attributes["report_timezone"] = read_report_timezone(os.environ)
    except SettingError as error:
        sys.exit(f"zexa-sync: {error}")
    engine = open_database(url)
    try:
        wait_for(engine)
        with engine.begin() as opened:
            migrate(opened)
    except DBAPIError as error:
        sys.exit(f"zexa-sync: the database of DATABASE_URL cannot be used: {error_line(error)}")
    except SchemaError as error:
        sys.exit(f"zexa-sync: {error}")
    finally:
        engine.dispose()


def wait_for(engine: Engine) -> None:
    """Return once the database takes a connection. A database that starts at the same time may come a little later."""
    deadline = time.monotonic() + WAIT_SECONDS
    is_told = False
    while True:
        try:
            with engine.connect():
                return
        except DBAPIError as error:
            if is_misconfigured(error) or time.monotonic() > deadline:
                raise
            if not is_told:
                print(f"zexa-sync: waiting for the database: {error_line(error)}", file=sys.stderr)  # noqa: T201
            is_told = True
            time.sleep(1)


def migrate(connection: Connection) -> None:
    """Upgrade or downgrade inside the caller's transaction; a second process waits, then finds it done.

    On SQLite the transaction itself is the lock, as it begins IMMEDIATE. Raises SchemaError.
    """
    if connection.dialect.name == "postgresql":
        require_utf8(connection)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        make_schema(connection)
    if _is_ahead(connection):
        return
    context.configure(
        connection=connection,
        target_metadata=tables_of(connection.dialect.name) if is_compared() else None,
        version_table=VERSION_TABLE,
        transactional_ddl=True,
        compare_type=True,
        compare_server_default=True,
        include_name=is_ours,
    )
    with context.begin_transaction(), warnings.catch_warnings():
        # PostgreSQL shows the expression of `person` in other words than the model, so Alembic takes them for
        # different. A test checks that the migration makes the same schema as the models.
        warnings.filterwarnings("ignore", "Computed default on .*person cannot be modified")
        context.run_migrations()


def make_schema(connection: Connection) -> None:
    """Make the schema that the settings name, unless it is there. Raises SchemaError if we may not."""
    schema = connection.get_execution_options().get(SCHEMA)
    if connection.scalar(text("SELECT current_schema()")) is not None:
        return
    if schema is None:
        raise SchemaError("the search path of this role has no schema that is there: name one in ZEXA_DATABASE_SCHEMA")
    if connection.execute(text("SELECT 1 FROM pg_namespace WHERE nspname = :schema"), {"schema": schema}).first():
        raise SchemaError(f"this role may not use the schema {schema}: grant it USAGE and CREATE")
    try:
        with connection.begin_nested():
            connection.execute(CreateSchema(schema))
    except DBAPIError as error:
        raise SchemaError(f"there is no schema {schema}, and it could not be made: {error_line(error)}") from None


def _is_ahead(connection: Connection) -> bool:
    """Return whether a newer version has migrated, as after a rollback; end with one line unless we can run on that.

    Alembic cannot do anything there, because it does not know the newer revisions.
    """
    try:
        is_ahead = require_compatible(connection)
    except SchemaBehind:
        return False
    except SchemaError as error:
        sys.exit(f"zexa-sync: {error}")
    if is_ahead:
        print(  # noqa: T201
            "zexa-sync: the database schema is ahead of this version, which can run on it: nothing was migrated",
            file=sys.stderr,
        )
    return is_ahead


def is_compared() -> bool:
    """Return whether the command compares tables with models, as all but `alembic upgrade` may.

    The models take half of the time of a migration that has nothing to do.
    """
    options = context.config.cmd_opts
    return options is None or options.cmd[0] is not command.upgrade


def models() -> MetaData:
    from models import all_tables  # noqa: PLC0415 - see is_compared

    return all_tables.METADATA


def tables_of(dialect: str) -> MetaData:
    """Return the tables of the models, as this database can have them.

    Alembic does not read `ddl_if`, so it would miss indexes of block ranges on SQLite, which has none.
    """
    metadata = MetaData()
    for table in models().tables.values():
        copy = table.to_metadata(metadata)
        if dialect == "sqlite":
            brin = {index for index in copy.indexes if index.dialect_options["postgresql"]["using"] == "brin"}
            copy.indexes -= brin
    return metadata


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Return whether to compare this with the models, which say nothing about tables of other applications."""
    return kind != "table" or name in models().tables


if context.is_offline_mode():
    sys.exit("zexa-sync: migrations need a database; there is no offline mode")
main()
