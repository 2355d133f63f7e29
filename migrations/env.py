"""Runs the migrations: one process at a time, in one transaction, on the database of DATABASE_URL.

A caller that already holds a connection passes it as `config.attributes["connection"]`.
"""

import os
import sys
import warnings

from alembic import context
from sqlalchemy import Connection, MetaData, text
from sqlmodel import SQLModel

import models
from models.database import open_database
from models.schema import VERSION_TABLE
from sync.environment import SettingError, read_database_url
from sync.setting_names import require_known_names
from sync.settings import read_report_timezone

# Any constant will do, as long as no other application on this database uses it.
LOCK_KEY = 0x7A657861  # "zexa"

assert models.__all__  # importing the package fills the metadata


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
    with engine.begin() as opened:
        migrate(opened)
    engine.dispose()


def migrate(connection: Connection) -> None:
    """Upgrade or downgrade inside the caller's transaction; a second process waits, then finds it done.

    On SQLite the transaction itself is the lock, as it begins IMMEDIATE.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
    context.configure(
        connection=connection,
        target_metadata=tables_of(connection.dialect.name),
        version_table=VERSION_TABLE,
        transactional_ddl=True,
        compare_type=True,
        compare_server_default=True,
        include_name=is_ours,
    )
    with context.begin_transaction(), warnings.catch_warnings():
        # PostgreSQL tells the expression of `person` in other words than ours, so Alembic takes them for different. A
        # test holds what the migration makes equal to what the models make.
        warnings.filterwarnings("ignore", "Computed default on .*person cannot be modified")
        context.run_migrations()


def tables_of(dialect: str) -> MetaData:
    """Return the tables of the models, as this database can have them.

    Alembic does not read `ddl_if`, so it would miss indexes of block ranges on SQLite, which has none.
    """
    metadata = MetaData()
    for table in SQLModel.metadata.tables.values():
        copy = table.to_metadata(metadata)
        if dialect == "sqlite":
            brin = {index for index in copy.indexes if index.dialect_options["postgresql"]["using"] == "brin"}
            copy.indexes -= brin
    return metadata


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Return whether to compare this with the models: tables of other applications are not ours to judge."""
    return kind != "table" or name in SQLModel.metadata.tables


if context.is_offline_mode():
    sys.exit("zexa-sync: migrations need a database; there is no offline mode")
main()
