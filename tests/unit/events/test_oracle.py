"""The oracle against rows worked out by hand. The integration tests apply the same cases in every order and split."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from sync.events.raw import RawEvent
from tests.support.events_builder import ANA, RUI, Row, body, minute, raw
from tests.support.oracle import Added, Removed, Word, expected

CODE = frozenset({"21610"})
IN_2050 = datetime(2050, 1, 1, tzinfo=UTC)
HOURS = 60  # minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Deliveries and words, and what follows: the opt-outs in force, a part of the only message's row, and the
    source of the only opt-out's row."""

    deliveries: Sequence[RawEvent]
    words: Sequence[Word] = ()
    opting_out: frozenset[str] = frozenset()
    in_force: set[tuple[str, str, str]] = field(default_factory=set)
    message: Row = field(default_factory=dict)
    source: str | None = None


def event(name: str, at: datetime | None, received: float = HOURS, **data: Any) -> RawEvent:
    return raw(body(f"message.{name}", at, **({"message_id": "msg_1"} | data)), minute(received))


def stop(at: datetime | None, received: float = HOURS, **data: Any) -> RawEvent:
    return event("optout", at, received, **data)


def remove(at: float, **scope: str) -> Removed:
    return Removed(address=ANA, at=minute(at), **scope)


CASES = {
    "a_nameless_stop_and_one_that_names_another_stop_both": Case(
        deliveries=[
            event("delivered", minute(0), to=ANA, channel="sms"),
            stop(minute(1)),
            stop(minute(2), to=RUI),
        ],
        in_force={("sms", ANA, ""), ("", RUI, "")},
        message={"recipient": ANA, "channel": "sms", "opted_out_at": minute(2)},
    ),
    "nameless_stops_from_two_senders_are_two_opt_outs": Case(
        deliveries=[
            event("delivered", minute(0), to=ANA, channel="sms"),
            stop(minute(1), from_="ZEXA"),
            stop(minute(2), from_="NEWS"),
        ],
        in_force={("sms", ANA, "ZEXA"), ("sms", ANA, "NEWS")},
        message={"sender": "NEWS"},
    ),
    "nameless_stops_on_two_channels_are_two_opt_outs": Case(
        deliveries=[
            event("delivered", minute(0), to=ANA, channel="sms"),
            stop(minute(1), channel="whatsapp"),
            stop(minute(2)),
        ],
        in_force={("whatsapp", ANA, ""), ("sms", ANA, "")},
    ),
    "a_nameless_stop_holds_for_both_recipients": Case(
        deliveries=[
            event("delivered", minute(0), to=ANA, channel="sms"),
            event("delivered", minute(1), to=RUI, channel="whatsapp"),
            stop(minute(2)),
        ],
        in_force={("sms", ANA, ""), ("whatsapp", RUI, "")},
        message={"recipient": RUI, "channel": "whatsapp"},
    ),
    "the_greatest_of_the_other_bodies_names_the_recipient": Case(
        deliveries=[
            event("delivered", minute(1), to=ANA),
            event("delivered", minute(2), to=RUI, channel="sms"),
            event("delivered", minute(3), channel="whatsapp"),
        ],
        message={"recipient": RUI, "channel": "whatsapp", "status_at": minute(3), "conflict": False},
    ),
    "an_undated_body_gives_way_however_late_it_came": Case(
        deliveries=[
            event("failed", None, 5 * HOURS, to=ANA, error_code="1"),
            event("failed", minute(1), to=RUI, error_code="2"),
        ],
        message={"recipient": RUI, "failure_code": "2", "failed_at": minute(1)},
    ),
    "a_stop_dated_2050_can_be_ended": Case(
        deliveries=[stop(IN_2050, to=ANA)],
        words=[remove(2 * HOURS)],
        message={"opted_out_at": minute(HOURS)},
    ),
    "after_a_stop_dated_2050_was_ended_a_later_one_counts": Case(
        deliveries=[stop(IN_2050, to=ANA), stop(minute(3 * HOURS), 3 * HOURS, to=ANA)],
        words=[remove(2 * HOURS)],
        in_force={("", ANA, "")},
        message={"opted_out_at": minute(3 * HOURS)},
    ),
    "a_stop_stamped_behind_counts_by_its_receipt": Case(
        deliveries=[stop(minute(50), to=ANA), stop(minute(1), 3 * HOURS, to=ANA)],
        words=[remove(2 * HOURS)],
        in_force={("", ANA, "")},
        message={"opted_out_at": minute(50)},
    ),
    "a_copy_of_a_stop_does_not_undo_a_re_subscription": Case(
        deliveries=[stop(minute(50), to=ANA), stop(minute(50), 3 * HOURS, to=ANA)],
        words=[remove(2 * HOURS)],
    ),
    "a_stop_received_at_the_moment_of_a_re_subscription_counts": Case(
        deliveries=[stop(minute(50), to=ANA)], words=[remove(HOURS)], in_force={("", ANA, "")}
    ),
    "a_re_subscription_ends_no_more_than_its_scope": Case(
        deliveries=[
            stop(minute(1), to=ANA, channel="sms", from_="ZEXA"),
            stop(minute(2), to=ANA, channel="sms", from_="NEWS"),
            stop(minute(3), to=RUI, channel="sms", from_="ZEXA", message_id=None),
        ],
        words=[remove(2 * HOURS, channel="sms", sender="ZEXA")],
        in_force={("sms", ANA, "NEWS"), ("sms", RUI, "ZEXA")},
    ),
    "a_persons_word_counts_by_the_time_that_it_states": Case(
        deliveries=[event("delivered", minute(1), to=ANA)],
        words=[remove(2 * HOURS), Added(address=ANA, at=minute(HOURS)), Added(address=RUI, at=minute(HOURS))],
        in_force={("", RUI, "")},
        message={"opted_out_at": None},
    ),
    "an_event_dated_2036_outranks_none_that_came_later": Case(
        deliveries=[
            event("failed", datetime(2036, 1, 1, tzinfo=UTC)),
            event("delivered", minute(HOURS + 1), HOURS + 1),
        ],
        message={"status": "delivered", "status_at": minute(HOURS + 1), "failed_at": minute(HOURS), "conflict": True},
    ),
    "a_time_less_than_a_day_ahead_is_believed": Case(
        deliveries=[event("failed", minute(24 * HOURS)), event("delivered", minute(HOURS + 1), HOURS + 1)],
        message={"status": "failed", "status_at": minute(24 * HOURS)},
    ),
    "an_earlier_receipt_takes_the_belief_from_a_time": Case(
        deliveries=[
            event("failed", minute(24 * HOURS)),
            event("failed", minute(24 * HOURS), -HOURS),
            event("delivered", minute(1)),
        ],
        message={"status": "delivered", "status_at": minute(1), "failed_at": minute(-HOURS)},
    ),
    "a_nameless_failure_opts_out_both_recipients": Case(
        deliveries=[
            event("failed", minute(1), error_code="21610"),
            event("delivered", minute(2), to=ANA),
            event("delivered", minute(3), to=RUI),
        ],
        opting_out=CODE,
        in_force={("", ANA, ""), ("", RUI, "")},
        message={"status": "delivered", "recipient": RUI, "opted_out_at": minute(1)},
    ),
    "of_one_moment_a_stop_stands_before_a_failure": Case(
        deliveries=[event("failed", minute(1), to=ANA, error_code="21610"), stop(minute(1), to=ANA)],
        opting_out=CODE,
        in_force={("", ANA, "")},
        source="event",
    ),
    "of_one_moment_an_event_stands_before_a_person": Case(
        deliveries=[stop(None, to=ANA, message_id=None), event("delivered", minute(1))],
        words=[Added(address=ANA, at=minute(HOURS))],
        in_force={("", ANA, "")},
        source="event",
    ),
    "of_one_moment_a_person_stands_before_a_failure_without_a_message": Case(
        deliveries=[
            event("failed", minute(HOURS), to=ANA, message_id=None, error_code="21610"),
            event("delivered", minute(1)),
        ],
        words=[Added(address=ANA, at=minute(HOURS))],
        opting_out=CODE,
        in_force={("", ANA, "")},
        source="manual",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_oracle_says_what_was_worked_out_by_hand(case: Case) -> None:
    tables = expected(case.deliveries, case.words, case.opting_out)
    in_force = {(row["channel"], row["address"], row["sender"]) for row in tables["active_opt_outs"]}
    (message,) = tables["message_status"]
    assert in_force == case.in_force
    assert {name: message[name] for name in case.message} == case.message
    assert case.source in [None, *(row["source"] for row in tables["opt_outs"])]


def rows(table: str, *deliveries: RawEvent) -> list[Row]:
    return expected(deliveries)[table]


def test_events_without_a_subject_are_keyed_by_their_digest() -> None:
    unknown = raw(body("webhook.test"), minute(1))
    (row,) = rows("events", unknown)
    assert row["subject_id"] == f"sha256:{row['digest']}"
    assert (row["event"], row["outcome"], row["occurred_at"], row["is_dated"]) == (
        "webhook.test",
        "ignored",
        minute(1),
        False,
    )


def test_names_are_compared_without_case_blanks_and_separators() -> None:
    assert [row["event"] for row in rows("events", raw(body("Message_Opt-Out", message_id="msg_1")))] == [
        "message.optout"
    ]


def test_a_key_keeps_all_its_bodies_and_copies_lower_their_receipt() -> None:
    first, second = body("message.failed", minute(1), message_id="m"), body("message.failed", minute(2), message_id="m")
    deliveries = [raw(first, minute(9)), raw(second, minute(8)), raw(second, minute(7)), raw(second, minute(9))]
    assert {row["body"]: row["received_at"] for row in rows("bodies", *deliveries)} == {
        first: minute(9),
        second: minute(7),
    }
    (row,), (other,) = rows("events", *deliveries), rows("further_bodies", *deliveries)
    assert (row["occurred_at"], row["received_at"]) == (minute(2), minute(7))
    assert (other["occurred_at"], other["received_at"]) == (minute(1), minute(9))


def test_a_time_in_the_data_dates_the_event_and_its_status() -> None:
    dated = event("delivered", IN_2050, delivered_at=minute(3).isoformat(), created_at=minute(1).isoformat())
    (row,) = rows("message_status", dated)
    assert (row["status_at"], row["delivered_at"]) == (minute(3), minute(3))
    later = event("delivered", minute(5), delivered_at=minute(3).isoformat())
    (row,) = rows("message_status", later)
    assert (row["status_at"], row["delivered_at"]) == (minute(5), minute(3))


def test_seconds_and_milliseconds_are_told_apart() -> None:
    for moment in (minute(2).timestamp(), minute(2).timestamp() * 1000):
        (row,) = rows("events", event("delivered", None, created_at=moment))
        assert (row["occurred_at"], row["is_dated"]) == (minute(2), True)
    (row,) = rows("events", event("delivered", None, created_at=2606241005))
    assert not row["is_dated"]


def test_a_completed_campaign_keeps_what_its_first_event_told() -> None:
    sent = raw(body("campaign.sent", minute(9), campaign_id="cmp_1", name="June", total=2))
    completed = raw(body("campaign.completed", minute(1), campaign_id="cmp_1", channel="SMS"))
    (row,) = rows("campaign_status", sent, completed)
    assert row == {
        "campaign_id": "cmp_1",
        "status": "completed",
        "sent_at": minute(9),
        "completed_at": minute(1),
        "name": "June",
        "channel": "sms",
        "message_total": 2,
        "details": '{"campaign_id": "cmp_1", "channel": "SMS"}',
    }


def test_an_opt_out_of_nobody_waits_if_it_has_a_message_and_is_a_dead_letter_if_not() -> None:
    waiting, lost = stop(minute(1)), stop(minute(1), 2 * HOURS, message_id=None)
    assert [row["received_at"] for row in rows("nameless_opt_outs", waiting, lost)] == [minute(HOURS)]
    assert [row["received_at"] for row in rows("dead_letters", waiting, lost)] == [minute(2 * HOURS)]
    assert rows("nameless_opt_outs", waiting, event("failed", minute(1), to=ANA)) == []


def test_the_row_tells_of_its_latest_stop_and_the_statements_of_all() -> None:
    deliveries = [stop(minute(5), 70, to=ANA), stop(minute(1), 80, to=ANA, message_id="msg_2")]
    tables = expected(deliveries, [Added(address=ANA, at=minute(3))])
    (row,) = tables["opt_outs"]
    assert (row["opted_out_at"], row["received_at"], row["message_id"]) == (minute(5), minute(80), "msg_1")
    assert [
        (noted["message_id"], noted["occurred_at"], noted["received_at"]) for noted in tables["opt_out_statements"]
    ] == [("msg_1", minute(5), minute(70)), ("msg_2", minute(1), minute(80)), (None, minute(3), None)]


def test_messages_count_on_the_day_of_their_status_in_luanda() -> None:
    late = datetime(2026, 6, 23, 23, 30, tzinfo=UTC)
    assert rows("report_daily", event("delivered", late, channel="sms"), stop(minute(1))) == [
        {
            "day": "2026-06-24",
            "channel": "sms",
            "sender": "",
            "finalised": 1,
            "delivered": 1,
            "failed": 0,
            "undeliverable": 0,
            "opt_outs": 1,
            "conflicts": 0,
        }
    ]
