"""What people may ask for in the console, and the thread in which a worker does it."""

from models.database import open_database
from sync.dead_letters import replay_request, replay_task
from sync.opt_outs import list_tasks
from sync.settings.worker import WorkerSettings
from sync.tasks import Kind, TaskRunner
from sync.worker.applier import applier
from sync.worker.running_statements import RunningStatements
from sync.worker.stop import Stop

STATEMENT_SECONDS = 60
BUSY_SECONDS = 5
# One works, and one shows meanwhile that this worker lives.
CONNECTIONS = 2

# Every kind of task, by the name that stands in the table.
KINDS: dict[str, Kind] = {
    replay_request.KIND: replay_task.replay_letters,
    list_tasks.LOOK: list_tasks.look_at_list,
    list_tasks.SCRUB: list_tasks.scrub_list,
    list_tasks.IMPORT: list_tasks.import_list,
}


class Tasks:
    """The thread's work, over connections of its own."""

    def __init__(self, settings: WorkerSettings, stop: Stop) -> None:
        self._stop = stop
        engine, reader = (
            open_database(
                settings.database_url,
                pool_size=size,
                statement_seconds=STATEMENT_SECONDS,
                busy_seconds=BUSY_SECONDS,
                is_read_only=is_read_only,
            )
            for size, is_read_only in ((CONNECTIONS, False), (1, True))
        )
        self._running = (RunningStatements(engine), RunningStatements(reader))
        self._runner = TaskRunner(
            engine,
            reader,
            KINDS,
            options=settings.parse_options,
            is_stop_asked=lambda: stop.is_requested,
            is_busy=lambda: applier().is_busy,
            files_kept=list_tasks.FILES_KEPT,
        )

    def run(self) -> None:
        """Do tasks until asked to stop."""
        try:
            self._runner.run(self._stop.sleep)
        finally:
            self._runner.close()

    def cancel(self) -> None:
        """Cancel what the database is busy with, as this process shall end. The task is another worker's then."""
        for running in self._running:
            running.cancel()
