"""Rows follow from all bodies and all that people state, also if rows of either are missing."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, update
from structlog.testing import capture_logs

import sync.store.ledger_read
from models import Body, CampaignStatus, FurtherBody, LedgerEntry, MessageStatus, OptOut, OptOutHistory
from sync.events.parse import parse
from sync.rebuild import repair
from sync.rebuild.compare import Drift, compare
from sync.rebuild.walk import ROWS_PER_SLICE, Walk, check_rows
from tests.conftest import NOW
from tests.integration.rebuild.damage import (
    EARLIER,
    EMAIL,
    EVENTS,
    FACTS,
    OPT_OUT_OF_MSG_2,
    Damage,
    add,
    change,
    checked,
    damage,
    drift_keys,
    forget,
    ledger_entry,
    of_message,
    rebuilt,
    remove,
    store,
    updated_at,
    written,
)
from tests.support.events_builder import ANA, AO, RUI, Row, everything, minute

NOBODY: dict[str, Any] = {"channel": "sms", "sender": "", "message_id": None, "opted_in_at": None, "note": None}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


def add_opt_out(**values: Any) -> Damage:
    """A row of `opt_outs`, received when it was made unless `values` say else."""
    return add(OptOut, **({"received_at": values["opted_out_at"]} | NOBODY | values))


def state(**values: Any) -> Damage:
    """What a person states, kept in the history, without a change of any row."""
    stated = {"kind": "opted_out", "channel": "sms", "sender": "", "source": "manual", "applied_at": NOW}
    return add(OptOutHistory, **(stated | {"stated_by": "Rosa", "reason": "by letter"} | values))


def test_two_messages_of_one_lost_opt_out_are_one_row_that_drifts(engine: Engine, reader: Engine) -> None:
    stops = [of_message(f"msg_{number}", "optout", at, channel="sms", to=ANA) for number, at in enumerate([2, 5, 3])]
    store(engine, *stops)
    before = everything(engine)
    damage(engine, remove(OptOut))
    for size in (1, ROWS_PER_SLICE):
        (drift,) = checked(reader, size)[0]
        assert drift.columns["opted_out_at"] == (None, minute(5))
        assert drift.columns["message_id"] == (None, "msg_1")
    assert rebuilt(reader, engine, 1).tables["opt_outs"].missing == 1
    assert everything(engine) == before


@pytest.mark.parametrize(
    "stored",
    [
        {"address": "+244900000001", "source": "manual", "opted_out_at": EARLIER, "note": "called us"},
        {"address": "+244900000002", "source": "import", "opted_out_at": minute(900)},
        {"address": "+244900000003", "source": "event", "opted_out_at": minute(1), "message_id": "msg_lost"},
        {"address": "+244900000004", "source": "manual", "opted_out_at": EARLIER, "opted_in_at": minute(1)},
        {"address": RUI, "channel": "whatsapp", "source": "event", "opted_out_at": minute(3), "message_id": "msg_2"},
        {"address": RUI, "sender": "ZEXA", "source": "import", "opted_out_at": minute(3), "note": "list of June"},
    ],
)
def test_an_opt_out_that_nothing_states_stays_as_it_is(engine: Engine, reader: Engine, stored: dict[str, Any]) -> None:
    store(engine)
    damage(engine, add_opt_out(**stored))
    before, stamps = everything(engine), updated_at(engine)
    assert checked(reader)[0] == []
    rebuilt(reader, engine)
    assert (everything(engine), updated_at(engine)) == (before, stamps)


# What a person states beside the STOP of msg_2, which was received at two hours, and what the row then says.
WORDS: dict[str, tuple[Damage, dict[str, Any]]] = {
    "opted out later": (
        state(address=RUI, occurred_at=minute(900), reason="called us", opt_out_id="a word"),
        {"opted_out_at": minute(900), "received_at": minute(900), "source": "manual", "note": "called us"}
        | {"message_id": None, "opt_out_id": "a word"},
    ),
    "opted out earlier": (state(address=RUI, occurred_at=EARLIER, source="import", opt_out_id="a word"), {}),
    "opted in after it was received": (
        state(address=RUI, kind="opted_in", channel=None, sender=None, occurred_at=minute(900)),
        {"opted_in_at": minute(900)},
    ),
    "opted in before it was received": (
        state(address=RUI, kind="opted_in", channel=None, sender=None, occurred_at=minute(90)),
        {"opted_in_at": minute(90)},
    ),
    "opted in elsewhere": (state(address=RUI, kind="opted_in", channel="email", sender=None, occurred_at=NOW), {}),
}


@pytest.mark.parametrize("name", WORDS)
def test_what_people_state_counts_as_well_as_what_events_do(engine: Engine, reader: Engine, name: str) -> None:
    store(engine)
    words, columns = WORDS[name]
    (before,) = (row for row in everything(engine)["opt_outs"] if row["address"] == RUI)
    damage(engine, words, remove(OptOut, address=RUI))
    assert drift_keys(checked(reader)[0]) == [("opt_outs", "sms", RUI, "", "missing")]
    rebuilt(reader, engine)
    (after,) = (row for row in everything(engine)["opt_outs"] if row["address"] == RUI)
    assert after == before | columns
    assert checked(reader)[0] == []


def test_an_opt_out_that_only_another_body_addresses_is_found_again(engine: Engine, reader: Engine) -> None:
    store(engine, of_message("msg_1", "failed", 1, to=ANA))
    store(engine, of_message("msg_1", "failed", 2))
    store(engine, of_message("msg_1", "optout", 3))
    store(engine, of_message("msg_1", "undeliverable", 4, channel="sms"))
    assert [row["channel"] for row in everything(engine)["opt_outs"]] == [""]
    assert [row["channel"] for row in everything(engine)["message_status"]] == ["sms"]
    assert checked(reader)[0] == []
    before = everything(engine)
    damage(engine, remove(OptOut), forget())
    assert [row[0] for row in drift_keys(checked(reader)[0])] == ["opt_out_history"]
    rebuilt(reader, engine)
    assert everything(engine) == before


def test_what_only_another_body_tells_of_a_message_is_found_again(engine: Engine, reader: Engine) -> None:
    store(engine, of_message("msg_1", "failed", 1, channel="sms", to=ANA, error="busy"))
    store(engine, of_message("msg_1", "failed", 2))
    before = everything(engine)
    (row,) = before["message_status"]
    assert (row["channel"], row["recipient"], row["failure_reason"]) == ("sms", ANA, None)
    damage(engine, remove(MessageStatus))
    rebuilt(reader, engine)
    assert everything(engine) == before


def test_a_wrong_time_of_a_stop_is_put_right_before_what_follows_from_it(engine: Engine, reader: Engine) -> None:
    store(engine)
    before = everything(engine)
    damage(
        engine,
        change(LedgerEntry, {"subject_id": "msg_2", "event": "message.optout"}, occurred_at=EARLIER),
        change(OptOut, OPT_OUT_OF_MSG_2, opted_out_at=EARLIER),
    )
    rebuilt(reader, engine)
    assert everything(engine) == before


def test_bodies_that_cannot_be_read_are_counted_and_passed_over(engine: Engine, reader: Engine) -> None:
    store(engine)
    damage(engine, ledger_entry("msg_2", b"\xff"), ledger_entry("msg_8", b"{"), ledger_entry("msg_9", EVENTS[0].body))
    damage(
        engine,
        add(MessageStatus, message_id="msg_8", status="delivered", conflict=False),
        change(MessageStatus, {"message_id": "msg_2"}, status="delivered"),
    )
    drifts, counts = checked(reader)
    assert (counts.facts, counts.unreadable) == (FACTS + 3, 3)
    # A row that may stand on such a body alone stays; one that other facts make follows from these.
    assert drift_keys(drifts) == [("message_status", "msg_2", "changed")]
    rebuilt(reader, engine, 1)
    assert checked(reader)[0] == []
    assert {row["message_id"]: row["status"] for row in everything(engine)["message_status"]} == {
        "msg_1": "delivered",
        "msg_2": "undeliverable",
        "msg_3": None,
        "msg_4": "delivered",
        "msg_6": None,
        "msg_8": "delivered",
    }


def test_a_ledger_that_was_emptied_leaves_the_opt_outs_and_what_stated_them(engine: Engine, reader: Engine) -> None:
    store(engine, *EVENTS, of_message("msg_7", "optout", None, channel="whatsapp", to=ANA))
    before = everything(engine)
    damage(engine, remove(LedgerEntry), remove(FurtherBody), remove(Body))
    assert "missing" not in {drift.kind for drift in checked(reader, 2)[0]}
    counts = rebuilt(reader, engine, 2)
    after = everything(engine)
    assert {table for table, rows in after.items() if rows} == {"opt_outs", "opt_out_history"}
    assert after["opt_out_history"] == before["opt_out_history"]
    assert [keyed(row) for row in after["opt_outs"]] == [keyed(row) for row in before["opt_outs"]]
    assert all(row["opted_in_at"] is None for row in after["opt_outs"])
    assert {name: counted.surplus for name, counted in counts.tables.items() if counted.surplus} == {
        "message_status": 6,
        "campaign_status": 2,
        "nameless_opt_outs": 1,
    }


def keyed(row: Row) -> tuple[str, ...]:
    return row["channel"], row["address"], row["sender"]


def test_a_slice_holds_a_bounded_number_of_rows_of_each_table(engine: Engine, reader: Engine) -> None:
    store(engine)
    damage(engine, *(add(MessageStatus, message_id=f"msg_1{number}", conflict=False) for number in range(9)))
    slices = list(compare(reader, options=AO, rows_per_slice=2))
    assert sum(part.facts for part in slices) == FACTS
    assert max(part.facts for part in slices) <= 3  # a subject has its facts together
    assert sum(len(part.drifts) for part in slices) == 9
    assert max(len(part.drifts) for part in slices) == 2


def test_an_opt_out_that_a_worker_has_added_by_the_end_of_check_is_no_drift(engine: Engine, reader: Engine) -> None:
    store(engine)
    (row,) = (row for row in everything(engine)["opt_outs"] if row["address"] == RUI)
    damage(engine, remove(OptOut))
    drifts: list[Drift] = []
    add_again = add(OptOut, **written("opt_outs", row))
    walk = Walk(options=AO, rows_per_slice=100, on_slice=lambda: damage(engine, add_again))
    check_rows(reader, walk, drifts.append)
    assert [drift.key["address"] for drift in drifts] == [EMAIL, ANA]
    assert walk.counts.tables["opt_outs"].missing == 2


def test_an_empty_database_has_nothing_to_rebuild(engine: Engine, reader: Engine) -> None:
    counts = rebuilt(reader, engine)
    assert (counts.facts, counts.drifting, counts.is_complete) == (0, 0, True)


def test_the_bodies_of_rows_that_drift_are_parsed_once(
    engine: Engine, reader: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(engine)
    before = everything(engine)
    damage(engine, lambda connection: connection.execute(update(MessageStatus).values(status="queued", conflict=True)))
    damage(engine, lambda connection: connection.execute(update(CampaignStatus).values(name="July")))
    bodies: list[bytes] = []
    monkeypatch.setattr(
        sync.store.ledger_read,
        "parse",
        lambda raw_event, options: bodies.append(raw_event.body) or parse(raw_event, options),
    )
    rebuilt(reader, engine)
    assert everything(engine) == before
    assert sorted(bodies) == sorted(raw_event.body for raw_event in EVENTS)


def test_a_row_that_was_put_right_since_it_was_compared_is_not_written_again(engine: Engine, reader: Engine) -> None:
    store(engine)
    before, stamps = everything(engine), updated_at(engine)
    damage(engine, change(MessageStatus, {"message_id": "msg_2"}, status="delivered"))
    (found_wrong,) = compare(reader, options=AO, rows_per_slice=ROWS_PER_SLICE)
    damage(engine, change(MessageStatus, {"message_id": "msg_2"}, status="undeliverable"))
    repair.repair(engine, found_wrong, options=AO)
    assert (everything(engine), updated_at(engine)) == (before, stamps)


def test_a_fact_that_came_since_a_row_was_compared_counts(engine: Engine, reader: Engine) -> None:
    store(engine, EVENTS[1])
    damage(engine, change(MessageStatus, {"message_id": "msg_1"}, status="sent"))
    (found_wrong,) = compare(reader, options=AO, rows_per_slice=ROWS_PER_SLICE)
    store(engine, EVENTS[0])
    damage(engine, change(MessageStatus, {"message_id": "msg_1"}, status="sent"))
    repair.repair(engine, found_wrong, options=AO)
    assert checked(reader)[0] == []
