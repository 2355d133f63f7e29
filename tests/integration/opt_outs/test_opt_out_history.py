"""The history of opt-outs: complete, once each, only ever added to; and what can be proved from it."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError

from models.tables import HISTORY
from models.views import OPT_OUT_STATEMENTS
from sync.events.interpretation import ParseOptions
from sync.opt_outs.add import OptOutWord, state_opt_outs
from sync.opt_outs.evidence import gather_evidence
from sync.opt_outs.remove import Resubscription, resubscribe
from sync.status.opt_out_latency import latency
from sync.store.apply import apply
from tests.conftest import NOW
from tests.support.events_builder import ANA, AO, RECEIVED, RUI, body, clear, minute, raw, rows

STRICT = ParseOptions(default_region="AO", opt_out_failures=frozenset({"21610", "recipient opted out"}))


def give(engine: Engine, *bodies: bytes, options: ParseOptions = AO, received: datetime = RECEIVED) -> None:
    apply(engine, [raw(content, received) for content in bodies], options=options, now=NOW)


def history(engine: Engine, table: Any = OPT_OUT_STATEMENTS) -> list[dict[str, Any]]:
    """Every statement, with the times of the ledger, or as the history itself has it."""
    with engine.connect() as connection:
        statements = connection.execute(select(table).order_by(table.c.id)).mappings()
        return [{name: value for name, value in row.items() if name != "id"} for row in statements]


def add(engine: Engine, at: datetime, reason: str = "told us by letter") -> None:
    statement = OptOutWord(channel="", sender="", at=at, by="Rosa", reason=reason)
    with engine.begin() as connection:
        state_opt_outs(connection, [(ANA,)], statement, NOW)


def remove(engine: Engine, at: datetime, channel: str | None = None, sender: str | None = None) -> None:
    stated = Resubscription(channel=channel, sender=sender, by="Rosa", reason="asked for it")
    with engine.begin() as connection:
        resubscribe(connection, [ANA], stated, clock=lambda: at, default_region="AO")


def stop(at: float = 1, **data: object) -> bytes:
    return body("message.optout", minute(at), **({"to": ANA, "channel": "sms", "message_id": "m1"} | data))


def failure(**data: object) -> bytes:
    return body("message.failed", minute(2), **({"to": ANA, "channel": "sms", "message_id": "m2"} | data))


def test_an_opt_out_is_noted_with_its_times_its_event_and_the_digest_of_the_body_that_was_signed(
    engine: Engine,
) -> None:
    give(engine, stop(**{"from": "ZEXA"}))
    (noted,) = history(engine)
    assert noted == {
        "channel": "sms",
        "address": ANA,
        "sender": "ZEXA",
        "kind": "opted_out",
        "occurred_at": minute(1),
        "received_at": RECEIVED,
        "applied_at": NOW,
        "source": "event",
        "message_id": "m1",
        "event": "message.optout",
        "digest": hashlib.sha256(stop(**{"from": "ZEXA"})).hexdigest(),
        "stated_by": None,
        "reason": None,
        "subject_id": "m1",
        "opt_out_id": hashlib.sha256(stop(**{"from": "ZEXA"})).hexdigest(),
        "person": ANA,
    }


def test_the_history_holds_neither_body_nor_receipt_which_may_be_forgotten(engine: Engine) -> None:
    give(engine, stop())
    (noted,) = history(engine, HISTORY)
    assert not {"body", "received_at"} & noted.keys()
    assert stop() not in noted.values()


def test_the_times_of_a_statement_are_those_of_its_body_and_a_claim_is_kept_as_it_is(engine: Engine) -> None:
    """An undated one occurred when it was received first, and so did one whose time lies too far ahead."""
    in_2050 = datetime(2050, 1, 1, tzinfo=minute(0).tzinfo)
    undated, ahead = body("message.optout", None, to=ANA), body("message.optout", in_2050, to=ANA)
    give(engine, undated, ahead, received=minute(90))
    give(engine, undated, ahead, received=minute(60))
    assert {(noted["occurred_at"], noted["received_at"]) for noted in history(engine)} == {(minute(60), minute(60))}
    assert {noted["occurred_at"] for noted in history(engine, HISTORY)} == {None, in_2050}


def test_each_body_of_an_opt_out_states_it_with_its_own_times_whether_it_holds_or_not(engine: Engine) -> None:
    give(engine, stop(5), received=minute(70))
    give(engine, stop(3, to=RUI), received=minute(60))
    give(engine, stop(4, to=None), received=minute(65))
    stated = {(noted["address"], noted["occurred_at"], noted["received_at"]) for noted in history(engine)}
    times = [(minute(5), minute(70)), (minute(3), minute(60)), (minute(4), minute(65))]
    assert stated == {(address, *moments) for address in (ANA, RUI) for moments in times}
    assert len(history(engine)) == 6


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
    assert (noted["address"], noted["event"], noted["received_at"]) == (RUI, "message.optout", RECEIVED)
    assert noted["digest"] == hashlib.sha256(stop(to=None)).hexdigest()


def test_a_stop_with_an_address_is_noted_again_once_its_message_tells_another(engine: Engine) -> None:
    give(engine, stop(), body("message.delivered", minute(0), to=RUI, message_id="m1"))
    assert [(noted["address"], noted["channel"]) for noted in history(engine)] == [(ANA, "sms"), (RUI, "sms")]


def test_what_people_state_is_noted_every_time_with_who_and_why(engine: Engine) -> None:
    for _ in range(2):
        add(engine, minute(1))
    assert [(noted["stated_by"], noted["reason"], noted["digest"]) for noted in history(engine)] == [
        ("Rosa", "told us by letter", None),
        ("Rosa", "told us by letter", None),
    ]
    assert [(noted["occurred_at"], noted["received_at"]) for noted in history(engine)] == [(minute(1), None)] * 2
    (row,) = rows(engine, "opt_outs")
    assert (row["source"], row["note"], row["received_at"]) == ("manual", "told us by letter", minute(1))


def test_who_ends_opt_outs_is_noted_once_for_their_scope_also_where_none_stands(engine: Engine) -> None:
    remove(engine, minute(80))
    remove(engine, minute(81), channel="sms")
    remove(engine, minute(82), channel="email", sender="NEWS")
    noted = history(engine)
    assert [(row["kind"], row["address"], row["channel"], row["sender"], row["occurred_at"]) for row in noted] == [
        ("opted_in", ANA, None, None, minute(80)),
        ("opted_in", ANA, "sms", None, minute(81)),
        ("opted_in", ANA, "email", "NEWS", minute(82)),
    ]
    assert {(row["stated_by"], row["reason"], row["message_id"], row["subject_id"]) for row in noted} == {
        ("Rosa", "asked for it", None, None)
    }
    assert rows(engine, "opt_outs") == []
    give(engine, stop(), received=minute(79))
    give(engine, stop(2, channel="email", message_id="m2"), received=minute(81))
    ends = {row["channel"]: row["opted_in_at"] for row in rows(engine, "opt_outs")}
    assert ends == {"sms": minute(81), "email": minute(80)}


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
    give(engine, failure(**data), options=STRICT)
    (row,) = rows(engine, "opt_outs")
    assert (row["address"], row["source"], row["opted_out_at"], row["message_id"]) == (ANA, "failure", minute(2), "m2")
    (noted,) = history(engine)
    assert (noted["source"], noted["event"]) == ("failure", "message.failed")
    (message,) = rows(engine, "message_status")
    assert (message["status"], message["opted_out_at"]) == ("failed", minute(2))


@pytest.mark.parametrize("data", [{}, {"error_code": "2161"}, {"error_code": "216100"}, {"error": "it opted out"}])
def test_no_other_failure_opts_out(engine: Engine, data: dict[str, object]) -> None:
    give(engine, failure(**data), options=STRICT)
    assert rows(engine, "opt_outs") == []


def test_no_failure_opts_out_unless_it_is_configured(engine: Engine) -> None:
    give(engine, failure(error_code="21610"))
    assert rows(engine, "opt_outs") == []


def test_in_either_order_a_stop_stands_before_a_failure_of_the_same_moment(engine: Engine) -> None:
    deliveries = stop(2, message_id="m2"), failure(message_id="m2", error_code="21610")
    for first, second in (deliveries, deliveries[::-1]):
        give(engine, first, options=STRICT)
        give(engine, second, options=STRICT)
        (row,) = rows(engine, "opt_outs")
        assert row["source"] == "event"
        clear(engine)


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
    give(engine, stop(5), delivered("between", 6), delivered("welcome", 9), delivered("again", 12), received=minute(5))
    remove(engine, minute(8))
    assert sent_after(engine) == [("between", 60.0)]
    give(engine, stop(11, message_id="second"), received=minute(11))
    assert sent_after(engine) == [("again", 60.0), ("between", 60.0)]


# Evidence


def test_evidence_shows_statements_bodies_facts_and_what_was_sent_afterwards(engine: Engine) -> None:
    give(engine, delivered("m1", 0), stop(5, to=None), delivered("after", 7), delivered("before", 4))
    evidence = gather_evidence(engine, "912 345 678", default_region="AO")
    assert (evidence.address, evidence.is_known) == (ANA, True)
    assert [(row["address"], bool(row["is_active"])) for row in evidence.opt_outs] == [(ANA, True)]
    assert [(row["kind"], row["body"]) for row in evidence.statements] == [("opted_out", stop(5, to=None))]
    assert [(fact["event"], fact["body"]) for fact in evidence.facts] == [
        ("message.delivered", delivered("m1", 0)),
        ("message.optout", stop(5, to=None)),
    ]
    assert [message["message_id"] for message in evidence.messages_afterwards] == ["after"]


def test_evidence_shows_every_body_of_a_message_whether_it_holds_or_not(engine: Engine) -> None:
    give(engine, stop(5), stop(3), delivered("m1", 0), delivered("m1", 1))
    evidence = gather_evidence(engine, ANA, default_region="AO")
    assert [row["body"] for row in evidence.statements] == [stop(3), stop(5)]
    assert [fact["body"] for fact in evidence.facts] == [delivered("m1", 0), delivered("m1", 1), stop(3), stop(5)]


def test_evidence_of_an_opt_out_without_a_message_shows_its_body(engine: Engine) -> None:
    alone = stop(5, message_id=None)
    give(engine, alone)
    evidence = gather_evidence(engine, ANA, default_region="AO")
    assert [row["body"] for row in evidence.statements] == [alone]


def test_evidence_remains_where_a_body_was_forgotten(engine: Engine) -> None:
    give(engine, stop(5))
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM bodies"))
    (statement,) = gather_evidence(engine, ANA, default_region="AO").statements
    assert (statement["body"], statement["occurred_at"], statement["received_at"]) == (None, minute(5), RECEIVED)


def test_of_an_address_that_nobody_opted_out_nothing_is_known(engine: Engine) -> None:
    give(engine, delivered("m1", 0))
    assert not gather_evidence(engine, ANA, default_region="AO").is_known


# How soon a STOP takes effect


def test_latency_is_told_of_what_took_effect_in_the_last_day(engine: Engine) -> None:
    received = raw(b"").received_at
    for seconds, message in ((0.2, "a"), (0.4, "b"), (3.0, "c")):
        content = stop(message_id=message)
        apply(engine, [raw(content)], options=AO, now=received + timedelta(seconds=seconds))
    with engine.connect() as connection:
        earlier = latency(connection, received + timedelta(hours=1))
        later = latency(connection, received + timedelta(days=2))
    assert (earlier.opt_outs, earlier.p50_seconds, earlier.p99_seconds) == (3, 0.4, 3.0)
    assert earlier.share_within_one_second == pytest.approx(2 / 3)
    assert (later.opt_outs, later.p50_seconds, later.share_within_one_second) == (0, None, None)
