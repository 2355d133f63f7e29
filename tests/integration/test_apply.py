"""Raw events in, rows out, on both databases: nothing is lost, and a STOP is a STOP."""

import hashlib
import random
import string
from collections.abc import Iterator
from datetime import datetime
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import Engine, event, make_url, select, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel
from structlog.testing import capture_logs

from models.database import open_database
from sync.events.interpretation import ParseOptions
from sync.events.raw import RawEvent
from sync.opt_outs.add import OptOutWord, state_opt_outs
from sync.opt_outs.remove import Resubscription, resubscribe
from sync.store.apply import apply
from sync.store.tally import Tally
from tests.conftest import NOW
from tests.events_builder import (
    ANA,
    AO,
    RECEIVED,
    RUI,
    SAMPLE,
    TEN,
    Row,
    bodies,
    body,
    clear,
    everything,
    minute,
    raw,
    rows,
)

CODE = "21610"
STRICT = ParseOptions(default_region="AO", opt_out_failures=frozenset({CODE}))


def give(engine: Engine, *given: RawEvent | bytes, options: ParseOptions = AO) -> Tally:
    """Apply what is given as one batch."""
    batch = [one if isinstance(one, RawEvent) else raw(one) for one in given]
    return apply(engine, batch, options=options, now=NOW)


def told(status: str, at: float | None, received: float = 120, **data: Any) -> RawEvent:
    """An event of message msg_1 that occurred `at` minutes after ten, and was received `received` after."""
    content = body(f"message.{status}", None if at is None else minute(at), **({"message_id": "msg_1"} | data))
    return raw(content, minute(received))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def one(found: list[Row]) -> Row:
    (row,) = found
    return row


def message(engine: Engine) -> Row:
    return one(rows(engine, "message_status"))


def held_body(engine: Engine) -> bytes:
    """The body that holds, of the only fact there is."""
    with engine.connect() as connection:
        query = text("SELECT body FROM bodies JOIN events ON events.body_id = bodies.id")
        return bytes(connection.execute(query).scalar_one())


def stopped(engine: Engine) -> dict[tuple[str, str, str], datetime]:
    """Who must not be messaged, and since when."""
    return {(row["channel"], row["address"], row["sender"]): row["opted_out_at"] for row in rows(engine, "opt_outs")}


def active(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT address FROM active_opt_outs ORDER BY address")).scalars())


def in_every_order(engine: Engine, *given: RawEvent, options: ParseOptions = AO) -> list[dict[str, list[Row]]]:
    """What the tables say after each order of what is given, one at a time, and after one batch of all."""
    found = []
    for batches in [*([[one] for one in some] for some in permutations(given)), [list(given)]]:
        clear(engine)
        for batch in batches:
            give(engine, *batch, options=options)
        found.append(everything(engine))
    return found


def assert_one_answer(found: list[dict[str, list[Row]]]) -> None:
    for other in found[1:]:
        assert other == found[0]


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
        "bodies": [{"subject_id": "msg_abc123", "event": "message.delivered", "received_at": RECEIVED, "body": SAMPLE}],
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
    give(engine, told(status, 1, channel="SMS", to="912345678", from_="ZEXA", campaign_id="cmp_1", error=error))
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
    give(engine, told("optout", 1, channel="sms", to=ANA, from_="ZEXA"))
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
    assert one(rows(engine, "opt_outs")) == {
        "channel": "sms",
        "address": ANA,
        "sender": "ZEXA",
        "opted_out_at": minute(1),
        "opted_in_at": None,
        "received_at": minute(120),
        "source": "event",
        "message_id": "msg_1",
        "note": None,
        "opt_out_id": digest(told("optout", 1, channel="sms", to=ANA, from_="ZEXA").body),
        "person": ANA,
    }
    assert active(engine) == [ANA]


def test_a_campaign_is_sent_and_then_completed_in_either_order(engine: Engine) -> None:
    sent = raw(body("campaign.sent", minute(1), id="cmp_1", name="June", channel="SMS"))
    completed = raw(body("campaign.completed", minute(9), id="cmp_1", delivered=7, total=9))
    found = in_every_order(engine, sent, completed)
    assert_one_answer(found)
    assert one(found[0]["campaign_status"]) == {
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
    row = one(rows(engine, "campaign_status"))
    assert (row["status"], row["sent_at"], row["completed_at"]) == ("sent", minute(1), None)


def test_a_message_and_a_campaign_of_one_id_do_not_mix(engine: Engine) -> None:
    given = [told("delivered", 1, message_id="x", to=ANA), raw(body("campaign.sent", TEN, id="x"))]
    found = in_every_order(engine, *given, told("optout", 2, message_id="x"))
    assert_one_answer(found)
    assert (message(engine)["status"], one(rows(engine, "campaign_status"))["status"]) == ("delivered", "sent")
    assert active(engine) == [ANA]


@pytest.mark.parametrize("name", ["message.delivered", "message.failed", "campaign.sent", "campaign.completed"])
def test_an_event_without_an_id_is_in_the_ledger_only(engine: Engine, name: str) -> None:
    content = body(name, TEN, to=ANA)
    assert give(engine, content) == Tally(received=1, applied=1)
    entry = one(rows(engine, "events"))
    assert (entry["subject_id"], entry["event"]) == (f"sha256:{digest(content)}", name)
    assert held_body(engine) == content
    assert {table for table, found in everything(engine).items() if found} == {"events", "bodies"}


def test_an_event_has_the_canonical_name_and_its_body_keeps_its_own(engine: Engine) -> None:
    content = body("Message_Opt-Out", minute(1), message_id="msg_1", to=ANA)
    assert give(engine, content, told("optout", 1, to=ANA)) == Tally(received=2, applied=2)
    assert one(rows(engine, "events"))["event"] == "message.optout"
    assert {bytes(row["body"]) for row in rows(engine, "bodies")} == {content, told("optout", 1, to=ANA).body}
    assert stopped(engine) == {("", ANA, ""): minute(1)}


def test_times_are_kept_to_the_microsecond(engine: Engine) -> None:
    content = SAMPLE.replace(b"10:05:00Z", b"11:05:00.123456789+01:00")
    give(engine, content)
    assert one(rows(engine, "events"))["occurred_at"] == minute(5).replace(microsecond=123456)


def test_rows_say_when_they_were_written(engine: Engine) -> None:
    give(engine, told("delivered", 1, to=ANA), told("optout", 2), body("campaign.sent", TEN, id="cmp_1"))
    with engine.connect() as connection:
        for table, column in (("events", "applied_at"), ("message_status", "updated_at"), ("opt_outs", "updated_at")):
            columns = SQLModel.metadata.tables[table].columns
            assert set(connection.execute(select(columns[column])).scalars()) == {NOW}


# What is not one of the six


def test_what_has_no_known_type_is_in_the_ledger_only_and_ignored(engine: Engine) -> None:
    for name, content in bodies("ignored").items():
        clear(engine)
        assert give(engine, content) == Tally(received=1, ignored=1), name
        entry = one(rows(engine, "events"))
        assert (entry["outcome"], held_body(engine)) == ("ignored", content), name
        assert {table for table, found in everything(engine).items() if found} == {"events", "bodies"}, name


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
        letter = one(rows(engine, "dead_letters"))
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
        said = {"reason": letter["reason"], "error": error, "digest": letter["digest"], "request_id": None}
        assert logs == [{"event": "dead_letter.kept", "log_level": "warning"} | said]


def test_copies_of_a_dead_letter_are_one_row(engine: Engine) -> None:
    assert give(engine, b"{", b"[", b"{") == Tally(received=3, dead=3)
    assert give(engine, b"{").dead == 1
    assert sorted(letter["body"] for letter in rows(engine, "dead_letters")) == [b"[", b"{"]


def test_a_dead_letter_was_received_when_its_first_copy_was(engine: Engine) -> None:
    found = in_every_order(engine, raw(b"{", minute(1)), raw(b"{", minute(2)), raw(b"{", minute(3)))
    assert_one_answer(found)
    assert one(found[0]["dead_letters"])["received_at"] == minute(1)


def test_a_copy_leaves_a_dead_letter_as_a_person_left_it(engine: Engine) -> None:
    give(engine, b"{")
    with engine.begin() as connection:
        letters = SQLModel.metadata.tables["dead_letters"]
        connection.execute(letters.update().values(attempts=2, resolved_at=NOW))
    give(engine, b"{")
    letter = one(rows(engine, "dead_letters"))
    assert (letter["attempts"], letter["resolved_at"]) == (2, NOW)


def test_poison_in_a_batch_stops_none_of_the_good(engine: Engine) -> None:
    everything_at_once = [raw(content) for content in bodies().values()]
    random.Random(1).shuffle(everything_at_once)
    good = [told("delivered", 1, message_id=f"good_{number}", to=ANA) for number in range(20)]
    tally = give(engine, *good[:10], *everything_at_once, *good[10:])
    assert tally.received == len(good) + len(bodies())
    assert tally.received == tally.applied + tally.ignored + tally.unchanged + tally.dead
    found = everything(engine)
    assert {f"good_{number}" for number in range(20)} <= {row["message_id"] for row in found["message_status"]}
    dead = {content for name, content in bodies().items() if not name.startswith(("applied/", "ignored/"))}
    assert {letter["body"] for letter in found["dead_letters"]} == dead


def test_keys_as_long_as_allowed_can_be_stored(engine: Engine) -> None:
    letters = random.Random(1)

    def key(length: int) -> str:
        return "".join(letters.choices(string.ascii_letters + string.digits + "!#$%&*+=?^_~", k=length))

    given = [
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
    assert give(engine, *given) == Tally(received=4, applied=3, ignored=1)
    assert [len(row["address"]) + len(row["sender"]) for row in rows(engine, "opt_outs")] == [2048]


@pytest.mark.parametrize(
    "odd", ["NULL", "null", "{}", "{a,b}", 'a"b', "a\\b", "\\x00", "%s %(x)s", ":x", "'; --", "\U0001f600", "\ufffe"]
)
def test_any_text_comes_back_as_it_was_given(engine: Engine, odd: str) -> None:
    data = {"message_id": odd, "campaign_id": odd, "channel": "slack", "to": odd, "from_": odd}
    give(engine, told("failed", 1, code=odd, error=odd, **data), told("optout", 2, **data))
    row = message(engine)
    assert (row["message_id"], row["campaign_id"], row["recipient"], row["sender"]) == (odd, odd, odd, odd)
    assert (row["failure_code"], row["failure_reason"]) == (odd, odd)
    # What programs write if they have no sender is none that an opt-out could be narrowed to.
    assert stopped(engine) == {("slack", odd, "" if odd.lower() == "null" else odd): minute(2)}


def test_nothing_is_applied_where_nothing_is_given(engine: Engine) -> None:
    assert give(engine) == Tally()
    assert not any(everything(engine).values())


def test_a_batch_of_many_is_applied_whole(engine: Engine) -> None:
    batch = [told("delivered", 1, message_id=f"msg_{number}", to=f"+2449{number:08}") for number in range(2_500)]
    batch += [told("optout", 2, message_id=f"msg_{number}", channel="sms") for number in range(2_500)]
    assert give(engine, *batch) == Tally(received=5_000, applied=5_000)
    assert give(engine, *batch) == Tally(received=5_000, unchanged=5_000)
    found = everything(engine)
    assert [len(found[table]) for table in ("events", "message_status", "opt_outs")] == [5_000, 2_500, 2_500]


def test_a_tally_says_what_became_of_every_event(engine: Engine) -> None:
    early, late = told("failed", 1), told("failed", 2)
    assert give(engine, early, early, body("test"), b"{") == Tally(
        received=4, applied=1, ignored=1, unchanged=1, dead=1
    )
    assert give(engine, late, early) == Tally(received=2, applied=1, unchanged=1)
    assert give(engine, early, late) == Tally(received=2, unchanged=2)


def test_a_body_that_is_new_to_the_ledger_counts_as_applied_whether_it_holds_or_not(engine: Engine) -> None:
    give(engine, told("failed", 5))
    given = [told("failed", 1), told("failed", 9), raw(told("failed", 5).body, minute(1))]
    assert give(engine, *given) == Tally(received=3, applied=2, unchanged=1)
    read_later = body("test", minute(1), more=1), body("test", minute(1), more=2)
    assert give(engine, *read_later, *read_later) == Tally(received=4, ignored=2, unchanged=2)


# Statuses


def test_a_redelivery_changes_nothing(engine: Engine) -> None:
    given = [told("delivered", 1, to=ANA), told("optout", 2, channel="sms"), raw(body("campaign.sent", TEN, id="c"))]
    give(engine, *given)
    first = everything(engine)
    for copy in given:
        give(engine, raw(copy.body, minute(600)))
    assert everything(engine) == first


def test_statuses_that_contradict_each_other_have_one_answer_in_any_order(engine: Engine) -> None:
    found = in_every_order(engine, told("failed", 1, error="busy"), told("delivered", 2), told("undeliverable", 2))
    assert_one_answer(found)
    row = one(found[0]["message_status"])
    assert (row["status"], row["status_at"], row["conflict"]) == ("delivered", minute(2), True)
    assert (row["delivered_at"], row["failed_at"], row["failure_reason"]) == (minute(2), minute(2), None)


def test_a_copy_received_earlier_that_arrives_later_sets_the_time_of_receipt_back(engine: Engine) -> None:
    found = in_every_order(engine, told("failed", None, 3), told("failed", None, 1), told("failed", None, 2))
    assert_one_answer(found)
    entry, row = one(found[0]["events"]), one(found[0]["message_status"])
    assert (entry["received_at"], entry["occurred_at"]) == (minute(1), minute(1))
    assert (row["status_at"], row["failed_at"]) == (minute(1), minute(1))


# Several bodies under one ledger key


def test_of_two_bodies_both_are_kept_and_the_later_holds_and_is_told_in_any_order(engine: Engine) -> None:
    early, late = told("failed", 1, error="busy"), told("failed", 2, 130, error="no route")
    found = in_every_order(engine, early, late, raw(early.body, minute(600)))
    assert_one_answer(found)
    entry, other, row = (one(found[0][name]) for name in ("events", "further_bodies", "message_status"))
    assert (entry["digest"], entry["occurred_at"], entry["received_at"]) == (digest(late.body), minute(2), minute(130))
    assert (other["digest"], other["occurred_at"], other["received_at"]) == (digest(early.body), minute(1), minute(120))
    assert {bytes(kept["body"]): kept["received_at"] for kept in found[0]["bodies"]} == {
        early.body: minute(120),
        late.body: minute(130),
    }
    assert entry["outcome"] == "applied"
    assert (row["status_at"], row["failure_reason"], row["conflict"]) == (minute(2), "no route", False)


def test_a_copy_of_a_body_that_does_not_hold_sets_its_receipt_back_too(engine: Engine) -> None:
    lesser, greater = told("failed", 1, 70), told("failed", 2, 70)
    found = in_every_order(engine, lesser, greater, raw(lesser.body, minute(60)), raw(greater.body, minute(90)))
    assert_one_answer(found)
    assert one(found[0]["events"])["received_at"] == minute(70)
    assert one(found[0]["further_bodies"])["received_at"] == minute(60)
    assert {row["received_at"] for row in found[0]["bodies"]} == {minute(60), minute(70)}


def test_the_row_of_the_ledger_finds_the_bytes_of_the_body_that_holds(engine: Engine) -> None:
    given = [told("failed", at, error=f"at {at}") for at in (2, 1, 3)]
    for of, holds in zip(given, (given[0], given[0], given[2]), strict=True):
        give(engine, of)
        assert held_body(engine) == holds.body
    with engine.connect() as connection:
        query = "SELECT further_bodies.digest, body FROM further_bodies JOIN bodies ON further_bodies.body_id = id"
        others = connection.execute(text(query)).all()
    assert {digest(bytes(content)) for _, content in others} == {name for name, _ in others}
    assert len(others) == 2


def test_of_two_bodies_of_one_moment_that_with_the_greater_digest_holds_in_any_order(engine: Engine) -> None:
    given = [told("failed", 1, error=reason) for reason in ("busy", "no route", "no such number")]
    found = in_every_order(engine, *given)
    assert_one_answer(found)
    kept = max((raw_event.body for raw_event in given), key=digest)
    assert one(found[0]["events"])["digest"] == digest(kept)
    assert one(found[0]["message_status"])["failure_reason"].encode() in kept
    assert len(found[0]["bodies"]) == 3


def test_a_body_that_names_no_time_gives_way_in_any_order(engine: Engine) -> None:
    undated, dated = told("failed", None, 60, error="busy"), told("failed", 1, 30, error="no route")
    found = in_every_order(engine, undated, dated, raw(undated.body, minute(90)))
    assert_one_answer(found)
    assert one(found[0]["events"])["digest"] == digest(dated.body)
    assert one(found[0]["message_status"])["status_at"] == minute(1)


def test_a_body_whose_time_lies_more_than_a_day_ahead_gives_way_in_any_order(engine: Engine) -> None:
    ahead, dated = told("failed", 48 * 60, 60, error="busy"), told("failed", 1, 30, error="no route")
    found = in_every_order(engine, ahead, dated, told("delivered", 61, 61))
    assert_one_answer(found)
    assert one(found[0]["further_bodies"])["is_dated"] is False
    row = one(found[0]["message_status"])
    assert (row["status"], row["failed_at"], row["failure_reason"]) == ("delivered", minute(1), "no route")


def test_an_earlier_copy_takes_the_belief_from_a_time_in_any_order(engine: Engine) -> None:
    """23 hours after one receipt and 25 after another, that came first: what the earliest says counts."""
    claimed = 23 * 60 + 120
    copies = [told("failed", claimed, 120), told("failed", claimed, 0)]
    found = in_every_order(engine, *copies, told("delivered", 1))
    assert_one_answer(found)
    assert {(row["event"], row["is_dated"]) for row in found[0]["events"]} == {
        ("message.failed", False),
        ("message.delivered", True),
    }
    assert one(found[0]["message_status"])["failed_at"] == minute(0)


def test_two_bodies_that_name_no_time_occurred_when_they_were_received_in_any_order(engine: Engine) -> None:
    given = [told("failed", None, 60, error="busy"), told("failed", None, 70, error="no route")]
    found = in_every_order(engine, *given, raw(given[0].body, minute(80)))
    assert_one_answer(found)
    row = one(found[0]["message_status"])
    assert (row["failure_reason"], row["failed_at"]) == ("no route", minute(70))


def test_two_bodies_of_a_campaign_have_one_answer_in_any_order(engine: Engine) -> None:
    given = [raw(body("campaign.completed", minute(at), id="cmp_1", name=f"at {at}")) for at in (1, 2)]
    found = in_every_order(engine, *given, raw(body("campaign.sent", minute(3), id="cmp_1")))
    assert_one_answer(found)
    row = one(found[0]["campaign_status"])
    assert (row["name"], row["completed_at"], row["sent_at"]) == ("at 2", minute(2), minute(3))


# Opt-outs


def test_an_opt_out_takes_its_address_from_its_message_whichever_comes_first(engine: Engine) -> None:
    found = in_every_order(engine, told("optout", 2, from_="ZEXA"), told("delivered", 1, channel="sms", to=ANA))
    assert_one_answer(found)
    assert stopped(engine) == {("sms", ANA, "ZEXA"): minute(2)}
    assert message(engine)["opted_out_at"] == minute(2)


def test_an_opt_out_is_kept_as_nameless_until_its_message_tells_whose_it_is(engine: Engine) -> None:
    give(engine, told("optout", 2, 60))
    waiting = one(rows(engine, "nameless_opt_outs"))
    assert (waiting["subject_id"], waiting["digest"]) == ("msg_1", digest(told("optout", 2).body))
    assert (waiting["received_at"], waiting["holds_until"]) == (minute(60), minute(120))
    give(engine, told("optout", 2, 50), told("delivered", 1), told("read", 3, to=ANA))
    assert one(rows(engine, "nameless_opt_outs"))["holds_until"] == minute(110)
    give(engine, told("failed", 1, to=ANA))
    assert rows(engine, "nameless_opt_outs") == []
    assert active(engine) == [ANA]


def test_an_opt_out_takes_its_address_from_whatever_tells_it_last(engine: Engine) -> None:
    given = [told("optout", 1), told("failed", 2), told("undeliverable", 3, channel="sms", to=ANA)]
    assert_one_answer(in_every_order(engine, *given))
    assert stopped(engine) == {("sms", ANA, ""): minute(1)}


def test_an_opt_out_with_an_address_needs_neither_message_nor_channel(engine: Engine) -> None:
    give(engine, body("message.optout", minute(1), to="912 345 678"), body("message.optout", minute(2), to="A@B.co"))
    assert stopped(engine) == {("", ANA, ""): minute(1), ("", "a@b.co", ""): minute(2)}
    assert rows(engine, "message_status") == []


@pytest.mark.parametrize(
    ("channel", "to"), [("telegram", "@Ana"), ("sms", "9" * 1024), ("sms", "+244…678"), (None, "?")]
)
def test_an_opt_out_that_can_be_read_as_no_persons_waits_for_its_message_or_is_a_dead_letter(
    engine: Engine, channel: str | None, to: str
) -> None:
    assert give(engine, told("optout", 1, channel=channel, to=to)) == Tally(received=1, applied=1)
    assert (stopped(engine), message(engine)["recipient"]) == ({}, None)
    assert one(rows(engine, "nameless_opt_outs"))["subject_id"] == "msg_1"
    assert give(engine, told("optout", 1, message_id=None, channel=channel, to=to)) == Tally(received=1, dead=1)
    letter = one(rows(engine, "dead_letters"))
    assert (letter["reason"], letter["may_opt_out"]) == ("no_subject", True)


def test_an_opt_out_stops_both_its_recipient_and_its_sender_if_each_can_be_a_persons(engine: Engine) -> None:
    """Many providers turn `to` and `from` round in a STOP."""
    give(engine, told("optout", 1, channel="sms", to="ZEXA", from_=ANA), told("delivered", 1, from_=RUI))
    assert stopped(engine) == {("sms", ANA, "ZEXA"): minute(1)}
    assert message(engine)["recipient"] == ANA
    give(engine, told("optout", 2, message_id="msg_2", to=ANA, from_=RUI))
    assert stopped(engine) == {
        ("sms", ANA, "ZEXA"): minute(1),
        ("", ANA, ""): minute(2),
        ("", RUI, ""): minute(2),
    }


def test_an_opt_out_on_a_channel_of_no_known_name_holds_for_any(engine: Engine) -> None:
    give(engine, told("optout", 1, channel="fax", to=ANA))
    assert stopped(engine) == {("", ANA, ""): minute(1)}


def test_every_opt_out_of_an_address_is_one_row_with_the_latest(engine: Engine) -> None:
    spelled = ["+244 912 345 678", "244912345678", "912345678"]
    given = [told("optout", at, message_id=f"msg_{at}", channel="SMS", to=to) for at, to in enumerate(spelled)]
    assert_one_answer(in_every_order(engine, *given))
    row = one(rows(engine, "opt_outs"))
    assert (row["address"], row["opted_out_at"], row["message_id"]) == (ANA, minute(2), "msg_2")


def test_a_row_was_received_when_the_latest_of_its_opt_outs_came_first(engine: Engine) -> None:
    given = [
        told("optout", 1, 90, message_id="msg_1", to=ANA),
        told("optout", 5, 60, message_id="msg_2", to=ANA),
        told("optout", 5, 500, message_id="msg_2", to=ANA),
    ]
    assert_one_answer(in_every_order(engine, *given))
    row = one(rows(engine, "opt_outs"))
    assert (row["opted_out_at"], row["message_id"], row["received_at"]) == (minute(5), "msg_2", minute(90))


def test_each_channel_and_each_sender_has_an_opt_out_of_its_own(engine: Engine) -> None:
    given = [(channel, sender) for channel in ("sms", "whatsapp", None) for sender in ("ZEXA", "LOJA", None)]
    batch = [
        told("optout", number, message_id=f"msg_{number}", channel=channel, to=ANA, from_=sender)
        for number, (channel, sender) in enumerate(given)
    ]
    give(engine, *batch)
    assert stopped(engine) == {
        (channel or "", ANA, sender or ""): minute(number) for number, (channel, sender) in enumerate(given)
    }


def test_every_address_that_any_body_of_an_opt_out_names_is_stopped(engine: Engine) -> None:
    """Whichever body holds, both persons may have said STOP, so each is stopped by both."""
    found = in_every_order(engine, told("optout", 1, channel="sms", to=ANA), told("optout", 2, channel="sms", to=RUI))
    assert_one_answer(found)
    assert stopped(engine) == {("sms", ANA, ""): minute(2), ("sms", RUI, ""): minute(2)}


def test_an_opt_out_with_an_address_stops_every_other_that_its_message_names_too(engine: Engine) -> None:
    given = [told("optout", 3, channel="sms", to=ANA), told("delivered", 2, channel="whatsapp", to=RUI)]
    found = in_every_order(engine, *given, told("delivered", 4))
    assert_one_answer(found)
    assert stopped(engine) == {("sms", ANA, ""): minute(3), ("sms", RUI, ""): minute(3)}


def test_an_opt_out_finds_its_address_even_where_the_body_that_told_it_does_not_hold(engine: Engine) -> None:
    """A STOP must not depend on whether it or the second body of its delivery came first."""
    told_it, holds = told("delivered", 1, channel="sms", to=ANA), told("delivered", 2)
    found = in_every_order(engine, told_it, holds, told("optout", 3, channel="sms"))
    assert_one_answer(found)
    assert stopped(engine) == {("sms", ANA, ""): minute(3)}


def test_a_message_keeps_its_address_however_many_bodies_give_way(engine: Engine) -> None:
    told_it, lesser, holds = told("failed", 1, channel="sms", to=ANA), told("failed", 2), told("failed", 3)
    found = in_every_order(engine, told_it, lesser, holds, told("optout", 4))
    assert_one_answer(found)
    assert one(found[0]["message_status"])["recipient"] == ANA
    assert active(engine) == [ANA]


def test_an_opt_outs_channel_is_its_own_else_that_of_the_body_which_names_the_address_else_any(engine: Engine) -> None:
    """Not that of any other body of the message: a body names address and channel together, or neither."""
    given = [told("failed", 1, to=ANA), told("failed", 2), told("undeliverable", 3, channel="sms"), told("optout", 4)]
    assert_one_answer(in_every_order(engine, *given))
    assert stopped(engine) == {("", ANA, ""): minute(4)}
    assert message(engine)["channel"] == "sms"


def test_an_opt_out_for_which_one_address_is_told_on_two_channels_is_two_rows(engine: Engine) -> None:
    given = [told("failed", 1, to=ANA), told("undeliverable", 3, to=ANA, channel="sms"), told("optout", 4)]
    assert_one_answer(in_every_order(engine, *given))
    assert stopped(engine) == {("", ANA, ""): minute(4), ("sms", ANA, ""): minute(4)}


def test_an_event_that_is_ignored_changes_no_opt_out_in_any_order(engine: Engine) -> None:
    found = in_every_order(engine, told("optout", 1), told("read", 2, channel="sms", to=ANA))
    assert_one_answer(found)
    assert stopped(engine) == {}


def test_an_opt_out_that_names_no_time_was_made_when_it_was_first_received(engine: Engine) -> None:
    undated = [told("optout", None, received, channel="sms", to=ANA) for received in (60, 70, 80)]
    found = in_every_order(engine, *undated)
    assert_one_answer(found)
    row = one(found[0]["opt_outs"])
    assert (row["opted_out_at"], row["received_at"]) == (minute(60), minute(60))
    assert one(found[0]["message_status"])["opted_out_at"] == minute(60)


def test_an_opt_out_with_and_without_a_time_was_made_at_the_later_of_both(engine: Engine) -> None:
    given = [told("optout", None, 60, channel="sms", to=ANA), told("optout", 5, 75, channel="sms", to=ANA)]
    found = in_every_order(engine, *given)
    assert_one_answer(found)
    row = one(found[0]["opt_outs"])
    assert (row["opted_out_at"], row["received_at"]) == (minute(60), minute(75))
    assert one(found[0]["message_status"])["opted_out_at"] == minute(60)


def test_an_opt_out_that_claims_a_time_far_ahead_was_made_when_it_was_received(engine: Engine) -> None:
    give(engine, body("message.optout", minute(60 * 24 * 365 * 24), to=ANA))
    assert stopped(engine) == {("", ANA, ""): RECEIVED}


def test_a_redelivered_opt_out_that_names_no_time_is_no_later_opt_out(engine: Engine) -> None:
    given = told("optout", None, 60, channel="sms", to=ANA)
    give(engine, given)
    give(engine, raw(given.body, minute(90)))
    assert stopped(engine) == {("sms", ANA, ""): minute(60)}


# Opt-outs that hide in failures


def refused(at: float, received: float = 120, **data: Any) -> RawEvent:
    return told("failed", at, received, error_code=CODE, **data)


def test_a_failure_that_opts_out_stops_its_address_and_every_one_that_its_message_names(engine: Engine) -> None:
    given = [refused(1, channel="sms", to=ANA), told("delivered", 2, channel="sms", to=RUI)]
    found = in_every_order(engine, *given, options=STRICT)
    assert_one_answer(found)
    assert stopped(engine) == {("sms", ANA, ""): minute(1), ("sms", RUI, ""): minute(1)}
    assert {row["source"] for row in found[0]["opt_outs"]} == {"failure"}
    row = message(engine)
    assert (row["status"], row["opted_out_at"]) == ("delivered", minute(1))


def test_a_failure_that_opts_out_takes_its_address_from_its_message_whichever_comes_first(engine: Engine) -> None:
    given = [refused(2), told("delivered", 1, channel="sms", to=ANA)]
    assert_one_answer(in_every_order(engine, *given, options=STRICT))
    assert stopped(engine) == {("sms", ANA, ""): minute(2)}
    give(engine, refused(3, message_id="msg_2"), options=STRICT)
    assert one(rows(engine, "nameless_opt_outs"))["subject_id"] == "msg_2"


def test_in_any_order_a_stop_stands_before_a_failure_of_the_same_moment(engine: Engine) -> None:
    given = [refused(2, to=ANA), told("optout", 2, to=ANA)]
    found = in_every_order(engine, *given, options=STRICT)
    assert_one_answer(found)
    assert one(found[0]["opt_outs"])["source"] == "event"
    assert one(found[0]["message_status"])["opted_out_at"] == minute(2)


# Opt-outs only grow


def opt_out(engine: Engine, at: float, reason: str = "by telephone") -> None:
    """As a person says so, whose clock is `now`."""
    with engine.begin() as connection:
        statement = OptOutWord(channel="sms", sender="", at=minute(at), by="Rosa", reason=reason)
        state_opt_outs(connection, [(ANA,)], statement, NOW)


def end_opt_outs(engine: Engine, at: float) -> None:
    stated = Resubscription(channel=None, sender=None, by="Rosa", reason="signed up again")
    with engine.begin() as connection:
        resubscribe(connection, [ANA], stated, clock=lambda: minute(at), default_region="AO")


@pytest.mark.parametrize(("received", "is_active"), [(70, False), (80, True), (90, True)])
@pytest.mark.parametrize("claimed", [1, 79, 81, None])
def test_an_opt_out_holds_again_unless_it_was_received_before_it_was_ended(
    engine: Engine, received: int, is_active: bool, claimed: int | None
) -> None:
    """Whatever time it claims."""
    give(engine, told("optout", 0, 10, message_id="msg_0", channel="sms", to=ANA))
    end_opt_outs(engine, 80)
    assert active(engine) == []
    give(engine, told("optout", claimed, received, channel="sms", to=ANA))
    row = one(rows(engine, "opt_outs"))
    assert (row["opted_out_at"], row["opted_in_at"]) == (minute(received if claimed is None else claimed), minute(80))
    assert (row["received_at"], row["source"]) == (minute(received), "event")
    assert active(engine) == ([ANA] if is_active else [])


def test_an_end_that_is_stated_before_the_first_opt_out_is_applied_holds_for_it(engine: Engine) -> None:
    end_opt_outs(engine, 80)
    give(engine, told("optout", 1, 70, channel="sms", to=ANA))
    assert (len(rows(engine, "opt_outs")), active(engine)) == (1, [])
    give(engine, told("optout", 1, 81, message_id="msg_2", channel="sms", to=ANA))
    assert active(engine) == [ANA]


@pytest.mark.parametrize(("at", "since"), [(2, 3), (3, 3), (4, 4)])
def test_an_opt_out_is_never_set_back(engine: Engine, at: int, since: int) -> None:
    end_opt_outs(engine, 1)
    opt_out(engine, 3)
    give(engine, told("optout", at, channel="sms", to=ANA))
    row = one(rows(engine, "opt_outs"))
    assert (row["opted_out_at"], row["opted_in_at"]) == (minute(since), minute(1))
    assert active(engine) == [ANA]


def test_an_earlier_opt_out_leaves_a_persons_words_as_they_are(engine: Engine) -> None:
    opt_out(engine, 3)
    before = one(rows(engine, "opt_outs"))
    give(engine, told("optout", 2, channel="sms", to=ANA))
    assert one(rows(engine, "opt_outs")) == before | {"received_at": minute(120)}


def test_a_redelivered_opt_out_does_not_undo_a_later_resubscription(engine: Engine) -> None:
    given = told("optout", 1, channel="sms", to=ANA)
    give(engine, given)
    end_opt_outs(engine, 130)
    assert give(engine, raw(given.body, minute(600))) == Tally(received=1, unchanged=1)
    give(engine, told("delivered", 5, 600, channel="sms", to=ANA))
    assert active(engine) == []
    give(engine, told("optout", 3, 140, message_id="msg_2", channel="sms", to=ANA))
    assert active(engine) == [ANA]


def test_no_event_of_a_delivery_touches_an_opt_out(engine: Engine) -> None:
    give(engine, told("optout", 1, channel="sms", to=ANA))
    before = rows(engine, "opt_outs")
    for status in ("delivered", "failed", "undeliverable", "read"):
        give(engine, told(status, 9, channel="sms", to=ANA), told(status, 9, message_id="msg_2", channel="sms", to=ANA))
    assert rows(engine, "opt_outs") == before
    assert active(engine) == [ANA]


# What the database refuses


REFUSED = "msg_refused"


@pytest.fixture
def refusing(engine: Engine) -> Engine:
    """A database that refuses one message, as one does that has a rule of the customer's own."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            rule = f"ALTER TABLE message_status ADD CONSTRAINT own_rule CHECK (message_id <> '{REFUSED}')"
        else:
            rule = (
                "CREATE TRIGGER own_rule BEFORE INSERT ON message_status "
                f"WHEN NEW.message_id = '{REFUSED}' BEGIN SELECT RAISE(ABORT, 'own rule'); END"
            )
        connection.execute(text(rule))
    return engine


def test_only_what_the_database_refuses_becomes_a_dead_letter(refusing: Engine) -> None:
    good = [told("delivered", 1, message_id=f"msg_{number}", channel="sms", to=ANA) for number in range(5)]
    bad = told("failed", 1, message_id=REFUSED, channel="sms", to=RUI)
    with capture_logs() as logs:
        tally = give(refusing, *good[:3], bad, b"{", *good[3:], told("optout", 2, message_id="msg_0"))
    assert tally == Tally(received=8, applied=6, dead=2)
    found = everything(refusing)
    assert {row["message_id"] for row in found["message_status"]} == {f"msg_{number}" for number in range(5)}
    assert bad.body not in {entry["body"] for entry in found["bodies"]}
    assert len(found["bodies"]) == len(found["events"]) == 6
    assert active(refusing) == [ANA]
    letters = {letter["body"]: letter for letter in found["dead_letters"]}
    assert letters.keys() == {bad.body, b"{"}
    assert (letters[bad.body]["reason"], letters[bad.body]["digest"]) == ("refused", digest(bad.body))
    for words in (letters[bad.body]["error"], repr(logs)):
        assert RUI not in words
        assert REFUSED not in words
    assert sorted(line["reason"] for line in logs) == ["not_json", "refused"]


def test_what_the_driver_refuses_becomes_a_dead_letter_too(engine: Engine) -> None:
    """As it does with a text that cannot be encoded: no error of the database, and none that passes."""
    good, bad = told("delivered", 1, channel="sms", to=ANA), told("failed", 1, message_id=REFUSED, to=RUI)

    def refuse(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "INTO events" in statement and REFUSED in repr(parameters):
            raise UnicodeEncodeError("utf-8", RUI, 0, 1, "not allowed")

    event.listen(engine, "before_cursor_execute", refuse)
    assert give(engine, good, bad) == Tally(received=2, applied=1, dead=1)
    assert message(engine)["message_id"] == "msg_1"
    letter = one(rows(engine, "dead_letters"))
    assert (letter["body"], letter["reason"]) == (bad.body, "refused")
    assert RUI not in letter["error"]


def test_what_was_refused_can_be_applied_once_the_database_takes_it(refusing: Engine) -> None:
    bad = told("optout", 1, message_id=REFUSED, channel="sms", to=ANA)
    assert give(refusing, bad) == give(refusing, bad) == Tally(received=1, dead=1)
    assert (len(rows(refusing, "dead_letters")), active(refusing)) == (1, [])
    with refusing.begin() as connection:
        on_postgres = refusing.dialect.name == "postgresql"
        connection.execute(
            text("ALTER TABLE message_status DROP CONSTRAINT own_rule" if on_postgres else "DROP TRIGGER own_rule")
        )
    assert give(refusing, bad) == Tally(received=1, applied=1)
    assert active(refusing) == [ANA]


def test_a_body_that_was_read_once_never_stops_a_later_opt_out(engine: Engine) -> None:
    """A message's facts are read again from the ledger: what could be read when it came, but not then, would
    turn the STOP into a dead letter."""
    nested = {depth: b"[" * depth + b"]" * depth for depth in range(50, 1000)}
    failed = b'{"event": "message.failed", "data": {"message_id": "msg_%d", "more": %b}}'
    numbers = {depth: f"+2449{depth:08}" for depth in nested}
    give(engine, *(failed % (depth, more) for depth, more in nested.items()))
    stops = [told("optout", 1, message_id=f"msg_{depth}", channel="sms", to=to) for depth, to in numbers.items()]
    assert give(engine, *stops) == Tally(received=len(stops), applied=len(stops))
    assert active(engine) == sorted(numbers.values())


# A database that is away


@pytest.fixture(params=["sqlite", "postgresql"])
def absent(request: pytest.FixtureRequest) -> Iterator[Engine]:
    urls = {
        "sqlite": "sqlite:////nowhere/at/all/zexa.db",
        "postgresql": "postgresql+psycopg://zexa@127.0.0.1:1/zexa",
    }
    engine = open_database(make_url(urls[request.param]))
    yield engine
    engine.dispose()


def test_a_database_that_is_away_raises(absent: Engine) -> None:
    for batch in ([SAMPLE], [SAMPLE, b"{"], [b"{"]):
        with pytest.raises(DBAPIError):
            give(absent, *batch)


def test_a_database_that_cannot_be_written_raises_and_nothing_is_applied(engine: Engine) -> None:
    reader = open_database(engine.url, is_read_only=True)
    batch = [told("optout", 1, channel="sms", to=ANA), raw(b"{")]
    with pytest.raises(DBAPIError) as caught:
        give(reader, *batch)
    assert ANA not in str(caught.value)
    reader.dispose()
    assert not any(everything(engine).values())
    assert give(engine, *batch) == Tally(received=2, applied=1, dead=1)


def test_a_connection_lost_in_the_middle_raises_and_nothing_is_applied(engine: Engine) -> None:
    batch = [told("optout", 1, channel="sms", to=ANA), told("delivered", 2), raw(b"{")]

    def lose(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "INTO opt_outs" in statement:
            connection.connection.driver_connection.close()

    event.listen(engine, "before_cursor_execute", lose)
    with pytest.raises(DBAPIError):
        give(engine, *batch)
    event.remove(engine, "before_cursor_execute", lose)
    assert not any(everything(engine).values())
    assert give(engine, *batch) == Tally(received=3, applied=2, dead=1)
    assert active(engine) == [ANA]


def test_a_body_that_an_earlier_version_could_read_stops_no_later_event_of_its_message(engine: Engine) -> None:
    give(engine, told("failed", 1, to=ANA), told("optout", 2, channel="sms", to=ANA))
    with engine.begin() as connection:
        connection.execute(text("UPDATE bodies SET body = :body WHERE event = 'message.failed'"), {"body": b"[" * 200})
    tally = give(engine, told("delivered", 3, to=ANA), told("failed", 4, to=ANA))
    assert (tally.applied, tally.dead) == (2, 0)
    assert one(rows(engine, "message_status"))["status"] == "failed"
