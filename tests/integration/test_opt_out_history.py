"""The history of opt-outs: complete, once each, only ever added to; and what can be proved from it."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import DBAPIError

from sync.apply import apply
from sync.merge import OptOutRow, OptOutSource
from sync.opt_outs.evidence import gather_evidence
from sync.opt_outs.latency import latency
from sync.opt_outs.merging import HISTORY, merge_opt_outs
from sync.reading import Reading
from sync.store import OPT_OUTS
from tests.conftest import NOW
from tests.events_builder import ANA, AO, RUI, body, minute, raw, rows

STRICT = Reading(default_region="AO", opt_out_failures=frozenset({"21610", "recipient opted out"}))


def give(engine: Engine, *bodies: bytes, reading: Reading = AO) -> None:
    apply(engine, [raw(one) for one in bodies], reading=reading, now=NOW)


def history(engine: Engine) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        found = connection.execute(select(HISTORY).order_by(HISTORY.c.id)).mappings()
        return [{name: value for name, value in row.items() if name != "id"} for row in found]


def stop(at: float = 1, **data: object) -> bytes:
    return body("message.optout", minute(at), **({"to": ANA, "channel": "sms", "message_id": "m1"} | data))


def failure(**data: object) -> bytes:
    return body("message.failed", minute(2), **({"to": ANA, "channel": "sms", "message_id": "m2"} | data))


def test_an_opt_out_is_noted_with_its_times_its_event_and_the_body_that_was_signed(engine: Engine) -> None:
    give(engine, stop(**{"from": "ZEXA"}))
    (noted,) = history(engine)
    assert noted == {
        "channel": "sms",
        "address": ANA,
        "sender": "ZEXA",
        "kind": "opted_out",
        "occurred_at": minute(1),
        "received_at": raw(b"").received_at,
        "applied_at": NOW,
        "source": "event",
        "message_id": "m1",
        "event": "message.optout",
        "digest": hashlib.sha256(stop(**{"from": "ZEXA"})).hexdigest(),
        "body": stop(**{"from": "ZEXA"}),
        "stated_by": None,
        "reason": None,
    }


def test_copies_and_later_facts_of_the_message_add_nothing(engine: Engine) -> None:
    give(engine, stop(), stop())
    give(engine, stop(), body("message.delivered", minute(0), to=ANA, message_id="m1"))
    give(engine, body("message.failed", minute(3), to=ANA, message_id="m1"))
    assert len(history(engine)) == 1


def test_an_opt_out_that_changes_no_row_is_noted_all_the_same(engine: Engine) -> None:
    give(engine, stop(5))
    give(engine, stop(1, message_id="earlier"))
    assert [noted["message_id"] for noted in history(engine)] == ["m1", "earlier"]
    (row,) = rows(engine, "opt_outs")
    assert row["message_id"] == "m1"


def test_a_stop_without_an_address_is_noted_once_its_message_tells_whose_it_is(engine: Engine) -> None:
    give(engine, stop(to=None))
    assert history(engine) == []
    give(engine, body("message.delivered", minute(0), to=RUI, message_id="m1"))
    (noted,) = history(engine)
    assert (noted["address"], noted["event"], noted["body"]) == (RUI, "message.optout", stop(to=None))


def test_what_people_state_is_noted_every_time_with_who_and_why(engine: Engine) -> None:
    claim = OptOutRow(
        channel="", address=ANA, sender="", opted_out_at=minute(1), message_id=None,
        source=OptOutSource.MANUAL, note="told us by letter", stated_by="Rosa",
    )  # fmt: skip
    for _ in range(2):
        with engine.begin() as connection:
            merge_opt_outs(connection, [claim], NOW)
    assert [(noted["stated_by"], noted["reason"], noted["digest"]) for noted in history(engine)] == [
        ("Rosa", "told us by letter", None),
        ("Rosa", "told us by letter", None),
    ]
    (row,) = rows(engine, "opt_outs")
    assert (row["source"], row["note"]) == ("manual", "told us by letter")


@pytest.mark.parametrize("change", ["UPDATE opt_out_history SET address = 'nobody'", "DELETE FROM opt_out_history"])
def test_nothing_in_the_history_can_be_changed_or_deleted(engine: Engine, change: str) -> None:
    give(engine, stop())
    with pytest.raises(DBAPIError, match="only ever added to"), engine.begin() as connection:
        connection.execute(text(change))
    assert len(history(engine)) == 1


# Opt-outs that hide in failures


@pytest.mark.parametrize(
    "data",
    [
        {"error_code": "21610"},
        {"error_code": 21610},
        {"code": " 21610 "},
        {"error": {"code": 21610, "message": "blocked"}},
        {"error": "Recipient Opted OUT"},
        {"error": {"message": "recipient opted out"}},
    ],
)
def test_a_failure_that_says_the_recipient_opted_out_opts_out(engine: Engine, data: dict[str, object]) -> None:
    give(engine, failure(**data), reading=STRICT)
    (row,) = rows(engine, "opt_outs")
    assert (row["address"], row["source"], row["opted_out_at"], row["message_id"]) == (ANA, "failure", minute(2), "m2")
    (noted,) = history(engine)
    assert (noted["source"], noted["event"]) == ("failure", "message.failed")
    (message,) = rows(engine, "message_status")
    assert (message["status"], message["opted_out_at"]) == ("failed", None)


@pytest.mark.parametrize("data", [{}, {"error_code": "2161"}, {"error_code": "216100"}, {"error": "it opted out"}])
def test_no_other_failure_opts_out(engine: Engine, data: dict[str, object]) -> None:
    give(engine, failure(**data), reading=STRICT)
    assert rows(engine, "opt_outs") == []


def test_no_failure_opts_out_unless_it_is_configured(engine: Engine) -> None:
    give(engine, failure(error_code="21610"))
    assert rows(engine, "opt_outs") == []


def test_in_either_order_a_stop_stands_before_a_failure_of_the_same_moment(engine: Engine) -> None:
    told = stop(2, message_id="m2"), failure(message_id="m2", error_code="21610")
    for first, second in (told, told[::-1]):
        give(engine, first, reading=STRICT)
        give(engine, second, reading=STRICT)
        (row,) = rows(engine, "opt_outs")
        assert row["source"] == "event"
        with engine.begin() as connection:
            for table in ("events", "message_status", "opt_outs"):
                connection.execute(text(f"DELETE FROM {table}"))


# Messages sent after an opt-out


def sent_after(engine: Engine) -> list[tuple[str, float]]:
    query = text("SELECT message_id, seconds_after_opt_out FROM sent_after_opt_out ORDER BY message_id")
    with engine.connect() as connection:
        return [(row[0], round(row[1], 3)) for row in connection.execute(query)]


def delivered(message_id: str, at: float, to: str = ANA) -> bytes:
    return body("message.delivered", minute(at), message_id=message_id, to=to)


def test_a_message_later_than_a_stop_of_its_address_is_listed_with_how_much_later(engine: Engine) -> None:
    give(engine, stop(5), delivered("before", 4), delivered("after", 7), delivered("others", 7, RUI))
    assert sent_after(engine) == [("after", 120.0)]


def test_the_message_that_was_answered_with_stop_is_not_listed(engine: Engine) -> None:
    give(engine, stop(5, message_id="m1"), delivered("m1", 6))
    assert sent_after(engine) == []


def test_a_second_stop_does_not_hide_what_was_sent_after_the_first(engine: Engine) -> None:
    give(engine, stop(5), delivered("after", 7), stop(9, message_id="after"))
    assert sent_after(engine) == [("after", 120.0)]


def test_a_message_after_a_resubscription_is_not_listed_and_one_before_it_stays_listed(engine: Engine) -> None:
    give(engine, stop(5), delivered("between", 6), delivered("welcome", 9), delivered("again", 12))
    again = {
        "channel": "sms", "address": ANA, "sender": "", "kind": "opted_in", "occurred_at": minute(8),
        "applied_at": NOW, "source": "manual", "stated_by": "Rosa", "reason": "asked for it",
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(HISTORY).values(**again))
        connection.execute(OPT_OUTS.update().values(opted_in_at=minute(8)))
    assert sent_after(engine) == [("between", 60.0)]
    give(engine, stop(11, message_id="second"))
    assert sent_after(engine) == [("again", 60.0), ("between", 60.0)]


# Evidence


def test_evidence_shows_statements_bodies_facts_and_what_was_sent_afterwards(engine: Engine) -> None:
    give(engine, delivered("m1", 0), stop(5, to=None), delivered("after", 7), delivered("before", 4))
    found = gather_evidence(engine, "912 345 678", default_region="AO")
    assert (found.address, found.is_known) == (ANA, True)
    assert [(row["address"], bool(row["is_active"])) for row in found.opt_outs] == [(ANA, True)]
    assert [(row["kind"], row["body"]) for row in found.statements] == [("opted_out", stop(5, to=None))]
    assert [(fact["event"], fact["body"]) for fact in found.facts] == [
        ("message.delivered", delivered("m1", 0)),
        ("message.optout", stop(5, to=None)),
    ]
    assert [message["message_id"] for message in found.messages_afterwards] == ["after"]


def test_of_an_address_that_nobody_opted_out_nothing_is_known(engine: Engine) -> None:
    give(engine, delivered("m1", 0))
    assert not gather_evidence(engine, ANA, default_region="AO").is_known


# How soon a STOP takes effect


def test_latency_is_told_of_what_took_effect_in_the_last_day(engine: Engine) -> None:
    received = raw(b"").received_at
    for seconds, message in ((0.2, "a"), (0.4, "b"), (3.0, "c")):
        one = stop(message_id=message)
        apply(engine, [raw(one)], reading=AO, now=received + timedelta(seconds=seconds))
    with engine.connect() as connection:
        found = latency(connection, received + timedelta(hours=1))
        later = latency(connection, received + timedelta(days=2))
    assert (found.opt_outs, found.p50_seconds, found.p99_seconds) == (3, 0.4, 3.0)
    assert found.share_within_one_second == pytest.approx(2 / 3)
    assert (later.opt_outs, later.p50_seconds, later.share_within_one_second) == (0, None, None)
