"""Lists of addresses: uploaded, looked at by a worker, and only then scrubbed or imported, if a person confirms."""

import io
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import islice
from typing import Any, BinaryIO, cast

from flask import Response, make_response, redirect, request, url_for
from markupsafe import Markup

from receiver.console.language import _
from receiver.console.list_form import FormProblem, options_of_form
from receiver.console.list_words import sentence_text
from receiver.console.pages import Pages, parameter, problem, redirect_with, rendered, stores
from receiver.console.session import account
from receiver.console.stores import Stores, begin_page
from receiver.console.tasks import OF_LISTS, REFRESH_SECONDS, failure_text
from receiver.console.uploads import INCOMPLETE, LIST_BYTES_MAX, TOO_LARGE
from sync.events.addresses import CHANNELS
from sync.opt_outs.list_tasks import AS_OF, KIND_OF, LOOK, SCRUB, is_stale, problems_of
from sync.opt_outs.uploaded_list import ListHead, ListOptions, list_head
from sync.tasks import TaskRecord, TaskState, add_task, cancel_task, find_task, latest_tasks, read_file, resolve_task
from sync.tasks.files import INPUT, OUTPUT, PART_BYTES, PartsReader, file_bytes, pass_file, remove_file, remove_files
from sync.terminal.csv_file import FileError
from sync.users.audit import Action, note

UPLOAD = "console.upload_list"
# Tasks of any kind that are looked through for those of lists.
TASKS_LOOKED_AT = 100
LISTS_SHOWN = 20


def add_pages(pages: Pages) -> None:
    pages.operators_page("/lists", lists)
    pages.action("/lists", upload_list)
    pages.operators_page("/list", one_list)
    pages.action("/list/confirm", confirm_list)
    pages.action("/list/cancel", cancel_list)
    pages.action("/list/download", download_list)


def lists() -> Response:
    return lists_page()


def lists_page(status: HTTPStatus = HTTPStatus.OK, problem_text: object = None) -> Response:
    with stores().reader.connect() as connection:
        of_lists = (task for task in latest_tasks(connection, limit=TASKS_LOOKED_AT) if task.kind in OF_LISTS)
        records = list(islice(of_lists, LISTS_SHOWN))
    most = LIST_BYTES_MAX // 1024 // 1024
    shown = {"records": records, "most": most, "channels": sorted(CHANNELS), "form": request.form}
    return rendered("lists.html", status, problem_text=problem_text, **shown)


def untaken(why: str) -> Response:
    """Return what is said of a list that was not taken from its sender."""
    if why == TOO_LARGE:
        return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return problem(HTTPStatus.BAD_REQUEST if why == INCOMPLETE else HTTPStatus.INSUFFICIENT_STORAGE, why)


def upload_list() -> Response:
    """Keep a list for a worker to look at. Nothing else happens before somebody confirms what the worker found."""
    file = request.files.get("list")
    stream = cast(BinaryIO, file.stream) if file else io.BytesIO()
    size = stream.seek(0, io.SEEK_END)
    if size > LIST_BYTES_MAX:
        return untaken(TOO_LARGE)
    stream.seek(0)
    now, by = datetime.now(UTC), account().name
    try:
        options = options_of_form(size)
        list_head(stream, options, stores().options, now)
    except FormProblem as error:
        return lists_page(HTTPStatus.UNPROCESSABLE_ENTITY, error.text)
    except FileError as error:
        return lists_page(HTTPStatus.UNPROCESSABLE_ENTITY, sentence_text(str(error)))
    stream.seek(0)
    pieces = iter(lambda: stream.read(PART_BYTES), b"")
    with stores().writer.begin() as connection:
        for earlier in latest_tasks(connection, limit=TASKS_LOOKED_AT):
            if earlier.kind == LOOK and earlier.asked_by == by:
                cancel_task(connection, earlier.id, now)
                remove_files(connection, earlier.id)
        task_id = add_task(
            connection, LOOK, by=by, parameters=options.parameters(), now=now, files=pieces, steps_total=size
        )
        note(connection, by, Action.LIST_UPLOADED, now, task_id)
    return make_response(redirect(url_for("console.one_list", id=task_id), HTTPStatus.SEE_OTHER))


def list_record(states: tuple[TaskState, ...] = tuple(TaskState)) -> TaskRecord | None:
    """Return the task of a list that the address or the form names, in one of `states`."""
    with stores().reader.connect() as connection:
        record = find_task(connection, parameter("id"))
    return record if record is not None and record.kind in OF_LISTS and record.state in states else None


def one_list() -> Response:
    """Show how far a list is: what was found in it, what is done with it, or what became of it."""
    record = list_record()
    if record is None:
        return problem(HTTPStatus.NOT_FOUND)
    values: dict[str, Any] = {"record": record, "failure": record.failure and failure_text(record.failure)}
    values["options"] = ListOptions.from_parameters(record.parameters) if record.parameters else None
    if may_try_again(record):
        with stores().reader.connect() as connection:
            values["is_kept"] = file_bytes(connection, record.id, INPUT) is not None
    if record.state is TaskState.DONE:
        with stores().reader.connect() as connection:
            values["output_bytes"] = file_bytes(connection, record.id, OUTPUT)
        if record.kind == LOOK:
            values |= found_in(record)
        elif as_of := record.outcome.get(AS_OF):
            values["as_of"] = datetime.fromtimestamp(as_of, UTC)
    response = rendered("list.html", **values)
    if not record.is_over:
        response.headers["Refresh"] = str(REFRESH_SECONDS)
    return response


def found_in(record: TaskRecord) -> dict[str, Any]:
    """Return what a page shows of a list before it is confirmed; `head` is None if it is not there any more."""
    reader, head = stores().reader, None
    with reader.connect() as connection:
        is_there = file_bytes(connection, record.id, INPUT) is not None
    if is_there and record.parameters:
        binary = cast(BinaryIO, io.BufferedReader(PartsReader(read_file(reader, record.id, INPUT))))
        with suppress(FileError):  # the region of numbers is another since it was uploaded
            head = list_head(
                binary, ListOptions.from_parameters(record.parameters), stores().options, datetime.now(UTC)
            )
    problems = problems_of(b"".join(read_file(reader, record.id, OUTPUT)) or b"[]")
    return {"head": head, "problems": [(line, sentence_text(why)) for line, why in problems], "name": column_name(head)}


def column_name(head: ListHead | None) -> str | None:
    return head.columns[head.column].strip() if head and head.columns else None


def confirm_list() -> Response:
    """Have a worker do with a list what it was uploaded for, in the name of who confirms it; or try that again."""
    record = list_record((TaskState.DONE, TaskState.FAILED))
    is_offered = record is not None and (may_try_again(record) or is_looked_at(record))
    if record is None or not is_offered or not record.parameters:
        return problem(HTTPStatus.NOT_FOUND)
    options, now, by = ListOptions.from_parameters(record.parameters), datetime.now(UTC), account().name
    with stores().writer.connect() as connection, connection.begin() as transaction:
        task_id = add_task(
            connection,
            KIND_OF[options.purpose],
            by=by,
            parameters=options.parameters(),
            now=now,
            steps_total=options.bytes,
        )
        if not pass_file(connection, record.id, task_id, INPUT):
            transaction.rollback()
            return redirect_with(_gone(), "lists")
        resolve_task(connection, record.id, now)  # if that failed, and is tried again
        note(connection, by, Action.LIST_CONFIRMED, now, task_id)
    return make_response(redirect(url_for("console.one_list", id=task_id), HTTPStatus.SEE_OTHER))


def is_looked_at(record: TaskRecord) -> bool:
    return record.kind == LOOK and record.state is TaskState.DONE


def may_try_again(record: TaskRecord) -> bool:
    """Return whether what failed may succeed later, with the list that is kept for a while."""
    return record.kind == SCRUB and record.state is TaskState.FAILED and is_stale(record)


def _gone() -> Markup:
    return _("This list is gone: it was confirmed already, or it waited for more than an hour.")


def cancel_list() -> Response:
    """Drop a list that is not confirmed, or stop what is done with one."""
    record, now = list_record(), datetime.now(UTC)
    if record is None:
        return problem(HTTPStatus.NOT_FOUND)
    with stores().writer.begin() as connection:
        is_stopped = cancel_task(connection, record.id, now)
        if not (remove_file(connection, record.id, INPUT if record.kind == LOOK else OUTPUT) or is_stopped):
            # Somebody else was faster. What goes on now is another task, with a page and a button of its own.
            return redirect_with(_gone() if record.kind == LOOK else _("It had ended already."), "lists")
        remove_files(connection, record.id)
        note(connection, account().name, Action.LIST_DROPPED, now, record.id)
    return redirect_with(_("Dropped. What was recorded until then stays."), "lists")


def download_list() -> Response:
    """Give out the scrubbed list, part by part. A form asks for it, because that is a row of `audit_log`."""
    record, now = list_record((TaskState.DONE,)), datetime.now(UTC)
    if record is None or record.kind != SCRUB:
        return problem(HTTPStatus.NOT_FOUND)
    with stores().writer.begin() as connection:
        size = file_bytes(connection, record.id, OUTPUT)
        if size is not None:
            note(connection, account().name, Action.LIST_DOWNLOADED, now, record.id)
    if size is None:
        return redirect_with(_("The file is gone: it was kept for a day."), "lists")
    response = Response(_parts(stores(), record.id), mimetype="text/csv")
    response.headers["Content-Length"] = str(size)
    response.headers["Content-Disposition"] = f'attachment; filename="scrubbed-{record.id[:8]}.csv"'
    return response


def _parts(opened: Stores, task_id: str) -> Iterator[bytes]:
    parts = read_file(opened.reader, task_id, OUTPUT)
    while True:
        begin_page()  # each part has the time of a page, in whatever thread it is read
        part = next(parts, None)
        if part is None:
            return
        yield part
