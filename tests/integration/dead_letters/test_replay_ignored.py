"""`zexa-sync dead-letters replay --ignored`: facts that are understood now are applied with all that follows."""

import json
import threading
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, update

from models import LedgerEntry
from sync.dead_letters.replay_ignored import IgnoredTally, apply_ignored
from sync.events.polled import answer_body, parse_answer
from sync.store.apply import apply
from sync.store.ledger import take_out
from sync.store.polled import merge_answers
from tests.conftest import NOW
from tests.integration.dead_letters.letters import (
    DELIVERED,
    UNREADABLE,
    Command,
    active,
    digest,
    ignore,
    keep,
    letters,
    raw,
)
from tests.support.events_builder import ANA, AO, RECEIVED, REFUSED, RUI, TEN, body, minute, rows


def ledger(engine: Engine) -> dict[tuple[str, str], Any]:
    with engine.connect() as connection:
        entries = connection.execute(select(LedgerEntry.__table__))  # type: ignore[attr-defined]
        return {(row.subject_id, row.event): row for row in entries}


def test_ignored_facts_that_are_understood_now_are_applied_with_all_that_follows_from_them(
    engine: Engine, command: Command
) -> None:
    ignore(engine, DELIVERED, "msg_1", "message.delivered")
    ignore(engine, body("message.optout", minute(2), message_id="msg_1"), "msg_1", "message.optout")
    ignore(engine, body("campaign.sent", TEN, campaign_id="cmp_1"), "cmp_1", "campaign.sent")
    ignore(engine, body("message.unknown", TEN, message_id="msg_1", to=RUI), "msg_1", "message.unknown")
    ignore(engine, UNREADABLE, "msg_2", "message.failed")
    keep(engine, body("message.failed", TEN, message_id="msg_3"))
    result = command("replay", "--ignored")
    assert result.exit_code == 0, result.output
    assert result.stdout == ("Of the ledger's ignored facts: 3 applied, 1 not understood, 1 unreadable, 0 refused.\n")
    entries = ledger(engine)
    assert {key: row.outcome for key, row in entries.items()} == {
        ("cmp_1", "campaign.sent"): "applied",
        ("msg_1", "message.delivered"): "applied",
        ("msg_1", "message.optout"): "applied",
        ("msg_1", "message.unknown"): "ignored",
        ("msg_2", "message.failed"): "ignored",
    }
    delivered = entries["msg_1", "message.delivered"]
    assert (delivered.occurred_at, delivered.received_at) == (TEN, RECEIVED)
    assert delivered.applied_at > NOW
    assert entries["msg_1", "message.unknown"].applied_at == NOW
    (message,) = rows(engine, "message_status")
    assert (message["status"], message["recipient"], message["opted_out_at"]) == ("delivered", ANA, minute(2))
    assert active(engine) == [ANA]
    assert [row["campaign_id"] for row in rows(engine, "campaign_status")] == ["cmp_1"]
    # Without --all no letter was replayed.
    assert [letter["resolved_at"] for letter in letters(engine).values()] == [None]

    document = json.loads(command("replay", "--all", "--ignored", "--json").stdout)
    assert document["counts"] == {"applied": 1, "ignored": 0, "unchanged": 0, "still_dead": 0}
    assert document["ignored_facts"] == {"applied": 0, "not_understood": 1, "unreadable": 1, "refused": 0}


def test_an_ignored_fact_joins_the_row_that_its_message_has(engine: Engine) -> None:
    apply(engine, [raw(body("message.failed", minute(1), message_id="msg_1"))], options=AO, now=NOW)
    ignore(engine, body("message.delivered", minute(2), message_id="msg_1"), "msg_1", "message.delivered")
    pages = list(apply_ignored(engine, options=AO))
    assert pages == [(1, IgnoredTally(applied=1))]
    (message,) = rows(engine, "message_status")
    assert (message["status"], message["conflict"]) == ("delivered", True)


def test_an_ignored_fact_is_applied_with_all_its_bodies_or_not_at_all(engine: Engine) -> None:
    first, second = (body("message.failed", minute(at), message_id="msg_1", error=f"at {at}") for at in (2, 1))
    for content in (second, first):
        ignore(engine, content, "msg_1", "message.failed")
        ignore(engine, content.replace(b"msg_1", b"msg_2"), "msg_2", "message.failed")
    ignore(engine, UNREADABLE, "msg_2", "message.failed")
    (_, tally), *_ = apply_ignored(engine, options=AO)
    assert tally == IgnoredTally(applied=1, unreadable=1)
    assert [row["failure_reason"] for row in rows(engine, "message_status")] == ["at 2"]
    entries = ledger(engine)
    assert entries["msg_1", "message.failed"].digest == digest(first)
    assert entries["msg_2", "message.failed"].outcome == "ignored"
    assert len(rows(engine, "bodies")) == 5


def test_an_answer_beside_an_ignored_fact_makes_it_no_more_understood(engine: Engine) -> None:
    apply(engine, [raw(body("message.sent", TEN, message_id="msg_1"))], options=AO, now=NOW)
    answer = parse_answer(answer_body("msg_1", b'{"status": "sent"}'), minute(90), AO)
    assert answer is not None
    with engine.begin() as connection:
        merge_answers(connection, [answer], AO, NOW)
    assert list(apply_ignored(engine, options=AO)) == [(1, IgnoredTally(not_understood=1))]
    assert ledger(engine)["msg_1", "message.sent"].outcome == "ignored"


def test_ignored_facts_are_read_in_pages_whatever_stays_ignored(engine: Engine) -> None:
    for number in range(4):
        ignore(engine, body("message.unknown", TEN, id=f"msg_{number}"), f"msg_{number}", "message.unknown")
        ignore(engine, body("message.delivered", TEN, id=f"msg_{number}"), f"msg_{number}", "message.delivered")
        ignore(engine, body("message.failed", TEN, id=f"msg_{number}"), f"msg_{number}", "message.failed")
    pages = list(apply_ignored(engine, options=AO, page_size=5))
    assert [facts for facts, _ in pages] == [5, 5, 2]
    assert sum((tally for _, tally in pages), IgnoredTally()) == IgnoredTally(applied=8, not_understood=4)
    assert {row["status"] for row in rows(engine, "message_status")} == {"delivered"}
    assert all(row["conflict"] for row in rows(engine, "message_status"))


def test_an_ignored_fact_whose_subject_was_not_found_goes_to_its_own_place(engine: Engine) -> None:
    """A version that does not know a type may not know which of its fields names the message."""
    apply(engine, [raw(DELIVERED)], options=AO, now=NOW)
    stop = body("message.optout", minute(2), message_id="msg_1")
    ignore(engine, stop, f"sha256:{digest(stop)}", "message.optout")
    assert list(apply_ignored(engine, options=AO)) == [(1, IgnoredTally(applied=1))]
    assert {key: row.outcome for key, row in ledger(engine).items()} == {
        ("msg_1", "message.delivered"): "applied",
        ("msg_1", "message.optout"): "applied",
    }
    assert active(engine) == [ANA]


def test_an_ignored_fact_whose_rows_are_refused_stays_and_stops_no_other(refusing: Engine, command: Command) -> None:
    for name in ("msg_a", REFUSED, "msg_z"):
        ignore(refusing, body("message.delivered", TEN, message_id=name), name, "message.delivered")
    result = command("replay", "--ignored")
    assert result.exit_code == 1
    assert "2 applied, 0 not understood, 0 unreadable, 1 refused" in result.stdout
    assert {subject: row.outcome for (subject, _), row in ledger(refusing).items()} == {
        "msg_a": "applied",
        REFUSED: "ignored",
        "msg_z": "applied",
    }
    assert {row["message_id"] for row in rows(refusing, "message_status")} == {"msg_a", "msg_z"}


def test_a_fact_that_another_process_applies_meanwhile_is_left_to_it(engine: Engine) -> None:
    ignore(engine, DELIVERED, "msg_1", "message.delivered")
    pages: list[tuple[int, IgnoredTally]] = []
    work = threading.Thread(target=lambda: pages.extend(apply_ignored(engine, options=AO)))
    with engine.begin() as connection:
        connection.execute(update(LedgerEntry).values(outcome="applied"))
        work.start()
        work.join(0.5)
        assert work.is_alive()
    work.join(30)
    assert sum((tally for _, tally in pages), IgnoredTally()) == IgnoredTally()
    (fact,) = rows(engine, "events")
    assert (fact["occurred_at"], fact["outcome"]) == (RECEIVED, "applied")
    assert rows(engine, "message_status") == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_body_of_a_fact_that_is_taken_out_meanwhile_is_applied_all_the_same(engine: Engine) -> None:
    """By a replay that finds that the fact is of another subject. SQLite has one writer at a time."""
    ignore(engine, DELIVERED, "msg_1", "message.delivered")

    keys = [("msg_1", "message.delivered")]

    def take_out_meanwhile(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if keys and "FROM events" in statement and "FOR UPDATE" in statement:
            with engine.begin() as connection:
                take_out(connection, [keys.pop()])

    event.listen(engine, "before_cursor_execute", take_out_meanwhile)
    another = body("message.delivered", minute(5), message_id="msg_1", to=RUI)
    tally = apply(engine, [raw(another)], options=AO, now=NOW)
    assert (keys, tally.applied) == ([], 1)
    assert {key: row.digest for key, row in ledger(engine).items()} == {("msg_1", "message.delivered"): digest(another)}
    assert [row["recipient"] for row in rows(engine, "message_status")] == [RUI]
