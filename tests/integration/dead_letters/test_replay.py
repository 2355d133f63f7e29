"""`zexa-sync dead-letters replay`: what is understood now is applied, once, and the rest waits on."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Engine, event, text

from sync.dead_letters.find import LetterSelection
from sync.dead_letters.replay import ReplayVerdict, replay
from sync.store.apply import apply
from tests.conftest import NOW
from tests.integration.dead_letters.letters import (
    DELIVERED,
    STOP,
    UNREADABLE,
    Command,
    active,
    digest,
    keep,
    letters,
    raw,
)
from tests.support.events_builder import ANA, AO, REFUSED, RUI, TEN, body, minute, rows

# replay


def replayed(result: Result) -> dict[str, str]:
    return {letter["digest"]: letter["verdict"] for letter in json.loads(result.stdout)["dead_letters"]}


def test_a_letter_that_is_understood_now_is_applied_resolved_and_keeps_when_it_was_received(
    engine: Engine, command: Command
) -> None:
    keep(engine, STOP, received=3)
    begun = datetime.now(UTC)
    result = command("replay", "--all")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"applied     {digest(STOP)[:12]}",
        "Replayed 1 dead letter: 1 applied, 0 ignored, 0 unchanged, 0 still dead.",
    ]
    (fact,) = rows(engine, "events")
    assert (fact["digest"], fact["received_at"], fact["outcome"]) == (digest(STOP), minute(3), "applied")
    assert [(row["body"], row["received_at"]) for row in rows(engine, "bodies")] == [(STOP, minute(3))]
    assert active(engine) == [ANA]
    letter = letters(engine)[STOP]
    assert begun <= letter["resolved_at"] <= datetime.now(UTC)
    assert (letter["attempts"], letter["reason"]) == (1, "no_subject")


def test_a_replay_as_json_has_a_verdict_for_each_and_counts(engine: Engine, command: Command) -> None:
    apply(engine, [raw(DELIVERED)], options=AO, now=NOW)
    unknown = body("message.unknown", TEN, message_id="msg_1")
    for content in (STOP, DELIVERED, unknown, UNREADABLE):
        keep(engine, content, received=120)
    result = command("replay", "--all", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert sorted(document.pop("dead_letters"), key=lambda letter: letter["verdict"]) == [
        {"digest": digest(STOP), "verdict": "applied", "reason": None, "error": None},
        {"digest": digest(unknown), "verdict": "ignored", "reason": None, "error": None},
        {
            "digest": digest(UNREADABLE),
            "verdict": "still_dead",
            "reason": "not_json",
            "error": "the body is not JSON",
        },
        {"digest": digest(DELIVERED), "verdict": "unchanged", "reason": None, "error": None},
    ]
    assert document == {
        "counts": {"applied": 1, "ignored": 1, "unchanged": 1, "still_dead": 1},
        "ignored_facts": None,
    }
    assert {content for content, letter in letters(engine).items() if letter["resolved_at"]} == {
        STOP,
        DELIVERED,
        unknown,
    }
    assert json.loads(command("replay", "--reason", "refused", "--json").stdout) == {
        "dead_letters": [],
        "counts": {"applied": 0, "ignored": 0, "unchanged": 0, "still_dead": 0},
        "ignored_facts": None,
    }


def test_a_letter_still_dead_waits_on_with_its_present_reason_and_one_attempt_more(
    engine: Engine, command: Command
) -> None:
    keep(engine, UNREADABLE, received=1, reason="too_long", error="an earlier error")
    for attempts in (2, 3):
        result = command("replay", digest(UNREADABLE)[:8])
        assert result.exit_code == 1
        assert result.stdout.startswith(f"still dead  {digest(UNREADABLE)[:12]}  not_json: the body is not JSON\n")
        assert letters(engine)[UNREADABLE] == {
            "digest": digest(UNREADABLE),
            "body": UNREADABLE,
            "reason": "not_json",
            "error": "the body is not JSON",
            "received_at": minute(1),
            "attempts": attempts,
            "resolved_at": None,
            "may_opt_out": False,
        }


def allow(engine: Engine) -> None:
    on_postgres = engine.dialect.name == "postgresql"
    drop = "ALTER TABLE message_status DROP CONSTRAINT own_rule" if on_postgres else "DROP TRIGGER own_rule"
    with engine.begin() as connection:
        connection.execute(text(drop))


def test_a_refused_letter_keeps_its_kind_of_error_and_stops_no_other(refusing: Engine, command: Command) -> None:
    bad = body("message.optout", TEN, message_id=REFUSED, channel="sms", to=RUI)
    for content in (bad, STOP, UNREADABLE):
        keep(refusing, content, received=1)
    result = command("replay", "--all", "--json")
    assert result.exit_code == 1
    assert replayed(result) == {digest(bad): "still_dead", digest(STOP): "applied", digest(UNREADABLE): "still_dead"}
    letter = letters(refusing)[bad]
    assert (letter["reason"], letter["attempts"], letter["resolved_at"]) == ("refused", 2, None)
    assert letter["error"] in ("CheckViolation", "IntegrityError")
    assert letters(refusing)[UNREADABLE]["attempts"] == 2
    assert (active(refusing), len(rows(refusing, "events"))) == ([ANA], 1)
    assert REFUSED not in result.output

    allow(refusing)
    assert replayed(command("replay", "--reason", "refused", "--json")) == {digest(bad): "applied"}
    assert active(refusing) == sorted([ANA, RUI])


def test_resolved_letters_are_left_alone_unless_they_are_named(engine: Engine, command: Command) -> None:
    keep(engine, STOP, resolved_at=NOW)
    keep(engine, UNREADABLE, resolved_at=NOW)
    for options in (["--all"], ["--reason", "no_subject"]):
        assert replayed(command("replay", *options, "--json")) == {}
    result = command("replay", digest(STOP), digest(UNREADABLE), digest(STOP)[:8], "--json")
    assert replayed(result) == {digest(STOP): "applied", digest(UNREADABLE): "still_dead"}
    assert letters(engine)[STOP]["resolved_at"] > NOW
    # What a person decided stands, though replaying it did not help.
    assert letters(engine)[UNREADABLE]["resolved_at"] == NOW


def test_only_letters_of_the_reason_are_replayed(engine: Engine, command: Command) -> None:
    keep(engine, STOP, reason="too_long")
    keep(engine, DELIVERED, reason="no_subject")
    assert replayed(command("replay", "--reason", "too_long", "--json")) == {digest(STOP): "applied"}
    assert letters(engine)[DELIVERED]["resolved_at"] is None


def test_where_one_name_fits_no_letter_none_is_replayed(engine: Engine, command: Command) -> None:
    keep(engine, STOP)
    result = command("replay", digest(STOP), "f" * 64)
    assert (result.exit_code, result.stdout) == (1, "")
    assert letters(engine)[STOP]["resolved_at"] is None


def test_letters_are_read_in_pages_and_each_comes_once_though_it_stays_dead(engine: Engine) -> None:
    good = [body("message.delivered", TEN, message_id=f"msg_{number}") for number in range(5)]
    dead = [b"{%d" % number for number in range(6)]
    for content in (*good, *dead):
        keep(engine, content)
    pages: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT dead_letters.digest, dead_letters.body"):
            pages.append(statement)

    event.listen(engine, "after_cursor_execute", count)
    replayed = list(replay(engine, LetterSelection(), options=AO, page_size=2))
    event.remove(engine, "after_cursor_execute", count)
    assert len(pages) == 7
    digests = [letter.digest for letter in replayed]
    assert digests == sorted(map(digest, (*good, *dead)))
    assert {letter.digest for letter in replayed if letter.verdict is ReplayVerdict.APPLIED} == set(map(digest, good))
    assert [letter["attempts"] for content, letter in letters(engine).items() if content in dead] == [2] * 6


@pytest.mark.parametrize("page_size", [1, 2])
def test_two_bodies_of_one_fact_are_both_applied(engine: Engine, page_size: int) -> None:
    early, late = (body("message.failed", minute(at), message_id="msg_1", to=ANA) for at in (1, 2))
    for content in (early, late):
        keep(engine, content)
    verdicts = {
        letter.digest: letter.verdict for letter in replay(engine, LetterSelection(), options=AO, page_size=page_size)
    }
    assert verdicts == {digest(early): ReplayVerdict.APPLIED, digest(late): ReplayVerdict.APPLIED}
    assert sorted(row["body"] for row in rows(engine, "bodies")) == sorted([early, late])
    assert [row["digest"] for row in rows(engine, "events")] == [digest(late)]


def test_a_replay_that_is_killed_has_done_nothing_by_halves_and_can_be_repeated(engine: Engine) -> None:
    good = [body("message.optout", TEN, channel="sms", to=to) for to in (ANA, RUI)]
    for content in good:
        keep(engine, content)

    def kill(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE dead_letters"):
            raise SystemExit

    event.listen(engine, "before_cursor_execute", kill)
    with pytest.raises(SystemExit):
        list(replay(engine, LetterSelection(), options=AO))
    assert (active(engine), {letter["resolved_at"] for letter in letters(engine).values()}) == ([], {None})
    event.remove(engine, "before_cursor_execute", kill)

    next(replay(engine, LetterSelection(), options=AO, page_size=1))
    assert len(active(engine)) == 1
    assert len(list(replay(engine, LetterSelection(), options=AO))) == 1
    assert active(engine) == sorted([ANA, RUI])


def test_a_database_that_goes_away_is_one_line_and_what_was_done_stays_done(engine: Engine, command: Command) -> None:
    keep(engine, STOP)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE events RENAME TO events_away"))
    result = command("replay", "--all")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    missing = "no such table: events" if engine.dialect.name == "sqlite" else 'relation "events" does not exist'
    assert result.stderr == f"Error: the database of DATABASE_URL cannot be used: {missing}\n"
    assert (letters(engine)[STOP]["attempts"], letters(engine)[STOP]["resolved_at"]) == (1, None)
