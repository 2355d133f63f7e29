"""The log of what people did in the console: rows of `audit_log`, which name no address."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select

from models.tables import AUDIT_LOG


class Action(StrEnum):
    """What somebody did. The subject of each is in parentheses."""

    SIGNED_IN = "signed_in"
    SIGNED_OUT = "signed_out"
    PASSWORD_SET = "password_set"  # noqa: S105 - no password
    OPT_OUT_ADDED = "opt_out_added"  # (the id of the statement in opt_out_history)
    OPT_OUT_REMOVED = "opt_out_removed"  # (the id of the statement in opt_out_history)
    DEAD_LETTER_RESOLVED = "dead_letter_resolved"  # (its digest)
    LIST_UPLOADED = "list_uploaded"  # (the id of the task that looks at it)
    LIST_CONFIRMED = "list_confirmed"  # (the id of the task that scrubs or imports it)
    LIST_DROPPED = "list_dropped"  # (the id of the task)
    LIST_DOWNLOADED = "list_downloaded"  # (the id of the task)
    DEAD_LETTERS_REPLAYED = "dead_letters_replayed"  # (the id of the task that does it)
    OUTAGE_RESOLVED = "outage_resolved"  # (its number)
    TASK_CANCELLED = "task_cancelled"  # (its id)
    TASK_RESOLVED = "task_resolved"  # (its id)
    USER_ADDED = "user_added"  # (whom)
    USER_REMOVED = "user_removed"  # (whom)
    USER_DISABLED = "user_disabled"  # (whom)
    USER_ENABLED = "user_enabled"  # (whom)


def note(connection: Connection, name: str, action: Action, now: datetime, subject: str | None = None) -> None:
    """Keep that `name` did something, in the caller's transaction."""
    connection.execute(AUDIT_LOG.insert(), {"done_at": now, "name": name, "action": action, "subject": subject})


def latest_entries(connection: Connection, *, before: int | None, limit: int) -> Sequence[Mapping[str, Any]]:
    """Return at most `limit` rows, the latest first; of those before the row with the id `before`."""
    query = select(AUDIT_LOG).order_by(AUDIT_LOG.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(AUDIT_LOG.c.id < before)
    return [dict(row) for row in connection.execute(query).mappings()]
