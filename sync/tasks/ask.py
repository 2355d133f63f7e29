"""Asks for work, and takes it back: what a web process does for a person. The work itself is a worker's."""

import json
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, update

from models.tables import TASKS
from sync.tasks.files import INPUT, write_parts
from sync.tasks.find import TaskState


def add_task(
    connection: Connection,
    kind: str,
    *,
    by: str,
    parameters: Mapping[str, Any],
    now: datetime,
    files: Iterable[bytes] = (),
    steps_total: int | None = None,
) -> str:
    """Ask for work of this kind, in the caller's transaction; return the id of the task.

    `parameters` are values of JSON, and name no address if that can be avoided: they are kept. `files` are the pieces
    of the task's input, which is deleted a day after the task has ended.
    """
    task_id = secrets.token_hex(8)
    row = {
        "id": task_id,
        "kind": kind,
        "asked_by": by,
        "asked_at": now,
        "parameters": json.dumps(parameters),
        "state": TaskState.WAITING,
        "deaths": 0,
        "steps_done": 0,
        "steps_total": steps_total,
        "outcome": "{}",
    }
    connection.execute(TASKS.insert(), row)
    write_parts(connection, task_id, INPUT, files)
    return task_id


def cancel_task(connection: Connection, task_id: str, now: datetime) -> bool:
    """Cancel a task, in the caller's transaction; return False if there is none or it has ended.

    A worker that has it stops at its next step. What it did until then stays done, and counted.
    """
    is_open = (TASKS.c.id == task_id, TASKS.c.ended_at.is_(None))
    values = {"state": TaskState.CANCELLED, "ended_at": now, "holder": None, "bookmark": None}
    return connection.execute(update(TASKS).where(*is_open).values(values)).rowcount == 1


def resolve_task(connection: Connection, task_id: str, now: datetime) -> bool:
    """Note that somebody has seen that a task failed, in the caller's transaction; return False if nothing changes."""
    is_unseen = (TASKS.c.id == task_id, TASKS.c.state == TaskState.FAILED, TASKS.c.resolved_at.is_(None))
    return connection.execute(update(TASKS).where(*is_unseen).values(resolved_at=now)).rowcount == 1
