"""What is none of the six events is ignored or a dead letter, and stops nothing of its batch."""

import random
import string

import pytest
from sqlalchemy import Engine
from sqlmodel import SQLModel
from structlog.testing import capture_logs

from sync.store.tally import Tally
from tests.conftest import NOW
from tests.integration.store.ledger import (
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
from tests.support.events_builder import ANA, RECEIVED, TEN, bodies, body, clear, everything, minute, raw, rows

# What is not one of the six


def test_what_has_no_known_type_is_in_the_ledger_only_and_ignored(engine: Engine) -> None:
    for name, content in bodies("ignored").items():
        clear(engine)
        assert give(engine, content) == Tally(received=1, ignored=1), name
        entry = only_row(rows(engine, "events"))
        assert (entry["outcome"], held_body(engine)) == ("ignored", content), name
        assert {table for table, rows_of_table in everything(engine).items() if rows_of_table} == {
            "events",
            "bodies",
        }, name


def test_every_body_ends_as_exactly_one_fact_or_dead_letter_and_again_changes_nothing(engine: Engine) -> None:
    for name, content in bodies().items():
        clear(engine)
        give(engine, content)
        first = everything(engine)
        assert len(first["events"]) == len(first["bodies"])
        fates = [(entry["outcome"], held_body(engine)) for entry in first["events"]]
        fates += [(letter["reason"], letter["body"]) for letter in first["dead_letters"]]
        assert fates == [(name.partition("/")[0], content)]
        again = give(engine, raw(content, minute(180)), raw(content, minute(181)))
        assert again.applied + again.ignored == 0, name
        assert everything(engine) == first, name


def test_what_cannot_be_read_is_a_dead_letter_with_its_reason_and_nothing_of_it_in_words(engine: Engine) -> None:
    unreadable = {name: content for name, content in bodies().items() if not name.startswith(("applied/", "ignored/"))}
    for name, content in unreadable.items():
        clear(engine)
        with capture_logs() as logs:
            assert give(engine, content) == Tally(received=1, dead=1), name
        letter = only_row(rows(engine, "dead_letters"))
        error = letter.pop("error")
        assert letter == {
            "digest": digest(content),
            "body": content,
            "reason": name.partition("/")[0],
            "received_at": RECEIVED,
            "attempts": 1,
            "resolved_at": None,
            # A body that is no JSON text may say anything, unless it says nothing. NaN is no JSON either.
            "may_opt_out": b"message.optout" in content
            or (letter["reason"] in ("not_json", "not_utf8") and content.strip() != b"")
            or content == b"NaN",
        }
        assert error.isascii()
        assert 0 < len(error) < 120
        assert not any(quoted in error for quoted in ("msg", "cmp", "244", "99", "\\")), name
        fields = {"reason": letter["reason"], "error": error, "digest": letter["digest"], "request_id": None}
        assert logs == [{"event": "dead_letter.kept", "log_level": "warning"} | fields]


def test_copies_of_a_dead_letter_are_one_row(engine: Engine) -> None:
    assert give(engine, b"{", b"[", b"{") == Tally(received=3, dead=3)
    assert give(engine, b"{").dead == 1
    assert sorted(letter["body"] for letter in rows(engine, "dead_letters")) == [b"[", b"{"]


def test_a_dead_letter_was_received_when_its_first_copy_was(engine: Engine) -> None:
    states = in_every_order(engine, raw(b"{", minute(1)), raw(b"{", minute(2)), raw(b"{", minute(3)))
    assert_one_answer(states)
    assert only_row(states[0]["dead_letters"])["received_at"] == minute(1)


def test_a_copy_leaves_a_dead_letter_as_a_person_left_it(engine: Engine) -> None:
    give(engine, b"{")
    with engine.begin() as connection:
        letters = SQLModel.metadata.tables["dead_letters"]
        connection.execute(letters.update().values(attempts=2, resolved_at=NOW))
    give(engine, b"{")
    letter = only_row(rows(engine, "dead_letters"))
    assert (letter["attempts"], letter["resolved_at"]) == (2, NOW)


def test_poison_in_a_batch_stops_none_of_the_good(engine: Engine) -> None:
    everything_at_once = [raw(content) for content in bodies().values()]
    random.Random(1).shuffle(everything_at_once)
    good = [message_event("delivered", 1, message_id=f"good_{number}", to=ANA) for number in range(20)]
    tally = give(engine, *good[:10], *everything_at_once, *good[10:])
    assert tally.received == len(good) + len(bodies())
    assert tally.received == tally.applied + tally.ignored + tally.unchanged + tally.dead
    tables = everything(engine)
    assert {f"good_{number}" for number in range(20)} <= {row["message_id"] for row in tables["message_status"]}
    dead = {content for name, content in bodies().items() if not name.startswith(("applied/", "ignored/"))}
    assert {letter["body"] for letter in tables["dead_letters"]} == dead


def test_keys_as_long_as_allowed_can_be_stored(engine: Engine) -> None:
    letters = random.Random(1)

    def key(length: int) -> str:
        return "".join(letters.choices(string.ascii_letters + string.digits + "!#$%&*+=?^_~", k=length))

    bodies_of_keys = [
        body(f"message.{key(247)}", TEN, message_id=key(1024)),
        body(
            "message.delivered",
            TEN,
            message_id=key(1024),
            campaign_id=key(1024),
            channel="c" * 64,
            to=key(1024),
            from_=key(1024),
        ),
        body("message.optout", TEN, message_id=key(1024), channel="slack", to=key(1024), from_="n" * 1024),
        body("campaign.sent", TEN, campaign_id=key(1024), name=key(5000)),
    ]
    assert give(engine, *bodies_of_keys) == Tally(received=4, applied=3, ignored=1)
    assert [len(row["address"]) + len(row["sender"]) for row in rows(engine, "opt_outs")] == [2048]


@pytest.mark.parametrize(
    "odd", ["NULL", "null", "{}", "{a,b}", 'a"b', "a\\b", "\\x00", "%s %(x)s", ":x", "'; --", "\U0001f600", "\ufffe"]
)
def test_any_text_comes_back_as_it_was_given(engine: Engine, odd: str) -> None:
    data = {"message_id": odd, "campaign_id": odd, "channel": "slack", "to": odd, "from_": odd}
    give(engine, message_event("failed", 1, code=odd, error=odd, **data), message_event("optout", 2, **data))
    row = message(engine)
    assert (row["message_id"], row["campaign_id"], row["recipient"], row["sender"]) == (odd, odd, odd, odd)
    assert (row["failure_code"], row["failure_reason"]) == (odd, odd)
    # What programs write if they have no sender is none that an opt-out could be narrowed to.
    assert stopped(engine) == {("slack", odd, "" if odd.lower() == "null" else odd): minute(2)}


def test_nothing_is_applied_where_nothing_is_given(engine: Engine) -> None:
    assert give(engine) == Tally()
    assert not any(everything(engine).values())


def test_a_batch_of_many_is_applied_whole(engine: Engine) -> None:
    batch = [
        message_event("delivered", 1, message_id=f"msg_{number}", to=f"+2449{number:08}") for number in range(2_500)
    ]
    batch += [message_event("optout", 2, message_id=f"msg_{number}", channel="sms") for number in range(2_500)]
    assert give(engine, *batch) == Tally(received=5_000, applied=5_000)
    assert give(engine, *batch) == Tally(received=5_000, unchanged=5_000)
    tables = everything(engine)
    assert [len(tables[table]) for table in ("events", "message_status", "opt_outs")] == [5_000, 2_500, 2_500]


def test_a_tally_says_what_became_of_every_event(engine: Engine) -> None:
    early, late = message_event("failed", 1), message_event("failed", 2)
    assert give(engine, early, early, body("test"), b"{") == Tally(
        received=4, applied=1, ignored=1, unchanged=1, dead=1
    )
    assert give(engine, late, early) == Tally(received=2, applied=1, unchanged=1)
    assert give(engine, early, late) == Tally(received=2, unchanged=2)


def test_a_body_that_is_new_to_the_ledger_counts_as_applied_whether_it_holds_or_not(engine: Engine) -> None:
    give(engine, message_event("failed", 5))
    events = [message_event("failed", 1), message_event("failed", 9), raw(message_event("failed", 5).body, minute(1))]
    assert give(engine, *events) == Tally(received=3, applied=2, unchanged=1)
    read_later = body("test", minute(1), more=1), body("test", minute(1), more=2)
    assert give(engine, *read_later, *read_later) == Tally(received=4, ignored=2, unchanged=2)
