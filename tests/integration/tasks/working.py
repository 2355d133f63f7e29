"""Tasks of the tests' own kinds, and workers that do them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, text

from sync.tasks import Kind, TaskRecord, TaskRunner, TaskWork, add_task, find_task
from tests.support.events_builder import AO


def ask(engine: Engine, kind: str = "count", **options: Any) -> str:
    now = options.pop("now", None) or datetime.now(UTC)
    with engine.begin() as connection:
        return add_task(connection, kind, by="Maria", parameters=options.pop("parameters", {}), now=now, **options)


def task(engine: Engine, task_id: str) -> TaskRecord:
    with engine.connect() as connection:
        record = find_task(connection, task_id)
    assert record is not None
    return record


def worker(
    engine: Engine, reader: Engine, kind: Kind, *, is_stop_asked: Callable[[], bool] = lambda: False
) -> TaskRunner:
    """What a worker runs, that knows one kind."""
    return TaskRunner(engine, reader, {"count": kind}, options=AO, is_stop_asked=is_stop_asked)


def counting(upto: int, *, before: Callable[[TaskWork, int], object] = lambda *_: None) -> Kind:
    """A kind that counts, each number in a transaction of its own, and goes on where it was stopped."""

    def count(work: TaskWork) -> Mapping[str, int]:
        for number in range(int(work.bookmark or 0), upto):
            before(work, number)
            work.check()
            with work.engine.begin() as connection:
                work.note(connection, {"numbers": 1}, done=1, bookmark=str(number + 1))
        return {"ends": 1}

    return count


def age(engine: Engine, task_id: str, **columns: datetime) -> None:
    """Let a column of the task say another time."""
    with engine.begin() as connection:
        for name, at in columns.items():
            value = at if engine.dialect.name == "postgresql" else at.replace(tzinfo=None).isoformat(" ")
            connection.execute(text(f"UPDATE tasks SET {name} = :at WHERE id = :id"), {"at": value, "id": task_id})
