"""Replaying dead letters because somebody asked for it in the console: what the command does, done by a worker."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sync.dead_letters.find import LetterSelection, count_letters
from sync.dead_letters.replay_request import ALREADY_GONE, HELD, KIND, parameters_of
from sync.dead_letters.replay_task import LETTERS_PER_PAGE, replay_letters
from sync.store import apply as apply_module
from sync.tasks import TaskRunner, TaskState, TaskWork, add_task, cancel_task
from tests.conftest import NOW
from tests.integration.dead_letters.letters import STOP, UNREADABLE, active, digest, keep, letters
from tests.integration.tasks.working import task
from tests.support.events_builder import ANA, AO, REFUSED, RUI, TEN, body, minute, rows


def ask(engine: Engine, selection: LetterSelection, *, total: int | None = None) -> str:
    with engine.begin() as connection:
        count = count_letters(connection, selection, at_most=1000) if total is None else total
        parameters = parameters_of(selection)
        return add_task(connection, KIND, by="Maria", parameters=parameters, now=datetime.now(UTC), steps_total=count)


def work(engine: Engine, reader: Engine, **options: Any) -> None:
    options = {"options": AO, "is_stop_asked": lambda: False} | options
    assert TaskRunner(engine, reader, {KIND: replay_letters}, **options).do_next()


def many(count: int) -> list[bytes]:
    """Bodies that are understood, and of every third one that is not."""
    good = [body("message.delivered", TEN, message_id=f"msg_{number}", to=ANA) for number in range(count)]
    return [*good, *(b"{%d" % number for number in range(count // 3))]


def test_all_of_a_reason_are_replayed_and_counted_in_the_words_of_the_command(engine: Engine, reader: Engine) -> None:
    keep(engine, STOP, reason="refused")
    keep(engine, UNREADABLE, reason="refused")
    keep(engine, body("message.delivered", TEN, message_id="msg_2"), reason="too_long")
    asked = ask(engine, LetterSelection(reason="refused"))
    work(engine, reader)
    done = task(engine, asked)
    assert done.state is TaskState.DONE
    assert done.outcome == {"applied": 1, "still_dead": 1, ALREADY_GONE: 0}
    assert (done.steps_done, done.steps_total) == (2, 2)
    assert active(engine) == [ANA]
    assert letters(engine)[STOP]["resolved_at"] is not None


def test_one_letter_is_replayed_by_its_digest_and_one_that_is_gone_is_counted_so(
    engine: Engine, reader: Engine
) -> None:
    keep(engine, STOP)
    first, second = (ask(engine, LetterSelection(digests=(name,)), total=1) for name in (digest(STOP), "f" * 64))
    work(engine, reader)
    work(engine, reader)
    assert task(engine, first).outcome == {"applied": 1, ALREADY_GONE: 0}
    assert task(engine, second).outcome == {ALREADY_GONE: 1}


def test_letters_that_came_after_the_question_are_left_alone(engine: Engine, reader: Engine) -> None:
    keep(engine, STOP, received=1)
    asked = ask(engine, LetterSelection(received_until=minute(0)), total=1)
    work(engine, reader)
    assert task(engine, asked).outcome == {ALREADY_GONE: 1}
    assert letters(engine)[STOP]["resolved_at"] is None


def test_a_replay_that_is_stopped_at_any_letter_goes_on_and_counts_each_once(engine: Engine, reader: Engine) -> None:
    bodies = many(60)
    for content in bodies:
        keep(engine, content)
    asked = ask(engine, LetterSelection())
    looks = 0
    while task(engine, asked).state is TaskState.WAITING:
        looks += 10
        numbers = iter(range(10**6))
        work(engine, reader, is_stop_asked=lambda numbers=numbers, looks=looks: next(numbers) >= looks)
    done = task(engine, asked)
    assert done.outcome == {"applied": 60, "still_dead": 20, ALREADY_GONE: 0}
    assert done.steps_done == 80
    assert {letter["attempts"] for letter in letters(engine).values() if not letter["resolved_at"]} == {2}


def test_one_that_the_database_refuses_is_counted_once_though_a_worker_stops_among_the_others(
    refusing: Engine, reader: Engine
) -> None:
    bad = body("message.optout", TEN, message_id=REFUSED, channel="sms", to=RUI)
    for content in (bad, *many(6)):
        keep(refusing, content)
    asked = ask(refusing, LetterSelection())
    work(refusing, reader)
    assert task(refusing, asked).outcome == {"applied": 6, "still_dead": 3, ALREADY_GONE: 0}
    assert letters(refusing)[bad]["attempts"] == 2


def test_a_worker_that_is_lost_among_letters_one_by_one_leaves_the_rest_to_the_next(
    refusing: Engine, reader: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = body("message.optout", TEN, message_id=REFUSED, channel="sms", to=RUI)
    for content in (bad, *many(9)):
        keep(refusing, content)
    asked = ask(refusing, LetterSelection())
    note, calls = TaskWork.note, iter(range(99))

    def note_until_lost(self: TaskWork, *arguments: Any, **options: Any) -> None:
        if next(calls) == 5:
            self._require(False)
        note(self, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(TaskWork, "note", note_until_lost)
        work(refusing, reader)
    half = task(refusing, asked)
    assert (half.state, half.steps_done) == (TaskState.RUNNING, 5)
    with refusing.begin() as connection:
        connection.execute(text("UPDATE tasks SET state = 'waiting'"))
    work(refusing, reader)
    done = task(refusing, asked)
    assert done.outcome == {"applied": 9, "still_dead": 4, ALREADY_GONE: 0}
    assert {letter["attempts"] for letter in letters(refusing).values() if not letter["resolved_at"]} == {2}
    assert len(rows(refusing, "events")) == 9


def test_a_replay_that_is_cancelled_keeps_and_tells_what_it_did(engine: Engine, reader: Engine) -> None:
    for content in many(60):
        keep(engine, content)
    asked, numbers = ask(engine, LetterSelection()), iter(range(10**6))

    def cancel_at_last() -> bool:
        if next(numbers) == 20:  # within the first page, at whose end there is a look for each letter
            with engine.begin() as connection:
                cancel_task(connection, asked, NOW)
        return False

    work(engine, reader, is_stop_asked=cancel_at_last)
    ended = task(engine, asked)
    assert ended.state is TaskState.CANCELLED
    resolved = sum(letter["resolved_at"] is not None for letter in letters(engine).values())
    assert ended.outcome["applied"] == resolved
    assert ended.steps_done == LETTERS_PER_PAGE


def test_if_known_good_events_fail_too_the_replay_fails_and_no_letter_is_touched(
    engine: Engine, reader: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(engine, STOP)
    asked = ask(engine, LetterSelection())

    def fail(*_: object, **__: object) -> None:
        raise KeyError(ANA)

    monkeypatch.setattr(apply_module, "merge_rows", fail)
    work(engine, reader)
    ended = task(engine, asked)
    assert (ended.state, ended.failure) == (TaskState.FAILED, HELD)
    assert (letters(engine)[STOP]["attempts"], letters(engine)[STOP]["resolved_at"]) == (1, None)
