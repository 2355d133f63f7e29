"""A worker's side of tasks: takes one after the other, beside the applying of events, which comes first."""

import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from models.errors import Fault, error_kind, fault_of
from sync.events.interpretation import ParseOptions
from sync.queue.backoff import Backoff
from sync.settings.sentry_client import report
from sync.tasks.files import FilesKept, delete_old_files
from sync.tasks.find import OwnFailure, TaskRecord
from sync.tasks.take import end_task, give_back, is_any_free, take_task
from sync.tasks.work import Kind, ShownAlive, TaskFailed, TaskGivenUp, TaskWork

# A person waits in front of a page.
LOOK_SECONDS = 1.0
CHORE_SECONDS = 600.0
# A task with which so many workers vanished may be what they died of.
DEATHS_MAX = 3

log = structlog.get_logger()


class TaskRunner:
    """Does the tasks of `kinds`, over its own `engine`, with two connections, and a `reader` that is read-only."""

    def __init__(
        self,
        engine: Engine,
        reader: Engine,
        kinds: Mapping[str, Kind],
        *,
        options: ParseOptions,
        is_stop_asked: Callable[[], bool],
        is_busy: Callable[[], bool] = lambda: False,
        files_kept: FilesKept = MappingProxyType({}),
    ) -> None:
        self._engine, self._reader, self._kinds, self._options = engine, reader, kinds, options
        self._is_stop_asked, self._is_busy = is_stop_asked, is_busy
        self._files_kept = files_kept
        self._cleaned_at = -CHORE_SECONDS
        self._unreturned: tuple[str, str] | None = None  # a task, and as whom it was held, as the database went away

    def run(self, sleep: Callable[[float], None]) -> None:
        """Do tasks until asked to stop. Raises nothing: a thread that ends would say nothing."""
        backoff = Backoff()
        while not self._is_stop_asked():
            try:
                self._delete_old_files()
                is_busy = self.do_next()
            except Exception as error:
                if not isinstance(error, DBAPIError):  # of an absence the code that applies says so
                    self._say_failed(None, error)
                sleep(backoff.next_seconds())
            else:
                backoff.reset()
                if not is_busy:
                    sleep(LOOK_SECONDS)

    def do_next(self) -> bool:
        """Do a task, to its end or until asked to stop; return False if none waits. Its errors are DBAPIError."""
        if self._unreturned is not None:
            self._give_back(*self._unreturned)
            self._unreturned = None
        with self._reader.connect() as connection:
            if not is_any_free(connection, self._kinds.keys(), datetime.now(UTC)):
                return False
        holder = secrets.token_hex(8)
        with self._engine.begin() as connection:
            record = take_task(connection, self._kinds.keys(), holder, datetime.now(UTC))
        if record is None:
            return False
        log.info("task.taken", task=record.id, kind=record.kind)
        begun = time.monotonic()
        ended_as = "given_back"  # if the database is away, as soon as it is back
        self._unreturned = (record.id, holder)
        try:
            ended_as = self._do(record, holder)
            self._unreturned = None
        finally:
            milliseconds = round((time.monotonic() - begun) * 1000, 1)
            log.info("task.left", task=record.id, kind=record.kind, how=ended_as, milliseconds=milliseconds)
            self.close()
        return True

    def close(self) -> None:
        """Leave no connection open, as small plans have few of them."""
        self._engine.dispose()
        self._reader.dispose()

    def _do(self, record: TaskRecord, holder: str) -> str:
        """Return how it ended: done, failed, lost or given back."""
        if record.deaths >= DEATHS_MAX:
            return self._end(record, holder, failure=OwnFailure.DIED)
        work = TaskWork(
            record,
            holder=holder,
            engine=self._engine,
            reader=self._reader,
            options=self._options,
            is_stop_asked=self._is_stop_asked,
            is_busy=self._is_busy,
        )
        try:
            with ShownAlive(work, lambda error: self._say_failed(record, error)):
                counts = self._kinds[record.kind](work)
        except TaskGivenUp:
            return "lost" if work.is_lost else self._give_back(record.id, holder)
        except TaskFailed as error:
            return self._end(record, holder, failure=error.failure)
        except Exception as error:
            if fault_of(error) is Fault.ABSENCE:
                self._give_back(record.id, holder)
                raise
            self._say_failed(record, error)
            is_refused = isinstance(error, DBAPIError)
            return self._end(record, holder, failure=OwnFailure.REFUSED if is_refused else OwnFailure.MISTAKE)
        return self._end(record, holder, counts=counts)

    def _end(
        self, record: TaskRecord, holder: str, *, counts: Mapping[str, int] | None = None, failure: str | None = None
    ) -> str:
        with self._engine.begin() as connection:
            is_ours = end_task(connection, record, holder, datetime.now(UTC), counts=counts, failure=failure)
        return "lost" if not is_ours else "failed" if failure else "done"

    def _give_back(self, task_id: str, holder: str) -> str:
        with self._engine.begin() as connection:
            return "given_back" if give_back(connection, task_id, holder) else "lost"

    def _delete_old_files(self) -> None:
        if time.monotonic() - self._cleaned_at > CHORE_SECONDS:
            with self._engine.begin() as connection:
                delete_old_files(connection, datetime.now(UTC), self._files_kept)
            self._cleaned_at = time.monotonic()
            self._engine.dispose()  # whether a task waits is asked over the other one

    def _say_failed(self, record: TaskRecord | None, error: Exception) -> None:
        # Only the kind of the error: its text may quote a person.
        log.error("task.failed", task=record and record.id, kind=record and record.kind, error=error_kind(error))
        report("task.failed", error_kind(error), error)
