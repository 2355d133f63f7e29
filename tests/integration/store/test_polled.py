"""What was asked for, in the tables: beside what is signed, and never instead of it."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sync.events.event import Event
from sync.events.polled import answer_body, parse_answer
from sync.store.polled import merge_answers
from tests.conftest import NOW
from tests.integration.store.ledger import give, message, message_event, only_row
from tests.support.events_builder import ANA, AO, body, minute, raw, rows


def polled(status: str, asked_at: float = 120, fields: bytes = b"", message_id: str = "msg_1") -> Event:
    event = parse_answer(
        answer_body(message_id, b'{"status": "%b"%b}' % (status.encode(), fields)), minute(asked_at), AO
    )
    assert event is not None
    return event


def ask(engine: Engine, *answers: Event) -> int:
    with engine.begin() as connection:
        return merge_answers(connection, answers, AO, NOW)


def test_an_answer_is_kept_as_a_fact_and_as_a_body_of_its_own_origin(engine: Engine) -> None:
    answer = polled("failed", 90, b', "failed_at": "2026-06-24T10:05:00Z", "error_code": "30003"')
    assert ask(engine, answer) == 1
    entry, stored_body = only_row(rows(engine, "events")), only_row(rows(engine, "bodies"))
    assert (entry["subject_id"], entry["event"], entry["origin"]) == ("msg_1", "message.failed", "polled")
    assert (entry["occurred_at"], entry["received_at"], entry["is_dated"]) == (minute(5), minute(90), True)
    assert (bytes(stored_body["body"]), stored_body["origin"]) == (answer.body, "polled")
    row = message(engine)
    assert (row["status"], row["status_at"], row["failure_code"]) == ("failed", minute(5), "30003")


def test_a_signed_event_that_comes_late_takes_the_place_of_the_answer_and_both_are_kept(engine: Engine) -> None:
    ask(engine, polled("delivered", 90, b', "campaign_id": "cmp_1"'))
    give(engine, message_event("delivered", 5, 300, to=ANA))
    entry, other = only_row(rows(engine, "events")), only_row(rows(engine, "further_bodies"))
    assert (entry["origin"], entry["occurred_at"], other["origin"]) == ("signed", minute(5), "polled")
    row = message(engine)
    assert (row["status_at"], row["recipient"], row["campaign_id"]) == (minute(5), ANA, "cmp_1")


@pytest.mark.parametrize("signed_first", [True, False])
def test_a_signed_event_without_a_time_holds_against_an_answer_that_has_one(engine: Engine, signed_first: bool) -> None:
    def sign() -> None:
        give(engine, message_event("delivered", None, 60))

    def say() -> None:
        ask(engine, polled("delivered", 90, b', "delivered_at": "2026-06-24T11:20:00Z"'))

    for do in (sign, say) if signed_first else (say, sign):
        do()
    assert (only_row(rows(engine, "events"))["origin"], message(engine)["status_at"]) == ("signed", minute(60))


def test_only_a_message_that_had_no_final_status_is_one_that_asking_repaired(engine: Engine) -> None:
    give(engine, message_event("delivered", 5), message_event("optout", 6, message_id="msg_2", to=ANA))
    finals = [polled("delivered", message_id=f"msg_{number}") for number in range(1, 4)]
    assert ask(engine, *finals, polled("sent", message_id="msg_4")) == 2
    assert ask(engine, *finals) == 0
    assert ask(engine, polled("failed", message_id="msg_4")) == 1
    assert {row["message_id"]: row["status"] for row in rows(engine, "message_status")} == {
        **dict.fromkeys(["msg_1", "msg_2", "msg_3"], "delivered"),
        "msg_4": "failed",
    }


@pytest.mark.parametrize("signed_first", [True, False])
def test_a_signed_event_of_an_unknown_type_holds_in_the_ledger_and_takes_no_status_away(
    engine: Engine, signed_first: bool
) -> None:
    def sign() -> None:
        give(engine, message_event("sent", 5))

    def say() -> None:
        ask(engine, polled("sent", fields=b', "to": "+244912345678"'))

    for do in (sign, say) if signed_first else (say, sign):
        do()
    entry, row = only_row(rows(engine, "events")), message(engine)
    assert (entry["origin"], entry["outcome"]) == ("signed", "ignored")
    assert (row["status"], row["recipient"]) == ("sent", ANA)


def test_the_bytes_of_an_answer_that_are_delivered_are_no_answer(engine: Engine) -> None:
    """Neither by HTTP nor in a job can anybody say that a body was polled."""
    give(engine, polled("delivered").body)
    entry = only_row(rows(engine, "events"))
    assert (entry["origin"], entry["outcome"], entry["event"]) == ("signed", "ignored", "")
    assert rows(engine, "message_status") == []


def test_the_report_of_lags_leaves_out_what_was_asked_for(engine: Engine) -> None:
    ask(engine, polled("delivered", 600, b', "delivered_at": "2026-06-24T10:05:00Z"'))
    give(engine, raw(body("message.delivered", minute(599), message_id="msg_2"), minute(600)))
    with engine.connect() as connection:
        lags: Any = connection.execute(text("SELECT events, received_p99_seconds FROM report_lag")).all()
    assert [tuple(row) for row in lags] == [(1, timedelta(minutes=1).total_seconds())]
