"""Which worker has which task: taken by compare-and-set, shown alive, and given back or ended by the same worker only.

Every function works in the caller's transaction. `holder` is a random text that a worker makes for each taking.
"""

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select, update

from models.tables import TASKS
from sync.tasks.find import COLUMNS, TaskRecord, TaskState, record_of

# A worker that has not shown itself for so long is dead, and another one takes its task.
DEAD_AFTER = timedelta(minutes=1)


def is_any_free(connection: Connection, kinds: Collection[str], now: datetime) -> bool:
    """Return whether `take_task` would find a task, without a lock: on SQLite who takes one keeps others waiting."""
    return connection.execute(_oldest_free(kinds, now)).first() is not None


def _oldest_free(kinds: Collection[str], now: datetime) -> Select[tuple[str]]:
    columns = TASKS.c
    is_dead = and_(columns.state == TaskState.RUNNING, columns.seen_at < now - DEAD_AFTER)
    is_free = or_(columns.state == TaskState.WAITING, is_dead)
    oldest = select(columns.id).where(columns.ended_at.is_(None), is_free, columns.kind.in_(kinds))
    return oldest.order_by(columns.asked_at, columns.id).limit(1)


def take_task(connection: Connection, kinds: Collection[str], holder: str, now: datetime) -> TaskRecord | None:
    """Take the task of one of `kinds` that waits for the longest time, or whose worker is dead; None if none does."""
    columns = TASKS.c
    oldest = _oldest_free(kinds, now).with_for_update(skip_locked=True)
    claim = update(TASKS).where(columns.id == oldest.scalar_subquery())
    claim = claim.values(
        state=TaskState.RUNNING,
        holder=holder,
        begun_at=func.coalesce(columns.begun_at, now),
        seen_at=now,
        deaths=columns.deaths + case((columns.state == TaskState.RUNNING, 1), else_=0),
    )
    row = connection.execute(claim.returning(*COLUMNS)).mappings().first()
    return None if row is None else record_of(row)


def show_alive(connection: Connection, task_id: str, holder: str, now: datetime) -> bool:
    """Say that the task's worker lives; return whether the task is still its own, which then stays so until commit."""
    return _write(connection, task_id, holder, seen_at=now)


def write_progress(
    connection: Connection, task_id: str, holder: str, now: datetime, *, done: int, total: int | None
) -> bool:
    return _write(connection, task_id, holder, seen_at=now, steps_done=done, steps_total=total)


def add_counts(
    connection: Connection,
    task_id: str,
    holder: str,
    counts: Mapping[str, int],
    *,
    done: int,
    bookmark: str | None,
) -> bool:
    """Add `counts` to the outcome and `done` to the steps; return False if another worker has the task."""
    outcome = select(TASKS.c.outcome).where(*_is_ours(task_id, holder)).with_for_update()
    text = connection.execute(outcome).scalar_one_or_none()
    if text is None:
        return False
    values = {"outcome": json.dumps(summed(json.loads(text), counts)), "bookmark": bookmark}
    return _write(connection, task_id, holder, steps_done=TASKS.c.steps_done + done, **values)


def give_back(connection: Connection, task_id: str, holder: str) -> bool:
    """Let the task wait for another worker, which goes on where this one stopped."""
    return _write(connection, task_id, holder, state=TaskState.WAITING, holder=None)


def end_task(
    connection: Connection,
    record: TaskRecord,
    holder: str,
    now: datetime,
    *,
    counts: Mapping[str, int] | None = None,
    failure: str | None = None,
) -> bool:
    """End the task: as failed if there is a `failure`, else as done. `counts` are added to its outcome."""
    if counts and not add_counts(connection, record.id, holder, counts, done=0, bookmark=None):
        return False
    state = TaskState.FAILED if failure else TaskState.DONE
    values = {"ended_at": now, "holder": None, "bookmark": None}
    return _write(connection, record.id, holder, state=state, failure=failure, **values)


def summed(counts: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {name: counts.get(name, 0) + more.get(name, 0) for name in (*counts, *more)}


def _write(connection: Connection, task_id: str, holder_now: str, /, **values: Any) -> bool:
    return connection.execute(update(TASKS).where(*_is_ours(task_id, holder_now)).values(**values)).rowcount == 1


def _is_ours(task_id: str, holder: str) -> tuple[ColumnElement[bool], ...]:
    return TASKS.c.id == task_id, TASKS.c.holder == holder, TASKS.c.state == TaskState.RUNNING
