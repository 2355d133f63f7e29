"""Finds tasks. It changes nothing, and reads no file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, select, tuple_

from models.tables import TASKS


class TaskState(StrEnum):
    """Where a task stands. The last three are ends."""

    WAITING = "waiting"  # for a worker, for the first time or again
    RUNNING = "running"  # a worker has it
    DONE = "done"
    FAILED = "failed"  # `failure` says why
    CANCELLED = "cancelled"  # by a person; what was done until then stays done


class OwnFailure(StrEnum):
    """Why a task failed, whatever its kind. A kind may have failures of its own."""

    DIED = "died"  # worker after worker vanished with it
    REFUSED = "refused"  # the database refused what the task writes
    MISTAKE = "mistake"  # a bug of zexa-sync; its kind stands in the log
    FORGOTTEN = "forgotten"  # a person was forgotten, and what the task was given may have named them


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """A row of `tasks`. `steps_total` is None if nobody knows how many there are; `outcome` has counts by name.

    A failure that somebody has seen needs nobody any more from `resolved_at` on.
    """

    id: str
    kind: str
    asked_by: str
    asked_at: datetime
    parameters: Mapping[str, Any]
    state: TaskState
    begun_at: datetime | None
    ended_at: datetime | None
    steps_done: int
    steps_total: int | None
    bookmark: str | None
    outcome: Mapping[str, int]
    failure: str | None
    deaths: int
    resolved_at: datetime | None

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None


COLUMNS = tuple(TASKS.c[name] for name in TaskRecord.__dataclass_fields__)


def record_of(row: RowMapping) -> TaskRecord:
    return TaskRecord(
        **dict(row)
        | {
            "state": TaskState(row["state"]),
            "parameters": json.loads(row["parameters"]),
            "outcome": json.loads(row["outcome"]),
        }
    )


def find_task(connection: Connection, task_id: str) -> TaskRecord | None:
    row = connection.execute(select(*COLUMNS).where(TASKS.c.id == task_id)).mappings().first()
    return None if row is None else record_of(row)


def find_bookmark(connection: Connection, task_id: str) -> str | None:
    bookmark: str | None = connection.execute(select(TASKS.c.bookmark).where(TASKS.c.id == task_id)).scalar_one()
    return bookmark


def latest_tasks(connection: Connection, *, before: str | None = None, limit: int) -> list[TaskRecord]:
    """Return at most `limit` tasks, the latest first; of those that were asked for before the task `before`."""
    key = (TASKS.c.asked_at, TASKS.c.id)
    query = select(*COLUMNS).order_by(*(column.desc() for column in key)).limit(limit)
    if before is not None:
        last = connection.execute(select(*key).where(TASKS.c.id == before)).first()
        if last is None:
            return []
        query = query.where(tuple_(*key) < tuple_(*last))
    return [record_of(row) for row in connection.execute(query).mappings()]
