"""Runs the migrations: one process at a time, in one transaction, on the database of DATABASE_URL.

A caller that already holds a connection passes it as `config.attributes["connection"]`.
"""

import os
import sys

from alembic import context
from sqlalchemy import Connection, text
from sqlmodel import SQLModel

import models
from models.database import open_database
from sync.environment import SettingError, read_database_url

# Any constant will do, as long as no other application on this database uses it.
LOCK_KEY = 0x7A657861  # "zexa"

assert models.__all__  # importing the package fills the metadata


def main() -> None:
    connection = context.config.attributes.get("connection")
    if connection is not None:
        migrate(connection)
        return
    try:
        url = read_database_url(os.environ)
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
        target_metadata=SQLModel.metadata,
        transactional_ddl=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    sys.exit("zexa-sync: migrations need a database; there is no offline mode")
main()
