"""Which times of a body are times, which are believed, and which one is the event's."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.events.parse import disbelieved_times
from tests.support.events_builder import ANA, RECEIVED, SAMPLE, body, minute, patient, raw
from tests.unit.events.readings import CAMPAIGN_EVENTS, MESSAGE_EVENTS, OCCURRED, campaign, message, read


def timed(timestamp: Any, **data: Any) -> bytes:
    document = {"event": "message.delivered", "timestamp": timestamp, "data": {"message_id": "msg_1"} | data}
    return json.dumps(document).encode()


MIDNIGHT = datetime(2026, 6, 24, tzinfo=UTC)
A_QUARTER_LATER = OCCURRED.replace(microsecond=250_000)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-06-24T10:05:00Z", OCCURRED),
        ("2026-06-24T10:05:00z", OCCURRED),
        ("2026-06-24t10:05:00Z", OCCURRED),
        ("2026-06-24T10:05Z", OCCURRED),
        ("2026-06-24T10:05:00+00:00", OCCURRED),
        ("2026-06-24T10:05:00-00:00", OCCURRED),
        ("2026-06-24T11:05:00+01:00", OCCURRED),
        ("2026-06-24T11:05:00+0100", OCCURRED),
        ("2026-06-24T11:05:00+01", OCCURRED),
        ("2026-06-24T04:35:00-05:30", OCCURRED),
        ("2026-06-23T22:05:00-12:00", OCCURRED),
        ("2026-06-24T10:05:00", OCCURRED),
        ("2026-06-24 10:05:00", OCCURRED),
        ("2026-06-24 10:05:00Z", OCCURRED),
        ("2026-06-24 11:05:00+01:00", OCCURRED),
        ("  2026-06-24T10:05:00Z\n", OCCURRED),
        ("20260624T100500Z", OCCURRED),
        ("2026-06-24", MIDNIGHT),
        ("20260624", MIDNIGHT),
        ("2000-01-01T00:00:00Z", datetime(2000, 1, 1, tzinfo=UTC)),
        # Epoch seconds and milliseconds, as a number or as text.
        (1782295500, OCCURRED),
        (1782295500.0, OCCURRED),
        (1782295500.25, A_QUARTER_LATER),
        ("1782295500", OCCURRED),
        (" 1782295500 ", OCCURRED),
        ("1782295500.25", A_QUARTER_LATER),
        (1782295500000, OCCURRED),
        (1782295500250, A_QUARTER_LATER),
        (1782295500000.0, OCCURRED),
        ("1782295500000", OCCURRED),
        ("1782295500250", A_QUARTER_LATER),
        ("1782295500250.0", A_QUARTER_LATER),
        # RFC 2822.
        ("Wed, 24 Jun 2026 10:05:00 GMT", OCCURRED),
        ("Wed, 24 Jun 2026 10:05:00 +0000", OCCURRED),
        ("Wed, 24 Jun 2026 10:05:00 -0000", OCCURRED),
        ("Wed, 24 Jun 2026 11:05:00 +0100", OCCURRED),
        ("Wed, 24 Jun 2026 06:05:00 EDT", OCCURRED),
        ("24 Jun 2026 10:05 GMT", OCCURRED),
        ("wed, 24 jun 2026 10:05:00 gmt", OCCURRED),
        ("Wed, 24 Jun 2026 10:05:00 +0000 (UTC)", OCCURRED),
        # The end of a day as 24:00.
        ("2026-06-23T24:00:00Z", MIDNIGHT),
        ("2026-06-23 24:00:00", MIDNIGHT),
        ("2026-06-23T24:00Z", MIDNIGHT),
        ("2026-06-23T24:00:00.000+01:00", MIDNIGHT - timedelta(hours=1)),
        ("20260623T240000Z", MIDNIGHT),
        ("2026-05-31T24:00:00Z", datetime(2026, 6, 1, tzinfo=UTC)),
        # A leap second.
        ("2026-06-24T10:04:60Z", OCCURRED),
        ("2026-06-24 10:04:60", OCCURRED),
        ("2026-06-24T10:04:60.25Z", A_QUARTER_LATER),
        ("2026-06-24T11:04:60+01:00", OCCURRED),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        # The zone in words.
        ("2026-06-24 10:05:00 UTC", OCCURRED),
        ("2026-06-24 10:05:00 utc", OCCURRED),
        ("2026-06-24 10:05:00.25 UTC", A_QUARTER_LATER),
        ("2026-06-24T10:05:00UTC", OCCURRED),
        ("2026-06-24 10:05:00 GMT", OCCURRED),
        ("2026-06-23 24:00:00 UTC", MIDNIGHT),
    ],
)
def test_a_time_is_read_in_every_common_form(value: Any, expected: datetime) -> None:
    event = read(timed(value))
    assert (event.occurred_at, event.is_dated, event.claimed_at) == (expected, True, expected)
    assert event.occurred_at.utcoffset() == timedelta(0)
    details = message(timed(None, delivered_at=value))
    assert details.status_at == expected


@pytest.mark.parametrize("zone", ["Z", "", "+00:00"])
@pytest.mark.parametrize("digits", range(10))
def test_a_time_has_up_to_nine_digits_of_a_fraction_and_is_kept_to_the_microsecond(digits: int, zone: str) -> None:
    fraction = "." + "123456789"[:digits] if digits else ""
    microsecond = int("123456789"[:digits].ljust(6, "0")[:6])
    assert read(timed(f"2026-06-24T10:05:00{fraction}{zone}")).occurred_at == OCCURRED.replace(microsecond=microsecond)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " ",
        "soon",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-06-24T25:00:00Z",
        "2026-06-23T24:00:01Z",
        "2026-06-23T24:01:00Z",
        "2026-06-24T10:05:61Z",
        "2026-06-24T10:60:00Z",
        "2026-06-24 10:05:00 soon",
        "Wed, 31 Jun 2026 10:05:00 GMT",
        "Wed, 24 Jun 2026 25:05:00 GMT",
        "Wed, 24 Jun 2026 10:05:00 +9999999999",
        "24 Jun 2026",
        "2026-06-24T10:05:00+99:00",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "0000-00-00T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "99999-01-01T00:00:00Z",
        "1999-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z",
        "2026-06-24T10:05:00Z2026-06-24T10:05:00Z",
        "\ud800",
        "2026-06-24T10:05:00\ud800",
        "².5",
        "1.7.8",
        "-1782295500",
        "1e9",
        "1_782_295_500",
        "NaN",
        "Infinity",
        "9" * 400,
        "9" * 100_000,
        "1." + "0" * 100_000 + "1",
        0,
        -1,
        -1782295500,
        1782295500000000,
        -1782295500000,
        946684799999,
        4102444800000,
        "1782295500000000",
        1e300,
        10**400,
        float("nan"),
        float("inf"),
        float("-inf"),
        True,
        False,
        [],
        ["2026-06-24T10:05:00Z"],
        {},
        {"seconds": 1782295500},
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_no_time_or_not_plausible_counts_as_none(value: Any) -> None:
    event = read(timed(value))
    assert (event.occurred_at, event.is_dated, event.claimed_at) == (RECEIVED, False, None)
    assert read(timed(value, delivered_at="2026-06-24T10:05:00Z")).occurred_at == OCCURRED
    assert message(timed(OCCURRED.isoformat(), delivered_at=value)).status_at is None


# Times that lie ahead of the receipt

IN_2050 = "2050-01-01T00:00:00Z"
A_DAY = timedelta(days=1)
A_MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(minutes=10), A_DAY])
def test_a_time_up_to_a_day_after_the_receipt_is_believed(ahead: timedelta) -> None:
    event = read(timed((RECEIVED + ahead).isoformat()))
    assert (event.occurred_at, event.is_dated) == (RECEIVED + ahead, True)


@pytest.mark.parametrize("ahead", [A_DAY + A_MOMENT, timedelta(days=2), timedelta(days=365 * 10)])
def test_a_time_more_than_a_day_after_the_receipt_is_no_time(ahead: timedelta) -> None:
    event = read(timed((RECEIVED + ahead).isoformat()))
    assert (event.occurred_at, event.is_dated, event.claimed_at) == (RECEIVED, False, RECEIVED + ahead)


def test_a_time_long_ago_is_believed() -> None:
    assert read(timed("2001-01-01T00:00:00Z")).is_dated


@pytest.mark.parametrize("number", [2606241005, "2606241005"])
def test_a_number_misread_as_seconds_lies_ahead_and_is_no_time(number: int | str) -> None:
    """It is 2026-06-24 10:05 without separators; as seconds it is in the year 2052."""
    assert not read(timed(number)).is_dated


def test_of_one_bodys_times_each_is_judged_by_itself() -> None:
    named = OCCURRED.isoformat()
    event = read(timed(IN_2050, delivered_at=named))
    assert (event.occurred_at, event.is_dated) == (OCCURRED, True)
    event = read(timed(IN_2050, delivered_at=IN_2050, created_at=named))
    assert (event.occurred_at, event.is_dated) == (OCCURRED, True)
    assert event.message is not None
    assert event.message.status_at is None
    event = read(timed(named, delivered_at=IN_2050))
    assert event.occurred_at == OCCURRED
    assert event.message is not None
    assert event.message.status_at is None
    sent = campaign(body("campaign.sent", OCCURRED, campaign_id="cmp_1", sent_at=IN_2050))
    assert sent.status_at is None


def test_the_first_time_that_a_body_claims_is_kept_though_another_is_believed() -> None:
    event = read(timed(IN_2050, delivered_at=OCCURRED.isoformat()))
    assert event.claimed_at == datetime(2050, 1, 1, tzinfo=UTC)
    assert read(timed("soon", delivered_at=OCCURRED.isoformat())).claimed_at == OCCURRED


def test_an_earlier_receipt_takes_the_belief_from_a_time_and_changes_nothing_else_of_the_fact() -> None:
    content = timed((RECEIVED + timedelta(hours=23)).isoformat())
    late, early = read(content), read(content, RECEIVED - timedelta(hours=2))
    assert (late.is_dated, early.is_dated) == (True, False)
    assert early.occurred_at == RECEIVED - timedelta(hours=2)
    assert (early.key, early.digest, early.claimed_at) == (late.key, late.digest, late.claimed_at)


@pytest.mark.parametrize("name", ["message.delivered", "MESSAGE DELIVERED"])
def test_people_are_told_which_times_do_not_count_and_why(name: str) -> None:
    times = {"delivered_at": IN_2050, "created_at": "2026-06-24T10:05:00Z", "occurred_at": 7}
    content = json.dumps({"event": name, "timestamp": "soon", "data": times}).encode()
    assert dict(disbelieved_times(raw(content))) == {
        "timestamp": "it is no time that can be read",
        "data.delivered_at": "it is more than a day after the body was first received",
        "data.occurred_at": "it is no time that can be read",
    }
    assert disbelieved_times(raw(SAMPLE)) == disbelieved_times(raw(b"{")) == []


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("message.delivered", "delivered_at"),
        ("message.delivered", "deliveredAt"),
        ("message.failed", "failed_at"),
        ("message.undeliverable", "undeliverable_at"),
        ("message.undeliverable", "failed_at"),
        ("message.optout", "opted_out_at"),
        ("message.optout", "optedOutAt"),
        ("campaign.sent", "sent_at"),
        ("campaign.completed", "completed_at"),
        *((name, "timestamp") for name in (*MESSAGE_EVENTS, *CAMPAIGN_EVENTS, "contact.created")),
    ],
)
def test_a_missing_time_is_taken_from_the_data(name: str, field: str) -> None:
    event = read(body(name, None, to=ANA, **{field: "2026-06-24T10:05:00Z"}))
    assert (event.occurred_at, event.is_dated) == (OCCURRED, True)


def test_the_time_of_the_event_comes_before_that_of_its_data() -> None:
    event = read(body("message.delivered", minute(5), message_id="msg_1", delivered_at="2026-06-24T10:04:55Z"))
    assert event.occurred_at == minute(5)
    assert event.message is not None
    assert event.message.status_at == datetime(2026, 6, 24, 10, 4, 55, tzinfo=UTC)


def test_the_time_of_another_status_is_not_taken_for_this_one() -> None:
    event = read(body("message.failed", None, message_id="msg_1", delivered_at="2026-06-24T10:05:00Z"))
    assert event.occurred_at == RECEIVED


def test_an_event_that_names_no_time_occurred_when_it_was_received() -> None:
    event = read(body("message.optout", None, to=ANA), minute(7))
    assert (event.occurred_at, event.is_dated, event.received_at) == (minute(7), False, minute(7))


@patient
@given(
    st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30)),  # noqa: DTZ001 - the zone comes next
    st.integers(-23 * 60, 23 * 60),
)
def test_a_moment_is_one_in_any_zone(local: datetime, offset: int) -> None:
    moment = local.replace(tzinfo=timezone(timedelta(minutes=offset)))
    assert read(timed(moment.isoformat()), moment).occurred_at == moment
