"""`zexa-sync person`: one person's rows, found by any spelling on both databases, and what is masked."""

import json
import stat
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from redis import Redis
from sqlalchemy import Engine, insert, text

from models import Inbox
from sync.events.addresses import read_on_any
from sync.events.naming import names_any
from sync.events.raw import RawEvent
from sync.person.documents import person_document
from sync.person.find import Holdings, find_person
from sync.person.search import search_queue
from sync.person.text import person_text
from sync.queue.connection import open_queue
from sync.queue.jobs import enqueue
from sync.store.apply import apply
from tests.support.events_builder import ANA, AO, RUI, body, minute, raw

Command = Callable[..., Result]

RECEIVED, APPLIED = minute(120), minute(121)
STOP = body("message.optout", minute(5), to="912345678", channel="sms", message_id="m1")
UNREADABLE = f"event=message.optout&to={ANA}".encode()


@pytest.fixture
def command(command_line: Command) -> Command:
    return partial(command_line, "person")


def delivered(message_id: str, at: float, to: str | None = ANA) -> bytes:
    return body("message.delivered", minute(at), to=to, channel="sms", message_id=message_id)


def give(engine: Engine, *bodies: bytes, received_at: datetime = RECEIVED, now: datetime = APPLIED) -> None:
    apply(engine, [raw(content, received_at) for content in bodies], options=AO, now=now)


def held(engine: Engine, address: str = ANA, *, limit: int | None = 50) -> Holdings:
    people = read_on_any(None, address, "AO").addresses
    return find_person(engine, people, None, options=AO, limit=limit)


def ids(rows: Any) -> list[str]:
    return [row["message_id"] for row in rows]


def test_messages_come_latest_first_each_with_its_reason_and_a_count_beyond_the_limit(engine: Engine) -> None:
    give(engine, *(delivered(f"m{number}", number) for number in range(5)), delivered("of_rui", 9, RUI))
    holdings = held(engine, "244912345678", limit=3)
    assert (ids(holdings.messages), holdings.message_count) == (["m4", "m3", "m2"], 5)
    assert holdings.messages[0]["why"] == (
        "delivered, because message.delivered (occurred 2026-06-24 10:04:00Z) is the only event that says what became "
        "of it."
    )


@pytest.mark.parametrize("spelling", ["+5511991234567", "+551191234567", "5511991234567@c.us"])
def test_a_message_is_found_under_both_spellings_of_a_number_of_two(engine: Engine, spelling: str) -> None:
    give(engine, delivered("new", 1, "+5511991234567"), delivered("old", 2, "+551191234567"), delivered("m3", 3))
    assert ids(held(engine, spelling).messages) == ["old", "new"]


def test_a_number_that_may_be_two_peoples_finds_both(engine: Engine) -> None:
    give(engine, delivered("angola", 1, "+244951234567"), delivered("myanmar", 2, "+951234567"))
    assert ids(held(engine, "951234567").messages) == ["myanmar", "angola"]
    assert ids(held(engine, "+951234567").messages) == ["myanmar"]


def test_email_addresses_and_slack_ids_are_found_too(engine: Engine) -> None:
    give(engine, delivered("mail", 1, "Ana@Example.com"))
    give(engine, body("message.delivered", minute(2), to="U024BE7LH", channel="slack", message_id="slack"))
    assert ids(held(engine, "<ana@example.com>").messages) == ["mail"]
    assert ids(held(engine, "U024BE7LH").messages) == ["slack"]


def test_the_verdict_knows_whether_the_opt_out_had_reached_us(engine: Engine) -> None:
    give(engine, delivered("m1", 4), delivered("unknown", 30), delivered("known", 240))
    give(engine, STOP, received_at=minute(31), now=minute(32))
    holdings = held(engine)
    assert ids(holdings.late) == ["known", "unknown"]
    verdict = person_document(holdings, shows_addresses=False, with_bodies=False)["verdict"]
    assert {name: verdict[name] for name in ("messages", "before_receipt", "before_effect", "in_force")} == {
        "messages": 2,
        "before_receipt": 1,
        "before_effect": 0,
        "in_force": 1,
    }
    assert "known: 3 h 55 min after STOP; the STOP was in force here 3 h 28 min before" in verdict["text"]


def test_opt_outs_and_statements_are_shown_in_force_or_ended(engine: Engine) -> None:
    give(engine, STOP, body("message.optout", minute(6), to=RUI, channel="sms", message_id="of_rui"))
    holdings = held(engine, "tel:+244912345678")
    assert [(row["message_id"], bool(row["is_in_force"])) for row in holdings.opt_outs] == [("m1", True)]
    assert [(row["kind"], row["message_id"]) for row in holdings.history] == [("opted_out", "m1")]
    assert holdings.is_anything


def test_a_message_without_a_recipient_is_found_by_its_opt_out_and_one_of_somebody_else_is_not(
    engine: Engine,
) -> None:
    turned = body("message.optout", minute(5), from_=ANA, to="ZEXA", channel="sms", message_id="turned")
    give(engine, turned, STOP, delivered("m1", 7, RUI), delivered("m1", 6, None))
    exported = held(engine, limit=None)
    assert "m1" not in ids(exported.messages)
    assert exported.facts is not None
    assert {row["body"] for row in exported.facts} == {turned, STOP}


def test_what_no_row_links_to_a_person_is_found_in_its_body(engine: Engine, redis: Redis) -> None:
    unknown = body("message.unknown", minute(1), to=ANA, message_id="unknown")
    without_id = body("message.delivered", minute(2), to=ANA)
    of_rui = [body("message.unknown", minute(1), to=RUI, message_id="rui"), f"to={RUI}".encode()]
    give(engine, unknown, without_id, UNREADABLE, *of_rui)
    waiting = delivered("waits", 3)
    with engine.begin() as connection:
        for content in (waiting, delivered("other", 3, RUI)):
            connection.execute(insert(Inbox).values(body=content, received_at=minute(3), due_at=minute(4)))
    queue = open_queue(redis)
    enqueue(queue, [RawEvent(body=content, received_at=minute(5)) for content in (waiting, *of_rui)], at_front=False)
    holdings = held(engine)
    assert {row["body"] for row in holdings.other_facts.rows} == {unknown, without_id}
    assert [row["body"] for row in holdings.dead_letters.rows] == [UNREADABLE]
    assert [row["body"] for row in holdings.inbox.rows] == [waiting]
    assert (holdings.dead_letters.looked_at, holdings.inbox.looked_at, holdings.inbox.is_complete) == (2, 2, True)
    in_queue = search_queue(queue, names_any([ANA], "AO"), at_most=2)
    assert in_queue is not None
    assert [row["body"] for row in in_queue.rows] == [waiting]
    assert (in_queue.looked_at, in_queue.is_complete) == (2, False)


def test_a_fact_of_a_message_that_is_listed_is_no_other_fact(engine: Engine) -> None:
    read = body("message.unknown", minute(2), to=ANA, message_id="m1")
    give(engine, delivered("m1", 1), read)
    assert held(engine).other_facts.rows == ()
    exported = held(engine, limit=None)
    assert [row["body"] for row in exported.facts or ()] == [delivered("m1", 1), read]


def test_masked_output_has_no_address_and_full_output_escapes_what_a_terminal_would_obey(engine: Engine) -> None:
    failed = body("message.failed", minute(2), to=ANA, message_id="m\x1b2", error=f"\x1b[2J {ANA} is away")
    give(engine, STOP, failed, UNREADABLE)
    holdings = held(engine)
    masked = person_text(holdings, shows_addresses=False)
    document = json.dumps(person_document(holdings, shows_addresses=False, with_bodies=False))
    assert "+244\u2026678" in masked
    assert "message.failed (occurred 2026-06-24 10:02:00Z)" in masked
    for output in (masked, document):
        assert "912345678" not in output
    full = person_text(held(engine, limit=None), shows_addresses=True, with_bodies=True)
    assert UNREADABLE.decode() in full
    assert STOP.decode() in full
    assert "\x1b" not in full


def test_the_index_of_recipients_is_used(engine: Engine) -> None:
    explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        query = "SELECT message_id FROM message_status WHERE recipient IN ('+5511991234567', '+551191234567')"
        plan = "\n".join(str(row) for row in connection.execute(text(explain + query)))
    assert "ix_message_status_recipient" in plan


def test_show_and_export_run_and_write_a_file_for_its_owner_only(
    engine: Engine, command: Command, tmp_path: Path
) -> None:
    give(engine, delivered("m1", 4), STOP, delivered("after", 7))
    shown = command("show", "912 345 678")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout.splitlines()[2].startswith("1 message 2 min after STOP; the STOP reached us 1 h 53 min after")
    assert ANA not in shown.stdout
    assert ANA in command("show", ANA, "--show-addresses").stdout
    target = tmp_path / "answer.json"
    written = command("export", "912345678", "-o", str(target))
    assert (written.exit_code, written.stdout) == (0, "")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    document = json.loads(target.read_text())
    assert document == json.loads(command("export", "912345678").stdout)
    assert [fact["body"] for fact in document["facts"]][-1] == STOP.decode()
    assert STOP.decode() in command("export", ANA, "--text").stdout


def test_of_nobody_nothing_is_held_and_a_text_that_is_nobodys_address_is_wrong_use(
    command: Command, tmp_path: Path
) -> None:
    shown = command("show", ANA)
    assert (shown.exit_code, shown.stdout) == (1, "Nothing is held about +244\u2026678.\n")
    target = tmp_path / "answer.json"
    assert command("export", ANA, "-o", str(target)).exit_code == 1
    assert not target.exists()
    for nobody in ("undefined", " ", "911000001/02"):
        assert command("show", nobody).exit_code == 2


def test_without_redis_what_waits_is_unknown_and_an_export_is_not_whole(engine: Engine, command: Command) -> None:
    give(engine, delivered("m1", 4))
    away = {"REDIS_URL": "redis://127.0.0.1:1/0"}
    shown = command("show", ANA, env=away)
    assert shown.exit_code == 0
    assert "Waiting in the queue: unknown: Redis did not answer" in shown.stdout
    exported = command("export", ANA, env=away)
    assert exported.exit_code == 1
    assert json.loads(exported.stdout)["queue"] is None
    assert "is not in this export" in exported.stderr
