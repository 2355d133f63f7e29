"""Work that people ask for here and a worker does: what waits, what runs, and what came of it, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from flask import Response, make_response, redirect, url_for
from markupsafe import Markup

from receiver.console.dead_letters import reason_name
from receiver.console.language import _, number_text
from receiver.console.list_words import list_failure_text
from receiver.console.pages import ROWS_ON_A_PAGE, Pages, parameter, problem, redirect_with, rendered, stores
from receiver.console.session import account
from sync.dead_letters.replay_request import HELD
from sync.dead_letters.replay_request import KIND as REPLAY
from sync.opt_outs.list_tasks import AS_OF, IMPORT, LOOK, SCRUB
from sync.tasks import OwnFailure, TaskRecord, TaskState, cancel_task, find_task, latest_tasks, resolve_task
from sync.users.audit import Action, note

# So often the browser loads the page of a task again that has not ended, and of one that nobody takes.
REFRESH_SECONDS = 2
LONG_REFRESH_SECONDS = 15
# No task waits for so long while a worker runs that has nothing else to do.
WAITS_LONG_SECONDS = 60

KINDS = {
    REPLAY: "Replay dead letters",
    LOOK: "Look at a list",
    SCRUB: "Scrub a list",
    IMPORT: "Import a list",
}
OF_LISTS = frozenset({LOOK, SCRUB, IMPORT})
# Counts of outcomes, in the words of the commands.
OUTCOMES = {
    "applied": "applied",
    "ignored": "ignored",
    "unchanged": "unchanged",
    "still_dead": "still dead",
    "already_gone": "already gone",
    "rows": "rows",
    "invalid": "no address, or not readable",
    "opted_out": "of people who have opted out",
    "unknown": "of which nobody could know whether somebody has opted out",
    "clean": "may be messaged",
    "removed": "left out: opted out",
    "new": "newly opted out",
    "later": "opted out again, or later than known",
    "ended": "a re-subscription is later",
}
FAILURES = {
    OwnFailure.DIED: "Worker after worker ended while doing this, so nobody tries it again.",
    OwnFailure.REFUSED: "The database refused what this would write.",
    OwnFailure.MISTAKE: "This has a mistake of ours. Its kind stands in the log of the worker.",
    OwnFailure.FORGOTTEN: "A person was forgotten meanwhile, and what was uploaded may have named them.",
    HELD: "Nothing more was replayed: events known to be good fail too.",
}
STATES = {
    TaskState.WAITING: "waits for a worker",
    TaskState.RUNNING: "is being done",
    TaskState.DONE: "done",
    TaskState.FAILED: "did not succeed",
    TaskState.CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInWords:
    """A task as people read it. `counts` are the words of its outcome with their numbers, none of them 0."""

    record: TaskRecord
    kind: Markup
    selection: str
    state: Markup
    counts: list[tuple[Markup, int]]
    failure: Markup | str | None

    @property
    def outcome(self) -> Markup:
        parts = [Markup("{} {}").format(number_text(count), words) for words, count in self.counts]
        return Markup(", ").join(parts) if parts else Markup("—")


def add_pages(pages: Pages) -> None:
    pages.page("/tasks", tasks)
    pages.page("/task", task)
    pages.action("/task/cancel", cancel)
    pages.action("/task/resolve", resolve_failure)


def tasks() -> Response:
    """Show what was asked for, the latest first."""
    with stores().reader.connect() as connection:
        records = latest_tasks(connection, before=parameter("before") or None, limit=ROWS_ON_A_PAGE)
    older = records[-1].id if len(records) == ROWS_ON_A_PAGE else None
    return rendered("tasks.html", tasks=[in_words(record) for record in records], older=older)


def task() -> Response:
    """Show one task. The page loads itself again until the task has ended."""
    with stores().reader.connect() as connection:
        record = find_task(connection, parameter("id"))
    if record is None:
        return problem(HTTPStatus.NOT_FOUND)
    if record.kind in OF_LISTS and account().may_act:
        return make_response(redirect(url_for("console.one_list", id=record.id)))
    waits_long = (
        record.state is TaskState.WAITING and (datetime.now(UTC) - record.asked_at).total_seconds() > WAITS_LONG_SECONDS
    )
    response = rendered("task.html", task=in_words(record), waits_long=waits_long)
    if not record.is_over:
        response.headers["Refresh"] = str(LONG_REFRESH_SECONDS if waits_long else REFRESH_SECONDS)
    return response


def cancel() -> Response:
    """Cancel a task because the person who is signed in decided so. What was done of it stays done."""
    task_id, now = parameter("id"), datetime.now(UTC)
    with stores().writer.begin() as connection:
        is_cancelled = cancel_task(connection, task_id, now)
        if is_cancelled:
            note(connection, account().name, Action.TASK_CANCELLED, now, task_id)
        elif find_task(connection, task_id) is None:
            return problem(HTTPStatus.NOT_FOUND)
    text = _("Cancelled. What was done until then stays done.") if is_cancelled else _("It had ended already.")
    return redirect_with(text, "task", id=task_id)


def resolve_failure() -> Response:
    """Have the overview name a failure no more, because the person who is signed in has seen what failed."""
    task_id, now = parameter("id"), datetime.now(UTC)
    with stores().writer.begin() as connection:
        if resolve_task(connection, task_id, now):
            note(connection, account().name, Action.TASK_RESOLVED, now, task_id)
        elif find_task(connection, task_id) is None:
            return problem(HTTPStatus.NOT_FOUND)
    return redirect_with(_("The overview names it no more."), "task", id=task_id)


def in_words(record: TaskRecord) -> TaskInWords:
    counts = {name: count for name, count in record.outcome.items() if count and name != AS_OF}
    return TaskInWords(
        record=record,
        kind=kind_text(record),
        selection=_selection(record.parameters) if record.kind == REPLAY else "",
        state=state_text(record),
        counts=[(_(OUTCOMES.get(name, name)), count) for name, count in counts.items()],
        failure=None if record.failure is None else failure_text(record.failure),
    )


def kind_text(record: TaskRecord) -> Markup:
    return _(KINDS.get(record.kind, record.kind))


def state_text(record: TaskRecord) -> Markup:
    return _(STATES[record.state])


def failure_text(failure: str) -> Markup | str:
    """Return why a task failed: in a word of ours, or in a sentence about a list."""
    return _(FAILURES[failure]) if failure in FAILURES else list_failure_text(failure)


def _selection(parameters: Mapping[str, object]) -> str:
    """Return what a replay is of: a reason, or the first digits of one digest."""
    digests = parameters.get("digests")
    if isinstance(digests, list) and digests:
        return str(digests[0])[:12]
    return str(reason_name(str(parameters.get("reason") or "")))
