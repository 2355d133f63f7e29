"""Raw events in, rows out, on both databases: nothing is lost, and a STOP is a STOP."""

import hashlib
import random
import string
from collections.abc import Iterator
from datetime import datetime
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, make_url, select, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel
from structlog.testing import capture_logs

from models.database import open_database
from sync.apply import Tally, apply
from sync.raw_events import RawEvent
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


def give(engine: Engine, *given: RawEvent | bytes) -> Tally:
    """Apply what is given as one batch."""
    batch = [one if isinstance(one, RawEvent) else raw(one) for one in given]
    return apply(engine, batch, reading=AO, now=NOW)


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


def stopped(engine: Engine) -> dict[tuple[str, str, str], datetime]:
    """Who must not be messaged, and since when."""
    return {(row["channel"], row["address"], row["sender"]): row["opted_out_at"] for row in rows(engine, "opt_outs")}


def active(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT address FROM active_opt_outs ORDER BY address")).scalars())


def in_every_order(engine: Engine, *given: RawEvent) -> list[dict[str, list[Row]]]:
    """What the tables say after each order of what is given, one at a time, and after one batch of all."""
    found = []
    for batches in [*([[one] for one in some] for some in permutations(given)), [list(given)]]:
        clear(engine)
        for batch in batches:
            give(engine, *batch)
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
                "outcome": "applied",
                "body": SAMPLE,
            }
        ],
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
        "source": "event",
        "message_id": "msg_1",
        "note": None,
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
    assert (entry["subject_id"], entry["event"], entry["body"]) == (f"sha256:{digest(content)}", name, content)
    assert {table for table, found in everything(engine).items() if found} == {"events"}


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
        assert (entry["outcome"], entry["body"]) == ("ignored", content), name
        assert {table for table, found in everything(engine).items() if found} == {"events"}, name


def test_every_body_ends_as_exactly_one_row_and_again_changes_nothing(engine: Engine) -> None:
    for name, content in bodies().items():
        clear(engine)
        give(engine, content)
        first = everything(engine)
        fates = [(entry["outcome"], entry["body"]) for entry in first["events"]]
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
            "may_opt_out": b"message.optout" in content,
        }
        assert error.isascii()
        assert 0 < len(error) < 120
        assert not any(quoted in error for quoted in ("msg", "cmp", "244", "99", "\\")), name
        said = {"reason": letter["reason"], "error": error, "digest": letter["digest"]}
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
        body("message.delivered", TEN, message_id=key(1024), campaign_id=key(1024), to=key(1024), from_=key(1024)),
        body("message.optout", TEN, message_id=key(1024), channel="c" * 64, to=key(1024), from_=key(1024)),
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
    assert stopped(engine) == {("slack", odd, odd): minute(2)}


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


# Two bodies under one ledger key


def test_of_two_bodies_the_later_is_kept_and_told_in_any_order(engine: Engine) -> None:
    early, late = told("failed", 1, error="busy"), told("failed", 2, error="no route")
    found = in_every_order(engine, early, late, raw(early.body, minute(600)))
    assert_one_answer(found)
    entry, row = one(found[0]["events"]), one(found[0]["message_status"])
    assert (entry["body"], entry["occurred_at"], entry["outcome"]) == (late.body, minute(2), "applied")
    assert (row["status_at"], row["failure_reason"], row["conflict"]) == (minute(2), "no route", False)


def test_of_two_bodies_of_one_moment_that_with_the_greater_digest_is_kept_in_any_order(engine: Engine) -> None:
    given = [told("failed", 1, error=reason) for reason in ("busy", "no route", "no such number")]
    found = in_every_order(engine, *given)
    assert_one_answer(found)
    kept = max((raw_event.body for raw_event in given), key=digest)
    assert one(found[0]["events"])["body"] == kept
    assert one(found[0]["message_status"])["failure_reason"].encode() in kept


def test_a_body_that_names_no_time_gives_way_in_any_order(engine: Engine) -> None:
    undated, dated = told("failed", None, 60, error="busy"), told("failed", 1, 30, error="no route")
    found = in_every_order(engine, undated, dated, raw(undated.body, minute(90)))
    assert_one_answer(found)
    assert one(found[0]["events"])["body"] == dated.body
    assert one(found[0]["message_status"])["status_at"] == minute(1)


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


def test_an_opt_out_takes_its_address_from_whatever_tells_it_last(engine: Engine) -> None:
    given = [told("optout", 1), told("failed", 2), told("undeliverable", 3, channel="sms", to=ANA)]
    assert_one_answer(in_every_order(engine, *given))
    assert stopped(engine) == {("sms", ANA, ""): minute(1)}


def test_an_opt_out_with_an_address_needs_neither_message_nor_channel(engine: Engine) -> None:
    give(engine, body("message.optout", minute(1), to="912 345 678"), body("message.optout", minute(2), to="A@B.co"))
    assert stopped(engine) == {("", ANA, ""): minute(1), ("", "a@b.co", ""): minute(2)}
    assert rows(engine, "message_status") == []


def test_every_opt_out_of_an_address_is_one_row_with_the_latest(engine: Engine) -> None:
    spelled = ["+244 912 345 678", "244912345678", "912345678"]
    given = [told("optout", at, message_id=f"msg_{at}", channel="SMS", to=to) for at, to in enumerate(spelled)]
    assert_one_answer(in_every_order(engine, *given))
    row = one(rows(engine, "opt_outs"))
    assert (row["address"], row["opted_out_at"], row["message_id"]) == (ANA, minute(2), "msg_2")


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
    """Whichever body the ledger keeps, both persons said STOP."""
    found = in_every_order(engine, told("optout", 1, channel="sms", to=ANA), told("optout", 2, channel="sms", to=RUI))
    assert_one_answer(found)
    assert stopped(engine) == {("sms", ANA, ""): minute(1), ("sms", RUI, ""): minute(2)}


def test_an_opt_out_finds_its_address_even_where_the_body_that_told_it_gave_way(engine: Engine) -> None:
    """A STOP must not depend on whether it or the second body of its delivery came first."""
    told_it, kept = told("delivered", 1, channel="sms", to=ANA), told("delivered", 2)
    found = in_every_order(engine, told_it, kept, told("optout", 3, channel="sms"))
    assert_one_answer([{"opt_outs": tables["opt_outs"]} for tables in found])
    assert stopped(engine) == {("sms", ANA, ""): minute(3)}


def test_a_message_keeps_its_address_however_many_bodies_give_way(engine: Engine) -> None:
    told_it, lesser, kept = told("failed", 1, channel="sms", to=ANA), told("failed", 2), told("failed", 3)
    found = in_every_order(engine, told_it, lesser, kept, told("optout", 4))
    assert_one_answer(found)
    assert one(found[0]["message_status"])["recipient"] == ANA
    assert active(engine) == [ANA]


def test_an_address_whose_body_gave_way_is_stopped_in_every_order_though_the_channel_may_be_any(engine: Engine) -> None:
    """No fact tells address and channel together: the row holds for the channel known of the message, or for any."""
    bodies_of_one_key = [told("failed", 1, to=ANA), told("failed", 2)]
    found = in_every_order(engine, *bodies_of_one_key, told("undeliverable", 3, channel="sms"), told("optout", 4))
    assert {(row["address"], row["channel"]) for tables in found for row in tables["opt_outs"]} <= {
        (ANA, "sms"),
        (ANA, ""),
    }
    assert all(tables["opt_outs"] for tables in found)


def test_an_event_that_is_ignored_changes_no_opt_out_in_any_order(engine: Engine) -> None:
    found = in_every_order(engine, told("optout", 1), told("read", 2, channel="sms", to=ANA))
    assert_one_answer(found)
    assert stopped(engine) == {}


def test_an_opt_out_that_names_no_time_was_made_when_it_was_received(engine: Engine) -> None:
    """Of copies received at different times the row may say any, as it never goes back."""
    undated = [told("optout", None, received, channel="sms", to=ANA) for received in (60, 70, 80)]
    dated = told("optout", 5, 75, channel="sms", to=ANA)
    for tables in in_every_order(engine, *undated, dated):
        assert minute(60) <= one(tables["opt_outs"])["opted_out_at"] <= minute(80)
        assert one(tables["message_status"])["opted_out_at"] == minute(5)


def test_a_redelivered_opt_out_that_names_no_time_is_no_later_opt_out(engine: Engine) -> None:
    given = told("optout", None, 60, channel="sms", to=ANA)
    give(engine, given)
    give(engine, raw(given.body, minute(90)))
    assert stopped(engine) == {("sms", ANA, ""): minute(60)}


# Opt-outs only grow


def keep(engine: Engine, **values: Any) -> None:
    """A row that our own user made."""
    row = {"channel": "sms", "address": ANA, "sender": "", "source": "manual", "updated_at": NOW} | values
    with engine.begin() as connection:
        connection.execute(insert(SQLModel.metadata.tables["opt_outs"]).values(**row))


@pytest.mark.parametrize(("at", "is_active"), [(4, False), (5, True), (6, True)])
def test_an_opt_out_holds_again_unless_the_resubscription_is_later(engine: Engine, at: int, is_active: bool) -> None:
    keep(engine, opted_in_at=minute(5))
    assert active(engine) == []
    give(engine, told("optout", at, channel="sms", to=ANA))
    row = one(rows(engine, "opt_outs"))
    assert (row["opted_out_at"], row["opted_in_at"], row["source"]) == (minute(at), minute(5), "event")
    assert active(engine) == ([ANA] if is_active else [])


@pytest.mark.parametrize(("at", "since"), [(2, 3), (3, 3), (4, 4)])
def test_an_opt_out_is_never_set_back(engine: Engine, at: int, since: int) -> None:
    keep(engine, opted_out_at=minute(3), opted_in_at=minute(1))
    give(engine, told("optout", at, channel="sms", to=ANA))
    row = one(rows(engine, "opt_outs"))
    assert (row["opted_out_at"], row["opted_in_at"]) == (minute(since), minute(1))
    assert active(engine) == [ANA]


def test_an_earlier_opt_out_leaves_a_persons_row_as_it_is(engine: Engine) -> None:
    keep(engine, opted_out_at=minute(3), note="by telephone")
    before = one(rows(engine, "opt_outs"))
    give(engine, told("optout", 2, channel="sms", to=ANA))
    assert one(rows(engine, "opt_outs")) == before


def test_a_redelivered_opt_out_does_not_undo_a_later_resubscription(engine: Engine) -> None:
    given = told("optout", 1, channel="sms", to=ANA)
    give(engine, given)
    with engine.begin() as connection:
        connection.execute(SQLModel.metadata.tables["opt_outs"].update().values(opted_in_at=minute(2)))
    give(engine, raw(given.body, minute(600)), told("delivered", 5, channel="sms", to=ANA))
    assert active(engine) == []
    give(engine, told("optout", 3, message_id="msg_2", channel="sms", to=ANA))
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
    assert bad.body not in {entry["body"] for entry in found["events"]}
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
        connection.execute(text("UPDATE events SET body = :body WHERE event = 'message.failed'"), {"body": b"[" * 200})
    tally = give(engine, told("delivered", 3, to=ANA), told("failed", 4, to=ANA))
    assert (tally.applied, tally.dead) == (2, 0)
    assert one(rows(engine, "message_status"))["status"] == "failed"
