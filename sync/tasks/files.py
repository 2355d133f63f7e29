"""The files of tasks, as rows of 256 KiB at most: whoever reads or writes one holds a part of it, never the whole."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, func, or_, select, update

from models.tables import TASK_FILES, TASKS
from sync.tasks.find import TaskState

INPUT, OUTPUT = "input", "output"
PART_BYTES = 256 * 1024
KEPT = timedelta(hours=24)


def write_parts(connection: Connection, task_id: str, name: str, pieces: Iterable[bytes]) -> None:
    """Write a file of the task, which has none of this name yet, from pieces of any size."""
    for number, part in enumerate(parts_of(pieces)):
        add_part(connection, task_id, name, number, part)


def add_part(connection: Connection, task_id: str, name: str, number: int, content: bytes) -> None:
    connection.execute(TASK_FILES.insert(), {"task_id": task_id, "name": name, "part": number, "content": content})


def parts_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= PART_BYTES:
            yield bytes(held[:PART_BYTES])
            del held[:PART_BYTES]
    if held:
        yield bytes(held)


def remove_file(connection: Connection, task_id: str, name: str) -> bool:
    """Remove a file; return False if there is none (any more)."""
    parts = delete(TASK_FILES).where(TASK_FILES.c.task_id == task_id, TASK_FILES.c.name == name)
    return connection.execute(parts).rowcount > 0


def remove_files(connection: Connection, task_id: str) -> None:
    connection.execute(delete(TASK_FILES).where(TASK_FILES.c.task_id == task_id))


def pass_file(connection: Connection, task_id: str, to_id: str, name: str) -> bool:
    """Make a file another task's, which has none of this name yet; return False if there is none (any more)."""
    parts = update(TASK_FILES).where(TASK_FILES.c.task_id == task_id, TASK_FILES.c.name == name)
    return connection.execute(parts.values(task_id=to_id)).rowcount > 0


def file_bytes(connection: Connection, task_id: str, name: str) -> int | None:
    """Return how long the file is, None if there is none (any more)."""
    size = select(func.sum(func.length(TASK_FILES.c.content)))
    size = size.where(TASK_FILES.c.task_id == task_id, TASK_FILES.c.name == name)
    file_size: int | None = connection.execute(size).scalar_one()
    return file_size


def read_file(engine: Engine, task_id: str, name: str) -> Iterator[bytes]:
    """Yield the parts of a file in order, each read in a transaction of its own; nothing if there is none."""
    columns, number = TASK_FILES.c, 0
    while True:
        query = select(columns.content).where(columns.task_id == task_id, columns.name == name, columns.part == number)
        with engine.connect() as connection:
            content = connection.execute(query).scalar_one_or_none()
        if content is None:
            return
        yield bytes(content)
        number += 1


class PartsReader(io.RawIOBase):
    """A binary stream over the parts of a file. Wrap it in `io.BufferedReader` or `io.TextIOWrapper`."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._held = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._held:
            self._held = memoryview(next(self._parts, b""))
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._held))
        target[:count], self._held = self._held[:count], self._held[count:]
        return count


class PartsWriter(io.RawIOBase):
    """A binary stream that hands on what is written in parts of the allowed size, the last when it is closed."""

    def __init__(self, keep: Callable[[int, bytes], None]) -> None:
        self._keep = keep
        self._held = bytearray()
        self._number = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        content = bytes(data)
        self._held += content
        while len(self._held) >= PART_BYTES:
            self._hand_on(PART_BYTES)
        return len(content)

    def finish(self) -> None:
        """Hand on what is left. Without it the file lacks its end, as that of a task that was given up."""
        if self._held:
            self._hand_on(len(self._held))

    def _hand_on(self, count: int) -> None:
        self._keep(self._number, bytes(self._held[:count]))
        del self._held[:count]
        self._number += 1


class KeptFor(NamedTuple):
    """How long a file is kept once its task has ended, and if the task failed."""

    ended: timedelta
    failed: timedelta


# The files that are not kept for KEPT: by kind of task and name of the file.
FilesKept = Mapping[tuple[str, str], KeptFor]


def delete_old_files(connection: Connection, now: datetime, files_kept: FilesKept = MappingProxyType({})) -> int:
    """Delete the files of tasks that ended KEPT ago, or as long ago as `files_kept` has it; return how many parts."""
    columns, has_failed = TASK_FILES.c, TASKS.c.state == TaskState.FAILED
    old: list[ColumnElement[bool]] = [columns.task_id.in_(select(TASKS.c.id).where(TASKS.c.ended_at < now - KEPT))]
    for (kind, name), kept in files_kept.items():
        is_due = or_(
            and_(has_failed, TASKS.c.ended_at < now - kept.failed),
            and_(~has_failed, TASKS.c.ended_at < now - kept.ended),
        )
        ended = select(TASKS.c.id).where(TASKS.c.kind == kind, is_due)
        old.append(and_(columns.name == name, columns.task_id.in_(ended)))
    return connection.execute(delete(TASK_FILES).where(or_(*old))).rowcount
