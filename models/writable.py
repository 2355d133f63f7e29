"""Can the database be written to as events are written? Answering is not enough: it may be a standby, or forbid it."""

import sqlite3
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, text
from sqlalchemy.exc import DBAPIError

from models.tables import INBOX

# Those that are written while the system runs: events are merged into all but the last four.
WRITTEN = (
    *("bodies", "campaign_status", "dead_letters", "events", "further_bodies", "inbox", "message_status"),
    *("nameless_opt_outs", "opt_out_history", "opt_outs"),
    *("rollup_campaign_quarters", "rollup_campaigns", "rollup_daily", "rollup_deltas"),
    *("outages", "last_reachable", "tasks", "task_files"),
)
# "cannot set transaction read-write mode during recovery", and a transaction that only reads.
_STANDBY_SQLSTATES = ("0A000", "25006")
# What is written while the system runs, and how. `to_regclass` finds no table that is missing: that is a matter of
# the schema.
_MISSING = text(
    """
    SELECT action, name FROM unnest(CAST(:names AS text[]), CAST(:actions AS text[])) AS needed (name, action)
    WHERE NOT has_table_privilege(to_regclass(name), action) ORDER BY name, action
    """
)
_UPDATED = (
    *("campaign_status", "dead_letters", "events", "inbox", "message_status", "opt_outs", "rollup_daily"),
    *("forget_keys", "outages", "last_reachable", "tasks"),
)
_DELETED = ("further_bodies", "inbox", "nameless_opt_outs", "outages", "rollup_deltas", "task_files")


def missing_rights(connection: Connection) -> list[str]:
    """Return which rights our role lacks, as `INSERT on inbox`. SQLite has none: there a transaction says it."""
    if connection.dialect.name == "sqlite":
        return []
    needed = [(name, "INSERT") for name in WRITTEN]
    needed += [(name, "UPDATE") for name in _UPDATED] + [(name, "DELETE") for name in _DELETED]
    names, actions = zip(*needed, strict=True)
    rows = connection.execute(_MISSING, {"names": list(names), "actions": list(actions)})
    return [f"{row.action} on {row.name}" for row in rows]


def write_and_roll_back(connection: Connection) -> None:
    """Write a row as a delivery would be written, and leave nothing behind. Raises what the database says."""
    now = datetime.now(UTC)
    connection.execute(insert(INBOX), {"body": b"", "received_at": now, "due_at": now})
    connection.rollback()


def is_busy(error: DBAPIError) -> bool:
    """Return whether SQLite has another writer just now, which shows that it can be written to."""
    return isinstance(error.orig, sqlite3.Error) and error.orig.sqlite_errorcode == sqlite3.SQLITE_BUSY


def is_standby(error: DBAPIError) -> bool:
    """Return whether PostgreSQL begins no transaction that writes, whatever asks for one."""
    return getattr(error.orig, "sqlstate", None) in _STANDBY_SQLSTATES
