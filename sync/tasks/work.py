"""What a kind of task is given: its parameters and its files, and how it counts, shows progress and notices an end.

A kind may be stopped at each of its steps and begun again by another worker, so it must be repeatable without harm.
"""

import io
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from sqlalchemy import Connection, Engine

from sync.events.interpretation import ParseOptions
from sync.tasks.files import INPUT, OUTPUT, PartsReader, PartsWriter, add_part, read_file, remove_file
from sync.tasks.find import TaskRecord, find_bookmark
from sync.tasks.take import add_counts, show_alive, write_progress

# So often progress is written at most: a step may be a row of a file.
PROGRESS_SECONDS = 1.0
# While the worker applies events, a task that worked for so long rests for twice as long: events come first.
WORKED_SECONDS = 0.02
REST_SHARE = 2.0
REST_SECONDS_MAX = 1.0


class TaskFailed(Exception):  # noqa: N818 - an end, not a mistake
    """A kind cannot do what it was asked for; `failure` is a word of the kind's, which the console has a text for."""

    def __init__(self, failure: str) -> None:
        super().__init__(failure)
        self.failure = failure


class TaskGivenUp(BaseException):
    """The worker shall stop, or the task is not its own any more: cancelled, or taken by another.

    No Exception, so that nothing that keeps one event from stopping the others takes it for the fault of an event.
    """


class TaskWork:
    """One task in the hands of one worker. `counts` are what earlier workers noted of it, `bookmark` where they were.

    `engine` is for the transactions of the kind, which are short: the worker's other threads apply events meanwhile.
    `reader` is read-only. On SQLite, `engine` lets nobody else write, and what only reads belongs to `reader`.
    """

    def __init__(
        self,
        record: TaskRecord,
        *,
        holder: str,
        engine: Engine,
        reader: Engine,
        options: ParseOptions,
        is_stop_asked: Callable[[], bool],
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self.task_id, self.by, self.asked_at = record.id, record.asked_by, record.asked_at
        self.parameters: Mapping[str, Any] = record.parameters
        self.counts, self.bookmark = record.outcome, record.bookmark
        self.steps_done, self.steps_total = record.steps_done, record.steps_total
        self.engine, self.reader, self.options = engine, reader, options
        self.is_lost = False
        self._holder = holder
        self._is_stop_asked, self._is_busy = is_stop_asked, is_busy
        self._written_at = 0.0
        self._rested_at = time.monotonic()

    def check(self) -> None:
        """Go on, or raise TaskGivenUp. Call it at each step, outside of transactions: it rests while events come."""
        if self.is_lost or self._is_stop_asked():
            raise TaskGivenUp
        worked = time.monotonic() - self._rested_at
        if worked > WORKED_SECONDS:
            if self._is_busy():
                time.sleep(min(worked * REST_SHARE, REST_SECONDS_MAX))
            self._rested_at = time.monotonic()

    def progress(self, done: int, total: int | None = None) -> None:
        """Show that `done` steps of `total` are done, and check. Written at most once a second.

        For a kind that does all of it again after a stop, and so counts at its end.
        """
        self.check()
        self.steps_done, self.steps_total = done, total if total is not None else self.steps_total
        if time.monotonic() - self._written_at < PROGRESS_SECONDS:
            return
        self._written_at = time.monotonic()
        now = datetime.now(UTC)
        with self.engine.begin() as connection:
            self._require(
                write_progress(connection, self.task_id, self._holder, now, done=done, total=self.steps_total)
            )

    def note(
        self, connection: Connection, counts: Mapping[str, int], *, done: int, bookmark: str | None = None
    ) -> None:
        """Count what the caller's transaction does, in this transaction: `done` steps more, and `counts`.

        So nothing is counted twice and nothing is missed, whichever worker is killed. The next worker is given the
        `bookmark`. Raises TaskGivenUp if another worker has the task: then the caller's transaction must not commit.
        """
        self._require(add_counts(connection, self.task_id, self._holder, counts, done=done, bookmark=bookmark))

    def bookmark_now(self, connection: Connection) -> str | None:
        """Return the bookmark that was noted last, in the caller's transaction, which then is the one to write it."""
        self._require(show_alive(connection, self.task_id, self._holder, datetime.now(UTC)))
        return find_bookmark(connection, self.task_id)

    def input(self) -> BinaryIO:
        """Return the file that was uploaded, as a binary stream that holds one part at a time."""
        return cast(BinaryIO, io.BufferedReader(PartsReader(read_file(self.reader, self.task_id, INPUT))))

    @contextmanager
    def output(self) -> Iterator[BinaryIO]:
        """Give the file that the task makes, as a binary stream; what an earlier worker wrote of it is removed."""
        with self.engine.begin() as connection:
            self._require(show_alive(connection, self.task_id, self._holder, datetime.now(UTC)))
            remove_file(connection, self.task_id, OUTPUT)
        writer = PartsWriter(self._keep_part)
        yield cast(BinaryIO, writer)
        writer.finish()

    def show_alive(self) -> None:
        """Say that this worker lives, and see whether the task is still its own."""
        with self.engine.begin() as connection:
            if not show_alive(connection, self.task_id, self._holder, datetime.now(UTC)):
                self.is_lost = True

    def _keep_part(self, number: int, content: bytes) -> None:
        self.check()
        with self.engine.begin() as connection:
            self._require(show_alive(connection, self.task_id, self._holder, datetime.now(UTC)))
            add_part(connection, self.task_id, OUTPUT, number, content)

    def _require(self, is_ours: bool) -> None:
        if not is_ours:
            self.is_lost = True
            raise TaskGivenUp


# Returns counts by name, which are added to what it noted. Raises TaskFailed; errors of the database pass through.
Kind = Callable[[TaskWork], Mapping[str, int]]


class ShownAlive:
    """Within the block a thread shows every few seconds that the worker of `work` lives, however long a step takes."""

    SECONDS = 5.0

    def __init__(self, work: TaskWork, on_error: Callable[[Exception], None]) -> None:
        self._work, self._on_error = work, on_error
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._show, name="task-alive")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _show(self) -> None:
        while not self._is_over.wait(self.SECONDS):
            try:
                self._work.show_alive()
            except Exception as error:  # the database is away: the next time does it, or another worker takes the task
                self._on_error(error)
