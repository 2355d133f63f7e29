"""The six documented events: the rows that each of them makes."""

import pytest
from sqlalchemy import Engine, select
from sqlmodel import SQLModel

from sync.store.tally import Tally
from tests.conftest import NOW
from tests.integration.store.ledger import (
    active,
    assert_one_answer,
    digest,
    give,
    held_body,
    in_every_order,
    message,
    message_event,
    only_row,
    stopped,
)
from tests.support.events_builder import ANA, RECEIVED, SAMPLE, TEN, body, everything, minute, raw, rows

# The six events


NOTHING = dict.fromkeys(("sender", "campaign_id", "delivered_at", "failed_at", "failure_code", "failure_reason"))


def test_the_documented_sample_is_a_row_of_the_ledger_and_a_delivered_message(engine: Engine) -> None:
    assert give(engine, SAMPLE) == Tally(received=1, applied=1)
    assert everything(engine) == {
        "events": [
            {
                "subject_id": "msg_abc123",
                "event": "message.delivered",
                "occurred_at": minute(5),
                "received_at": RECEIVED,
                "is_dated": True,
                "outcome": "applied",
                "origin": "signed",
                "digest": digest(SAMPLE),
            }
        ],
        "bodies": [
            {
                "subject_id": "msg_abc123",
                "event": "message.delivered",
                "received_at": RECEIVED,
                "body": SAMPLE,
                "origin": "signed",
            }
        ],
        "further_bodies": [],
        "message_status": [
            NOTHING
            | {
                "message_id": "msg_abc123",
                "channel": "sms",
                "recipient": ANA,
                "status": "delivered",
                "status_at": minute(5),
                "delivered_at": minute(4 + 55 / 60),
                "opted_out_at": None,
                "conflict": False,
            }
        ],
        "campaign_status": [],
        "opt_outs": [],
        "opt_out_history": [],
        "nameless_opt_outs": [],
        "dead_letters": [],
    }


@pytest.mark.parametrize("status", ["failed", "undeliverable"])
def test_a_failure_is_a_message_with_its_words(engine: Engine, status: str) -> None:
    error = {"code": "E1", "message": "no route"}
    give(
        engine, message_event(status, 1, channel="SMS", to="912345678", from_="ZEXA", campaign_id="cmp_1", error=error)
    )
    assert message(engine) == NOTHING | {
        "message_id": "msg_1",
        "channel": "sms",
        "recipient": ANA,
        "sender": "ZEXA",
        "campaign_id": "cmp_1",
        "status": status,
        "status_at": minute(1),
        "failed_at": minute(1),
        "failure_code": "E1",
        "failure_reason": "no route",
        "opted_out_at": None,
        "conflict": False,
    }
    assert stopped(engine) == {}


def test_an_opt_out_is_a_message_without_status_and_an_address_not_to_be_messaged(engine: Engine) -> None:
    give(engine, message_event("optout", 1, channel="sms", to=ANA, from_="ZEXA"))
    assert message(engine) == NOTHING | {
        "message_id": "msg_1",
        "channel": "sms",
        "recipient": ANA,
        "sender": "ZEXA",
        "status": None,
        "status_at": None,
        "opted_out_at": minute(1),
        "conflict": False,
    }
    assert only_row(rows(engine, "opt_outs")) == {
        "channel": "sms",
        "address": ANA,
        "sender": "ZEXA",
        "opted_out_at": minute(1),
        "opted_in_at": None,
        "received_at": minute(120),
        "source": "event",
        "message_id": "msg_1",
        "note": None,
        "opt_out_id": digest(message_event("optout", 1, channel="sms", to=ANA, from_="ZEXA").body),
        "person": ANA,
    }
    assert active(engine) == [ANA]


def test_a_campaign_is_sent_and_then_completed_in_either_order(engine: Engine) -> None:
    sent = raw(body("campaign.sent", minute(1), id="cmp_1", name="June", channel="SMS"))
    completed = raw(body("campaign.completed", minute(9), id="cmp_1", delivered=7, total=9))
    states = in_every_order(engine, sent, completed)
    assert_one_answer(states)
    assert only_row(states[0]["campaign_status"]) == {
        "campaign_id": "cmp_1",
        "status": "completed",
        "sent_at": minute(1),
        "completed_at": minute(9),
        "name": "June",
        "channel": "sms",
        "details": '{"delivered": 7, "id": "cmp_1", "total": 9}',
        "message_total": 9,
    }
    assert rows(engine, "message_status") == []


def test_a_campaign_that_was_only_sent_is_sent(engine: Engine) -> None:
    give(engine, body("campaign.sent", minute(1), id="cmp_1"))
    row = only_row(rows(engine, "campaign_status"))
    assert (row["status"], row["sent_at"], row["completed_at"]) == ("sent", minute(1), None)


def test_a_message_and_a_campaign_of_one_id_do_not_mix(engine: Engine) -> None:
    events = [message_event("delivered", 1, message_id="x", to=ANA), raw(body("campaign.sent", TEN, id="x"))]
    states = in_every_order(engine, *events, message_event("optout", 2, message_id="x"))
    assert_one_answer(states)
    assert (message(engine)["status"], only_row(rows(engine, "campaign_status"))["status"]) == ("delivered", "sent")
    assert active(engine) == [ANA]


@pytest.mark.parametrize("name", ["message.delivered", "message.failed", "campaign.sent", "campaign.completed"])
def test_an_event_without_an_id_is_in_the_ledger_only(engine: Engine, name: str) -> None:
    content = body(name, TEN, to=ANA)
    assert give(engine, content) == Tally(received=1, applied=1)
    entry = only_row(rows(engine, "events"))
    assert (entry["subject_id"], entry["event"]) == (f"sha256:{digest(content)}", name)
    assert held_body(engine) == content
    assert {table for table, rows_of_table in everything(engine).items() if rows_of_table} == {"events", "bodies"}


def test_an_event_has_the_canonical_name_and_its_body_keeps_its_own(engine: Engine) -> None:
    content = body("Message_Opt-Out", minute(1), message_id="msg_1", to=ANA)
    assert give(engine, content, message_event("optout", 1, to=ANA)) == Tally(received=2, applied=2)
    assert only_row(rows(engine, "events"))["event"] == "message.optout"
    assert {bytes(row["body"]) for row in rows(engine, "bodies")} == {content, message_event("optout", 1, to=ANA).body}
    assert stopped(engine) == {("", ANA, ""): minute(1)}


def test_times_are_kept_to_the_microsecond(engine: Engine) -> None:
    content = SAMPLE.replace(b"10:05:00Z", b"11:05:00.123456789+01:00")
    give(engine, content)
    assert only_row(rows(engine, "events"))["occurred_at"] == minute(5).replace(microsecond=123456)


def test_rows_say_when_they_were_written(engine: Engine) -> None:
    give(
        engine,
        message_event("delivered", 1, to=ANA),
        message_event("optout", 2),
        body("campaign.sent", TEN, id="cmp_1"),
    )
    with engine.connect() as connection:
        for table, column in (("events", "applied_at"), ("message_status", "updated_at"), ("opt_outs", "updated_at")):
            columns = SQLModel.metadata.tables[table].columns
            assert set(connection.execute(select(columns[column])).scalars()) == {NOW}
