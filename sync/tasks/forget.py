"""Removes what tasks may hold of a person who is forgotten: every file, and parameters that name them."""

import re
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from models.tables import TASK_FILES, TASKS
from sync.tasks.find import OwnFailure, TaskState

# A digest of a body whose other fields are known gives a number back in seconds.
_DIGEST = re.compile("[0-9a-f]{64}")


def erase_tasks(connection: Connection, names: Callable[[bytes], bool], now: datetime) -> int:
    """Delete every file, and parameters in which `names` finds the person or a digest stands; return of how many tasks.

    A task that has not ended yet fails with that, and may be asked for again. No search of the files would
    be as sure: a list may be written in any way. Works in the caller's transaction.
    """
    columns = TASKS.c
    filed = set(connection.execute(select(TASK_FILES.c.task_id).distinct()).scalars())
    rows = connection.execute(select(columns.id, columns.parameters).where(columns.parameters != "{}"))
    naming = {row.id for row in rows if _DIGEST.search(row.parameters) or names(row.parameters.encode())}
    erased = sorted(filed | naming)
    failed = {"state": TaskState.FAILED, "failure": OwnFailure.FORGOTTEN, "ended_at": now}
    for task_id in erased:
        is_open = (columns.id == task_id, columns.ended_at.is_(None))
        connection.execute(update(TASKS).where(*is_open).values(**failed, holder=None, bookmark=None))
        if task_id in naming:
            connection.execute(update(TASKS).where(columns.id == task_id).values(parameters="{}"))
    connection.execute(delete(TASK_FILES))
    return len(erased)
