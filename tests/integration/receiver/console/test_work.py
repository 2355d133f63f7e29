"""Dead letters are found by reason and in pages, and replayed by a worker, which the console shows and can end."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine, select, text

from models.tables import AUDIT_LOG, DEAD_LETTERS, TASKS
from sync.dead_letters.replay_request import KIND
from sync.dead_letters.replay_task import replay_letters
from sync.tasks import TaskRunner
from tests.integration.dead_letters.letters import keep
from tests.integration.tasks.working import age, ask
from tests.support.consoles import Visitor
from tests.support.events_builder import AO, TEN, body, minute

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def work(engine: Engine, reader: Engine) -> None:
    assert TaskRunner(engine, reader, {KIND: replay_letters}, options=AO, is_stop_asked=lambda: False).do_next()


def deeds(engine: Engine) -> list[tuple[str, str, str]]:
    with engine.connect() as connection:
        query = select(AUDIT_LOG.c.name, AUDIT_LOG.c.action, AUDIT_LOG.c.subject).order_by(AUDIT_LOG.c.id)
        return [tuple(row) for row in connection.execute(query) if row.action != "signed_in"]


def unreadable(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(
            connection.execute(select(DEAD_LETTERS.c.digest).where(DEAD_LETTERS.c.reason == "not_json")).scalar()
        )


def test_all_of_a_reason_are_replayed_by_a_worker_after_a_question_that_says_how_many(
    operator: Visitor, filled: Engine, reader: Engine
) -> None:
    for number in range(3):
        keep(filled, body("message.delivered", TEN, message_id=f"msg_{number}"), reason="refused")
    question = operator.get("/dead-letters/replay?reason=refused")
    assert "3 dead letters will be read again" in question.text
    until = question.text.partition('name="until" value="')[2].partition('"')[0]
    keep(filled, body("message.delivered", TEN, message_id="msg_9"), reason="refused", received_at=datetime.now(UTC))
    asked = operator.post("/dead-letters/replay", reason="refused", until=until)
    page = operator.follow(asked)
    assert (page.status_code, page.headers["Refresh"]) == (200, "2")
    assert "waits for a worker" in page.text.lower()
    assert "0 of 3" in page.text
    work(filled, reader)
    page = operator.get(asked.headers["Location"].removeprefix("/console"))
    assert "Refresh" not in page.headers
    assert "Done: 3 applied" in page.text
    assert "3 applied" in operator.get("/tasks").text
    task_id = asked.headers["Location"].partition("id=")[2]
    assert deeds(filled) == [("Maria", "dead_letters_replayed", task_id)]
    assert task_id in operator.get("/log").text
    assert "1 dead letter will be read again" in operator.get("/dead-letters/replay?reason=refused").text


@on_sqlite
def test_one_letter_is_replayed_and_what_is_still_dead_is_said_so_in_both_languages(
    operator: Visitor, filled: Engine, reader: Engine
) -> None:
    digest = unreadable(filled)
    assert "Replay it" in operator.get(f"/dead-letter?digest={digest}").text
    asked = operator.post("/dead-letter/replay", digest=digest)
    work(filled, reader)
    assert "Done: 1 still dead" in operator.follow(asked).text
    page = asked.headers["Location"].removeprefix("/console")
    assert "Feito: 1 ainda mortas" in operator.get(f"{page}&lang=pt").text
    assert operator.post("/dead-letter/replay", digest="f" * 64).status_code == 404


@on_sqlite
def test_a_task_is_cancelled_by_name_once(operator: Visitor, filled: Engine) -> None:
    asked = ask(filled, KIND)
    assert "Cancel it" in operator.get(f"/task?id={asked}").text
    page = operator.follow(operator.post("/task/cancel", id=asked))
    assert "Refresh" not in page.headers
    assert "Cancel it" not in page.text
    assert "It had ended already" in operator.follow(operator.post("/task/cancel", id=asked)).text
    assert operator.post("/task/cancel", id="of nobody").status_code == 404
    assert deeds(filled) == [("Maria", "task_cancelled", asked)]


@on_sqlite
def test_a_task_that_no_worker_takes_says_so_after_a_minute(operator: Visitor, filled: Engine) -> None:
    asked = ask(filled, KIND)
    assert "Is one running?" not in operator.get(f"/task?id={asked}").text
    age(filled, asked, asked_at=datetime.now(UTC) - timedelta(seconds=61))
    assert "Is one running?" in operator.get(f"/task?id={asked}").text


@on_sqlite
def test_a_viewer_sees_who_asked_for_what_and_no_button(viewer: Visitor, filled: Engine) -> None:
    asked = ask(filled, KIND)
    for path in ("/tasks", f"/task?id={asked}", "/dead-letters", f"/dead-letter?digest={unreadable(filled)}"):
        page = viewer.get(path)
        assert page.status_code == 200
        assert page.text.count("<form") == 1, path  # to sign out
    assert "Maria" in viewer.get("/tasks").text


@on_sqlite
def test_letters_come_in_pages_by_reason_and_by_whether_they_are_decided(operator: Visitor, filled: Engine) -> None:
    digests = [keep(filled, b"{%d" % number, received=number // 2, reason="too_long") for number in range(120)]
    keep(filled, b"[decided", reason="too_long", resolved_at=minute(1))
    seen, path = [], "/dead-letters?reason=too_long"
    while path:
        text = operator.get(path.replace("&amp;", "&")).text
        seen += [digest for digest in digests if f"digest={digest}" in text]
        path = text.partition('class="pager"')[2].partition('href="/console')[2].partition('"')[0]
    assert sorted(seen) == sorted(digests)
    assert "1 dead letter" not in operator.get("/dead-letters?reason=too_long&state=resolved").text
    decided = operator.get("/dead-letters?reason=too_long&state=resolved").text
    assert [digest for digest in digests if digest in decided] == []
    assert "Replay all" not in decided
    assert operator.get("/dead-letters?reason=never&state=never&after=never").status_code == 200


@on_sqlite
def test_a_letter_is_put_aside_only_if_the_log_keeps_by_whom(operator: Visitor, filled: Engine) -> None:
    digest = unreadable(filled)
    operator.get(f"/dead-letter?digest={digest}")
    with filled.begin() as connection:
        connection.execute(text("CREATE TRIGGER full BEFORE INSERT ON audit_log BEGIN SELECT RAISE(FAIL, 'full'); END"))
    assert operator.post("/dead-letter/resolve", digest=digest).status_code == 503
    with filled.connect() as connection:
        assert connection.execute(select(DEAD_LETTERS.c.resolved_at)).scalars().all() == [None]


def test_a_count_ends_at_its_bound(
    app: Flask,  # noqa: ARG001
    operator: Visitor,
    filled: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("receiver.console.dead_letters.COUNTED_MAX", 1)
    page = operator.get("/dead-letters/replay")
    assert "1 dead letters or more will be read again" in page.text
    until = page.text.partition('name="until" value="')[2].partition('"')[0]
    assert operator.post("/dead-letters/replay", until=until).status_code == 303
    with filled.connect() as connection:
        assert connection.execute(select(TASKS.c.steps_total)).scalar_one() is None


@on_sqlite
def test_a_question_without_its_moment_replays_nothing(operator: Visitor, filled: Engine) -> None:
    operator.get("/dead-letters")
    for until in ("", "never", "2026-06-24T10:00:00", "0001-01-01T00:00:00+23:59"):
        assert operator.post("/dead-letters/replay", until=until).status_code == 400, until
    with filled.connect() as connection:
        assert connection.execute(select(TASKS.c.id)).first() is None
