"""Work that people ask for in the console and a worker does: kept in the database, which is what both share.

A kind of task is a function of a feature; `sync.worker.tasks` lists them. Nothing here knows a feature.
"""

from sync.tasks.ask import add_task, cancel_task, resolve_task
from sync.tasks.files import read_file
from sync.tasks.find import OwnFailure, TaskRecord, TaskState, find_task, latest_tasks
from sync.tasks.forget import erase_tasks
from sync.tasks.run import TaskRunner
from sync.tasks.work import Kind, TaskFailed, TaskWork

__all__ = [
    "Kind",
    "OwnFailure",
    "TaskFailed",
    "TaskRecord",
    "TaskRunner",
    "TaskState",
    "TaskWork",
    "add_task",
    "cancel_task",
    "erase_tasks",
    "find_task",
    "latest_tasks",
    "read_file",
    "resolve_task",
]
