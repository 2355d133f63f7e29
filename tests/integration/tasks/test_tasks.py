"""Tasks: one worker at a time has one, and whoever ends when, each step counts once."""

import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.pool import QueuePool
from structlog.testing import capture_logs

from sync.status import measure_database
from sync.tasks import (
    OwnFailure,
    TaskFailed,
    TaskRunner,
    TaskState,
    TaskWork,
    cancel_task,
    erase_tasks,
    latest_tasks,
    read_file,
)
from sync.tasks import work as work_module
from sync.tasks.files import INPUT, OUTPUT, PART_BYTES, delete_old_files, file_bytes
from sync.tasks.run import DEATHS_MAX
from sync.tasks.take import DEAD_AFTER
from sync.tasks.work import WORKED_SECONDS
from tests.conftest import NOW
from tests.integration.tasks.working import age, ask, counting, task, worker
from tests.support.events_builder import ANA, AO, rows

HOUR = timedelta(hours=1)


def test_a_task_is_done_once_and_its_outcome_counted(engine: Engine, reader: Engine) -> None:
    asked = ask(engine, steps_total=3)
    assert (task(engine, asked).state, task(engine, asked).outcome) == (TaskState.WAITING, {})
    works = worker(engine, reader, counting(3))
    with capture_logs() as logs:
        assert works.do_next()
        assert not works.do_next()
    done = task(engine, asked)
    assert (done.state, done.outcome, done.steps_done) == (TaskState.DONE, {"numbers": 3, "ends": 1}, 3)
    assert done.asked_at <= (done.begun_at or NOW) <= (done.ended_at or NOW)
    assert [(line["event"], line.get("how")) for line in logs] == [("task.taken", None), ("task.left", "done")]
    assert "Maria" not in repr(logs)


def test_tasks_are_done_in_the_order_in_which_they_were_asked_for(engine: Engine, reader: Engine) -> None:
    later, first = ask(engine), ask(engine, now=NOW)
    assert worker(engine, reader, counting(1)).do_next()
    assert (task(engine, first).state, task(engine, later).state) == (TaskState.DONE, TaskState.WAITING)


def test_it_is_known_since_when_a_task_waits_unless_a_worker_is_busy_with_another(
    engine: Engine, reader: Engine
) -> None:
    def waits_since() -> datetime | None:
        measured = measure_database(engine)
        assert measured is not None
        return measured.tasks_wait_since

    assert waits_since() is None
    asked = ask(engine)
    ask(engine)
    assert waits_since() == task(engine, asked).asked_at

    def look(_work: TaskWork, _number: int) -> None:
        assert waits_since() is None

    assert worker(engine, reader, counting(1, before=look)).do_next()
    assert waits_since() is not None


def test_a_worker_that_finds_nothing_to_do_keeps_nobody_from_writing_and_one_connection_at_the_most(
    engine: Engine, reader: Engine
) -> None:
    works = worker(engine, reader, counting(1))
    begun: list[object] = []

    @event.listens_for(engine, "begin")
    def note(connection: object) -> None:
        begun.append(connection)

    assert not works.do_next()
    event.remove(engine, "begin", note)
    assert begun == []

    def once(_seconds: float) -> None:
        nonlocal is_stop_asked
        is_stop_asked = True

    is_stop_asked = False
    worker(engine, reader, counting(1), is_stop_asked=lambda: is_stop_asked).run(once)
    assert [pool.checkedin() for pool in (engine.pool, reader.pool) if isinstance(pool, QueuePool)] == [0, 1]


def test_a_kind_that_a_worker_does_not_know_waits_for_a_worker_that_does(engine: Engine, reader: Engine) -> None:
    asked = ask(engine, "of a later version")
    assert not worker(engine, reader, counting(1)).do_next()
    assert task(engine, asked).state is TaskState.WAITING


def test_no_second_worker_takes_a_task_whose_worker_lives(
    engine: Engine, second_engine: Engine, reader: Engine
) -> None:
    second = worker(second_engine, reader, counting(9))

    def try_second(_work: TaskWork, _number: int) -> None:
        assert not second.do_next()

    asked = ask(engine)
    assert worker(engine, reader, counting(2, before=try_second)).do_next()
    assert task(engine, asked).outcome == {"numbers": 2, "ends": 1}


def test_the_task_of_a_dead_worker_is_taken_again_and_what_the_dead_one_still_does_is_undone(
    engine: Engine, second_engine: Engine, reader: Engine
) -> None:
    asked = ask(engine)
    second = worker(second_engine, reader, counting(5))

    def stand_still(_work: TaskWork, number: int) -> None:
        if number == 2:
            age(engine, asked, seen_at=datetime.now(UTC) - DEAD_AFTER)
            assert second.do_next()

    with capture_logs() as logs:
        assert worker(engine, reader, counting(9, before=stand_still)).do_next()
    done = task(engine, asked)
    assert (done.state, done.outcome, done.deaths) == (TaskState.DONE, {"numbers": 5, "ends": 1}, 1)
    assert [line["how"] for line in logs if line["event"] == "task.left"] == ["done", "lost"]


def test_a_task_with_which_worker_after_worker_vanished_fails(engine: Engine, reader: Engine) -> None:
    asked = ask(engine)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE tasks SET state = 'running', holder = 'gone', deaths = {DEATHS_MAX - 1}"))
    age(engine, asked, seen_at=datetime.now(UTC) - 2 * DEAD_AFTER)
    assert worker(engine, reader, counting(1)).do_next()
    ended = task(engine, asked)
    assert (ended.state, ended.failure, ended.outcome) == (TaskState.FAILED, OwnFailure.DIED, {})


def test_a_worker_that_stops_gives_its_task_back_and_the_next_goes_on_from_there(
    engine: Engine, reader: Engine
) -> None:
    asked, numbers = ask(engine), iter(range(9))
    stopping = worker(engine, reader, counting(5), is_stop_asked=lambda: next(numbers) >= 2)
    assert stopping.do_next()
    left = task(engine, asked)
    assert (left.state, left.outcome, left.bookmark, left.deaths) == (TaskState.WAITING, {"numbers": 2}, "2", 0)
    seen: list[int] = []
    assert worker(engine, reader, counting(5, before=lambda _, number: seen.append(number))).do_next()
    assert task(engine, asked).outcome == {"numbers": 5, "ends": 1}
    assert seen == [2, 3, 4]


def test_a_cancelled_task_ends_at_its_next_step_and_keeps_what_it_did(engine: Engine, reader: Engine) -> None:
    asked = ask(engine)

    def cancel(_work: TaskWork, number: int) -> None:
        if number == 2:
            with engine.begin() as connection:
                assert cancel_task(connection, asked, NOW)
                assert not cancel_task(connection, asked, NOW)

    assert worker(engine, reader, counting(5, before=cancel)).do_next()
    ended = task(engine, asked)
    assert (ended.state, ended.outcome, ended.ended_at) == (TaskState.CANCELLED, {"numbers": 2}, NOW)
    assert not worker(engine, reader, counting(5)).do_next()


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (TaskFailed("no_addresses"), "no_addresses"),
        (ValueError(ANA), OwnFailure.MISTAKE),
        (IntegrityError("INSERT", None, Exception(ANA)), OwnFailure.REFUSED),
    ],
)
def test_a_task_that_fails_says_why_and_quotes_nobody(
    engine: Engine, reader: Engine, error: Exception, failure: str
) -> None:
    def fail(_work: TaskWork, number: int) -> None:
        if number == 1:
            raise error

    asked = ask(engine)
    with capture_logs() as logs:
        assert worker(engine, reader, counting(5, before=fail)).do_next()
    ended = task(engine, asked)
    assert (ended.state, ended.failure, ended.outcome) == (TaskState.FAILED, failure, {"numbers": 1})
    assert ANA not in repr(logs) + repr(rows(engine, "tasks"))


def test_if_the_database_is_away_meanwhile_the_task_is_begun_again(engine: Engine, reader: Engine) -> None:
    asked, errors = ask(engine), [OperationalError("SELECT", None, _away())]

    def lose(_work: TaskWork, number: int) -> None:
        if number == 1 and errors:
            raise errors.pop()

    works = worker(engine, reader, counting(3, before=lose))
    with pytest.raises(OperationalError):
        works.do_next()
    assert task(engine, asked).state is TaskState.WAITING
    assert works.do_next()
    assert task(engine, asked).outcome == {"numbers": 3, "ends": 1}


def test_a_task_that_cannot_be_given_back_as_the_database_is_away_is_given_back_once_it_is_there(
    engine: Engine, reader: Engine
) -> None:
    asked, is_away = ask(engine), False

    def lose(_work: TaskWork, number: int) -> None:
        nonlocal is_away
        if number == 1:
            is_away = True
            raise OperationalError("SELECT", None, _away())

    @event.listens_for(engine, "begin")
    def refuse(_connection: object) -> None:
        if is_away:
            raise OperationalError("BEGIN", None, _away())

    works = worker(engine, reader, counting(3, before=lose))
    for _ in range(2):
        with pytest.raises(OperationalError):
            works.do_next()
    event.remove(engine, "begin", refuse)
    assert task(engine, asked).state is TaskState.RUNNING
    with pytest.raises(OperationalError):
        works.do_next()
    left = task(engine, asked)
    assert (left.state, left.deaths, left.outcome) == (TaskState.WAITING, 0, {"numbers": 1})


def _away() -> Exception:
    class OperationalError(Exception):
        """As a driver says it whose connection is gone."""

    return OperationalError()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("is_busy", [False, True])
def test_while_events_are_applied_a_task_rests_for_twice_as_long_as_it_works(
    engine: Engine, reader: Engine, monkeypatch: pytest.MonkeyPatch, is_busy: bool
) -> None:
    now, rests = [0.0], []

    def take_time(_work: TaskWork, number: int) -> None:
        now[0] += WORKED_SECONDS * (number + 0.5)

    monkeypatch.setattr(work_module, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=rests.append))
    ask(engine)
    kinds = {"count": counting(3, before=take_time)}
    runner = TaskRunner(engine, reader, kinds, options=AO, is_stop_asked=lambda: False, is_busy=lambda: is_busy)
    assert runner.do_next()
    # The first step is too short for a rest, and counts with the second.
    assert rests == pytest.approx([2 * 2 * WORKED_SECONDS, 2 * 2.5 * WORKED_SECONDS] if is_busy else [])


# Files


def copying(work: TaskWork) -> Mapping[str, int]:
    lines = 0
    with work.output() as output:
        for line in io.TextIOWrapper(work.input(), encoding="utf-8"):
            output.write(line.upper().encode())
            lines += 1
            work.progress(lines)
    return {"lines": lines}


def test_a_worker_reads_what_was_uploaded_and_leaves_what_it_made_of_it(engine: Engine, reader: Engine) -> None:
    line = b"a line of some length\n"
    content = line * (2 * PART_BYTES // len(line))
    asked = ask(engine, files=(content[start : start + 1000] for start in range(0, len(content), 1000)))
    assert len(rows(engine, "task_files")) == 2
    with engine.connect() as connection:
        assert file_bytes(connection, asked, INPUT) == len(content)
        assert file_bytes(connection, asked, OUTPUT) is None
    assert worker(engine, reader, copying).do_next()
    assert task(engine, asked).outcome == {"lines": len(content.splitlines())}
    assert b"".join(read_file(reader, asked, OUTPUT)) == content.upper()


def test_what_a_stopped_worker_wrote_of_a_file_is_written_anew(engine: Engine, reader: Engine) -> None:
    asked, steps = ask(engine, files=[b"x\n" * PART_BYTES]), iter(range(9 * PART_BYTES))
    stopping = worker(engine, reader, copying, is_stop_asked=lambda: next(steps) > PART_BYTES * 3 // 4)
    assert stopping.do_next()
    assert len(b"".join(read_file(reader, asked, OUTPUT))) == PART_BYTES
    assert worker(engine, reader, copying).do_next()
    assert b"".join(read_file(reader, asked, OUTPUT)) == b"X\n" * PART_BYTES


def test_files_are_deleted_a_day_after_the_task_has_ended_and_never_before(engine: Engine, reader: Engine) -> None:
    waiting, old, fresh = (ask(engine, files=[b"x"], now=now) for now in (NOW - 99 * HOUR, NOW, NOW))
    for asked, ended in ((old, NOW - 25 * HOUR), (fresh, NOW - 23 * HOUR)):
        with engine.begin() as connection:
            assert cancel_task(connection, asked, ended)
    with engine.begin() as connection:
        assert delete_old_files(connection, NOW) == 1
    assert {row["task_id"] for row in rows(engine, "task_files")} == {waiting, fresh}
    assert list(read_file(reader, old, INPUT)) == []


# A person who is forgotten


def test_no_file_and_no_parameter_is_left_that_may_name_a_person_who_is_forgotten(engine: Engine) -> None:
    of_list, of_person, of_none = ask(engine, files=[b"x"]), ask(engine, parameters={"address": ANA}), ask(engine)
    over = ask(engine, files=[b"x"], parameters={"reason": "too_long"})
    of_letter = ask(engine, parameters={"digests": ["0" * 64]})
    with engine.begin() as connection:
        cancel_task(connection, over, NOW)
        assert erase_tasks(connection, lambda content: ANA.encode() in content, NOW) == 4
        assert erase_tasks(connection, lambda content: ANA.encode() in content, NOW) == 0
    assert rows(engine, "task_files") == []
    assert ANA not in repr(rows(engine, "tasks"))
    assert "0" * 64 not in repr(rows(engine, "tasks"))
    for asked in (of_list, of_person, of_letter):
        assert (task(engine, asked).state, task(engine, asked).failure) == (TaskState.FAILED, OwnFailure.FORGOTTEN)
    assert (task(engine, of_none).state, task(engine, over).state) == (TaskState.WAITING, TaskState.CANCELLED)
    assert task(engine, over).parameters == {"reason": "too_long"}


# A page of them


def test_tasks_come_in_pages_the_latest_first(engine: Engine) -> None:
    asked = [ask(engine, now=NOW + timedelta(minutes=number // 2)) for number in range(7)]
    pages, before = [], None
    with engine.connect() as connection:
        while page := latest_tasks(connection, before=before, limit=3):
            pages.append([record.id for record in page])
            before = page[-1].id
        assert latest_tasks(connection, before="of nobody", limit=3) == []
    assert [len(page) for page in pages] == [3, 3, 1]
    seen = [task_id for page in pages for task_id in page]
    assert sorted(seen) == sorted(asked)
    assert [task(engine, task_id).asked_at for task_id in seen] == sorted(
        (task(engine, task_id).asked_at for task_id in asked), reverse=True
    )
