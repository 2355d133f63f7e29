"""Reading what the provider says: tolerant of every form, refusing only what could not be kept."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import fields

from sync.events.event import CampaignDetails, Event, EventType, MessageDetails, Outcome, Reason, Unreadable
from sync.events.interpretation import ParseOptions
from sync.events.parse import disbelieved_times, parse
from sync.events.raw import from_json, to_json
from tests.events_builder import ANA, AO, BODIES, RECEIVED, SAMPLE, TEN, bodies, body, minute, patient, raw

OCCURRED = datetime(2026, 6, 24, 10, 5, tzinfo=UTC)
MESSAGE_EVENTS = ("message.delivered", "message.failed", "message.undeliverable", "message.optout")
CAMPAIGN_EVENTS = ("campaign.sent", "campaign.completed")


def read(content: bytes, received_at: datetime = RECEIVED) -> Event:
    return parse(raw(content, received_at), AO)


def message(content: bytes) -> MessageDetails:
    event = read(content)
    assert event.message is not None
    return event.message


def campaign(content: bytes) -> CampaignDetails:
    event = read(content)
    assert event.campaign is not None
    return event.campaign


def refusal(content: bytes) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read(content)
    return caught.value


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def timed(timestamp: Any, **data: Any) -> bytes:
    document = {"event": "message.delivered", "timestamp": timestamp, "data": {"message_id": "msg_1"} | data}
    return json.dumps(document).encode()


def test_the_documented_sample_is_read_whole() -> None:
    assert read(SAMPLE) == Event(
        subject_id="msg_abc123",
        name="message.delivered",
        occurred_at=OCCURRED,
        is_dated=True,
        claimed_at=OCCURRED,
        received_at=RECEIVED,
        outcome=Outcome.APPLIED,
        body=SAMPLE,
        digest=digest(SAMPLE),
        message=MessageDetails(
            message_id="msg_abc123",
            channel="sms",
            recipient=ANA,
            addresses=(ANA,),
            is_recipient_named=True,
            status_at=datetime(2026, 6, 24, 10, 4, 55, tzinfo=UTC),
        ),
    )


def test_a_raw_event_survives_the_queue_byte_by_byte() -> None:
    for content in (SAMPLE, bytes(range(256)), *bodies().values()):
        assert from_json(json.loads(json.dumps(to_json([raw(content)])))) == [raw(content)]


def test_the_known_event_types_are_the_six_that_are_documented() -> None:
    assert {str(event) for event in EventType} == {*MESSAGE_EVENTS, *CAMPAIGN_EVENTS}


@pytest.mark.parametrize("name", MESSAGE_EVENTS)
def test_an_event_of_a_message_is_about_its_message(name: str) -> None:
    event = read(body(name, TEN, message_id="msg_1", campaign_id="cmp_1"))
    assert (event.key, event.outcome) == (("msg_1", name), Outcome.APPLIED)
    assert (event.message and event.message.campaign_id, event.campaign) == ("cmp_1", None)


@pytest.mark.parametrize("name", CAMPAIGN_EVENTS)
def test_an_event_of_a_campaign_is_about_its_campaign(name: str) -> None:
    event = read(body(name, TEN, message_id="msg_1", campaign_id="cmp_1"))
    assert (event.key, event.outcome) == (("cmp_1", name), Outcome.APPLIED)
    assert (event.message, event.campaign and event.campaign.campaign_id) == (None, "cmp_1")


@pytest.mark.parametrize("name", [*MESSAGE_EVENTS, *CAMPAIGN_EVENTS])
def test_an_event_without_an_id_is_known_by_the_digest_of_its_body(name: str) -> None:
    content = body(name, TEN, to=ANA)
    assert read(content).key == (f"sha256:{digest(content)}", name)


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("message.read", "msg_1"),
        ("message.", "msg_1"),
        ("campaign.paused", "cmp_1"),
        ("contact.created", None),
        ("message", None),
        ("message.opted_out", "msg_1"),
        ("Message.Read", None),
        ("messages.delivered", None),
        ("", None),
    ],
)
def test_an_unknown_event_is_ignored_and_kept_under_its_subject(name: str, subject: str | None) -> None:
    content = body(name, TEN, message_id="msg_1", campaign_id="cmp_1", to=ANA)
    event = read(content)
    assert event.outcome is Outcome.IGNORED
    assert event.key == (subject or f"sha256:{digest(content)}", name)
    assert event.occurred_at == TEN


@pytest.mark.parametrize("name", [*MESSAGE_EVENTS, *CAMPAIGN_EVENTS])
@pytest.mark.parametrize(
    "spell",
    [
        str.upper,
        str.title,
        lambda name: f" {name}\n",
        lambda name: name.replace(".", "_"),
        lambda name: name.replace(".", " - "),
        lambda name: name.replace(".", ""),
        lambda name: name.replace("optout", "opt_out"),
    ],
    ids=["upper", "title", "blanks", "underscore", "dash", "joined", "opt_out"],
)
def test_the_names_of_events_are_compared_without_case_blanks_and_separators(
    name: str, spell: Callable[[str], str]
) -> None:
    content = body(spell(name), TEN, message_id="msg_1", campaign_id="cmp_1", to=ANA)
    event = read(content)
    assert (event.name, event.outcome, event.body) == (name, Outcome.APPLIED, content)
    assert event.subject_id == ("msg_1" if name in MESSAGE_EVENTS else "cmp_1")
    assert (event.message is None, event.campaign is None) == (name in CAMPAIGN_EVENTS, name in MESSAGE_EVENTS)
    assert (event.message is not None and event.message.is_opt_out) == (name == "message.optout")


@pytest.mark.parametrize("content", bodies("ignored").values(), ids=bodies("ignored"))
def test_nothing_is_refused_for_its_lack_of_a_known_type(content: bytes) -> None:
    assert read(content).outcome is Outcome.IGNORED


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("message_id", ["message_id", "messageId", "id"]),
        ("campaign_id", ["campaign_id", "campaignId"]),
        ("recipient", ["to", "recipient"]),
        ("sender", ["from", "sender_id", "senderId", "sender"]),
        ("failure_code", ["error_code", "errorCode", "code"]),
        ("failure_reason", ["error", "reason", "error_message", "errorMessage"]),
    ],
)
def test_the_names_of_a_messages_field_are_read_in_their_order(field: str, names: list[str]) -> None:
    for first in range(len(names)):
        given = {name: f"by {name}" for name in reversed(names[first:])}
        assert getattr(message(body("message.failed", TEN, **given)), field) == f"by {names[first]}"


@pytest.mark.parametrize("first", range(3))
def test_the_names_of_a_campaigns_id_are_read_in_their_order(first: int) -> None:
    names = ["campaign_id", "campaignId", "id"][first:]
    assert read(body("campaign.sent", TEN, **{name: name for name in reversed(names)})).subject_id == names[0]


def test_the_name_id_is_that_of_the_subject_only() -> None:
    assert message(body("message.delivered", TEN, id="msg_1")).campaign_id is None
    assert campaign(body("campaign.sent", TEN, message_id="msg_1")).campaign_id is None


@pytest.mark.parametrize("nothing", ["", " ", "\t\n", "\u00a0", True, False, 1.5, [], ["msg_2"], {}, {"id": "msg_2"}])
def test_a_name_that_holds_nothing_leaves_the_word_to_the_next(nothing: Any) -> None:
    told = message(body("message.failed", TEN, message_id=nothing, id="msg_1", to=nothing, recipient=ANA))
    assert (told.message_id, told.recipient) == ("msg_1", ANA)


def test_whole_numbers_are_ids_too() -> None:
    told = message(body("message.delivered", TEN, message_id=7, campaign_id=0, to=244912345678, from_=12345))
    assert told == MessageDetails(
        message_id="7", campaign_id="0", recipient=ANA, addresses=(ANA,), is_recipient_named=True, sender="12345"
    )


def test_ids_are_opaque() -> None:
    assert read(body("message.delivered", TEN, message_id=" MSG/1?ü\n")).subject_id == " MSG/1?ü\n"


def test_of_duplicate_keys_the_last_counts() -> None:
    assert read(bodies()["applied/duplicate_keys"]).key == ("msg_last", "message.delivered")


@pytest.mark.parametrize("name", ["data_is_a_list", "data_is_null", "data_is_text", "data_is_missing"])
def test_data_that_is_no_object_is_as_good_as_empty(name: str) -> None:
    content = bodies()[f"applied/{name}"]
    event = read(content)
    assert (event.subject_id, event.occurred_at) == (f"sha256:{digest(content)}", OCCURRED)


@pytest.mark.parametrize(
    ("given", "read_as"),
    [("SMS", "sms"), (" WhatsApp ", "whatsapp"), ("Whats App", "whatsapp"), ("\u017fms", "sms"), ("Push", "push")],
)
def test_a_channel_is_read_in_lower_case(given: str, read_as: str) -> None:
    assert message(body("message.delivered", TEN, channel=given)).channel == read_as
    assert campaign(body("campaign.sent", TEN, channel=given)).channel == read_as


@pytest.mark.parametrize(
    "given", ["", " ", "a b", "\0", "\ud800", "\u017fmt", "x" * 65, 7, True, ["sms"], {"type": "sms"}]
)
def test_what_can_be_no_channels_name_counts_as_none(given: Any) -> None:
    assert message(body("message.delivered", TEN, channel=given)).channel is None
    assert campaign(body("campaign.sent", TEN, channel=given)).channel is None


def test_an_address_is_read_as_its_channel_spells_it() -> None:
    assert message(body("message.delivered", TEN, channel="SMS", to="912 345 678")).recipient == ANA
    assert message(body("message.delivered", TEN, channel="Email", to=" A@Example.com")).recipient == "a@example.com"
    assert message(body("message.delivered", TEN, channel="slack", to="C0 Ab")).recipient == "C0 Ab"
    assert message(body("message.delivered", TEN, to="244912345678")).recipient == ANA


def test_the_default_region_decides_on_numbers_without_country_code() -> None:
    event = parse(raw(body("message.delivered", TEN, channel="sms", to="912345678")), ParseOptions(default_region="PT"))
    assert event.message is not None
    assert event.message.recipient == "+351912345678"


def test_a_sender_is_read_without_the_blanks_around_it() -> None:
    assert message(body("message.optout", TEN, to=ANA, from_=" ZEXA\t")).sender == "ZEXA"


MIDNIGHT = datetime(2026, 6, 24, tzinfo=UTC)
A_QUARTER_LATER = OCCURRED.replace(microsecond=250_000)


@pytest.mark.parametrize(
    ("given", "expected"),
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
def test_a_time_is_read_in_every_common_form(given: Any, expected: datetime) -> None:
    event = read(timed(given))
    assert (event.occurred_at, event.is_dated, event.claimed_at) == (expected, True, expected)
    assert event.occurred_at.utcoffset() == timedelta(0)
    details = message(timed(None, delivered_at=given))
    assert details.status_at == expected


@pytest.mark.parametrize("zone", ["Z", "", "+00:00"])
@pytest.mark.parametrize("digits", range(10))
def test_a_time_has_up_to_nine_digits_of_a_fraction_and_is_kept_to_the_microsecond(digits: int, zone: str) -> None:
    fraction = "." + "123456789"[:digits] if digits else ""
    microsecond = int("123456789"[:digits].ljust(6, "0")[:6])
    assert read(timed(f"2026-06-24T10:05:00{fraction}{zone}")).occurred_at == OCCURRED.replace(microsecond=microsecond)


@pytest.mark.parametrize(
    "given",
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
    ids=lambda given: repr(given)[:40],
)
def test_what_is_no_time_or_not_plausible_counts_as_none(given: Any) -> None:
    event = read(timed(given))
    assert (event.occurred_at, event.is_dated, event.claimed_at) == (RECEIVED, False, None)
    assert read(timed(given, delivered_at="2026-06-24T10:05:00Z")).occurred_at == OCCURRED
    assert message(timed(OCCURRED.isoformat(), delivered_at=given)).status_at is None


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


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        ({"error": "no route"}, None, "no route"),
        ({"error": {"code": "30003", "message": "no route"}}, "30003", "no route"),
        ({"error": {"code": 30003}}, "30003", None),
        ({"error": {"message": "no route"}, "error_code": "E1"}, "E1", "no route"),
        ({"error": {"code": "inner", "message": "inner"}, "code": "E1", "reason": "outer"}, "E1", "outer"),
        ({"error_code": 0}, "0", None),
        ({"error": ["no route"], "code": None, "reason": True}, None, "no route"),
        ({"error": [[True, None]], "code": None, "reason": True}, None, None),
        ({"error": " ", "reason": "\t"}, None, None),
        ({}, None, None),
    ],
)
def test_a_failure_is_a_text_or_an_object(data: dict[str, Any], code: str | None, reason: str | None) -> None:
    told = message(body("message.failed", TEN, message_id="msg_1", **data))
    assert (told.failure_code, told.failure_reason) == (code, reason)


def test_the_words_of_a_failure_never_stop_an_event_however_long_or_unstorable() -> None:
    told = message(bodies()["applied/a_long_reason"])
    assert told.failure_reason == "9" * 1000
    told = message(bodies()["applied/nul_and_surrogates_in_prose"])
    assert told.failure_reason is not None
    assert told.failure_reason.startswith("no\ufffdroute")
    assert told.failure_code
    (told.failure_reason + told.failure_code).encode()


# A STOP as it should be, and what may stand in any one field of another.
STOP = {"channel": "sms", "to": "912 345 678"}
UNUSABLE = {"nul": "a\0b", "surrogate": "\ud800", "long": "x" * 2000, "list": [1], "object": {"a": 1}, "true": True}
DEAD = bodies(*(path.name for path in BODIES.iterdir() if path.name not in ("applied", "ignored")), "too_long")


def test_there_is_a_body_for_every_reason_of_refusal() -> None:
    assert {name.partition("/")[0] for name in DEAD} == {*Reason} - {Reason.REFUSED}


@pytest.mark.parametrize("name", DEAD)
def test_a_body_that_cannot_be_read_is_refused_for_its_reason_in_words_that_quote_nothing(name: str) -> None:
    error = refusal(bodies()[name])
    assert error.reason == name.partition("/")[0]
    assert str(error).isascii()
    assert len(str(error)) < 120
    for quoted in ("msg", "cmp", "244", "99", "\\"):
        assert quoted not in str(error)


@pytest.mark.parametrize("name", bodies("applied"))
def test_a_hostile_body_that_can_be_read_is_read(name: str) -> None:
    assert read(bodies()[name]).outcome is Outcome.APPLIED


@pytest.mark.parametrize("letters", ["x" * 1024, "\u00e3" * 512, "\U0001f600" * 256], ids=["x", "two", "four"])
def test_an_id_is_bounded_in_bytes(letters: str) -> None:
    assert read(body("message.delivered", TEN, message_id=letters)).subject_id == letters
    assert refusal(body("message.delivered", TEN, message_id=letters + "x")).reason is Reason.TOO_LONG


def test_a_details_text_is_json_whatever_the_campaign_carries() -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    for name in ("numbers_that_are_none", "surrogates_in_unknown_fields"):
        details = campaign(bodies()[f"applied/{name}"]).details
        assert isinstance(json.loads(details, parse_constant=refuse), dict)


@pytest.mark.parametrize("depth", range(100, 1000, 50))
@pytest.mark.parametrize("name", ["message.failed", "campaign.sent"])
def test_a_body_reads_alike_however_deep_the_stack_it_is_read_on(name: str, depth: int) -> None:
    """Facts are read again from the ledger, on another stack: one that read once must read for ever."""

    def outcome() -> object:
        try:
            return read(content)
        except Unreadable as error:
            return error.reason

    def deeper(times: int, call: Callable[[], object]) -> object:
        return call() if times == 0 else deeper(times - 1, call)

    content = body(name, TEN, id="x", more="HERE").replace(b'"HERE"', b"[" * depth + b"]" * depth)
    assert deeper(100, outcome) == outcome()


@pytest.mark.parametrize("unusable", UNUSABLE)
@pytest.mark.parametrize(
    "field",
    ["message_id", "id", "campaign_id", "from", "sender_id", "error", "code", "reason", "opted_out_at", "x"],
)
def test_an_opt_out_with_an_address_is_never_refused_because_of_another_field(field: str, unusable: str) -> None:
    told = message(body("message.optout", TEN, **(STOP | {field: UNUSABLE[unusable]})))
    assert (told.channel, told.recipient) == ("sms", ANA)


@pytest.mark.parametrize("unusable", UNUSABLE)
def test_an_opt_out_with_an_unusable_channel_holds_for_any_channel(unusable: str) -> None:
    told = message(body("message.optout", TEN, **(STOP | {"channel": UNUSABLE[unusable]})))
    assert (told.channel, told.recipient) == (None, ANA)


@pytest.mark.parametrize(
    "more",
    ['"cost": ' + "9" * 5000, '"cost": -' + "9" * 5000, '"cost": 1e99999', '"cost": NaN', '"id": ' + "9" * 5000],
)
def test_an_opt_out_with_an_address_is_never_refused_because_of_a_number(more: str) -> None:
    content = body("message.optout", TEN, **STOP, more="HERE").replace(b'"more": "HERE"', more.encode())
    assert message(content).recipient == ANA


def test_an_opt_out_with_nothing_usable_but_an_address_is_read() -> None:
    told = message(bodies()["applied/optout_with_nothing_else_usable"])
    assert (told.message_id, told.channel, told.sender, told.campaign_id) == (None, None, None, None)
    assert told.recipient == ANA


@pytest.mark.parametrize("field", ["message_id", "messageId", "id"])
def test_an_opt_out_needs_no_address_if_it_names_a_message(field: str) -> None:
    event = read(body("message.optout", TEN, **{field: "msg_1"}))
    assert event.key == ("msg_1", "message.optout")
    assert event.message == MessageDetails(message_id="msg_1", is_opt_out=True)


@pytest.mark.parametrize("unusable", ["nul", "surrogate", "long"])
def test_an_opt_out_whose_address_is_unusable_still_counts_for_that_of_its_message(unusable: str) -> None:
    """Else the person is messaged again until somebody reads the dead letters."""
    event = read(body("message.optout", TEN, message_id="msg_1", to=UNUSABLE[unusable]))
    assert event.key == ("msg_1", "message.optout")


@pytest.mark.parametrize("unusable", ["nul", "surrogate", "long"])
def test_an_address_that_is_unusable_under_one_name_is_read_under_the_next(unusable: str) -> None:
    told = message(body("message.optout", TEN, to=UNUSABLE[unusable], recipient=ANA))
    assert told.recipient == ANA


def test_an_opt_out_that_names_neither_a_message_nor_an_address_is_refused() -> None:
    assert refusal(body("message.optout", TEN, channel="sms", from_="ZEXA")).reason is Reason.NO_SUBJECT


def test_nothing_of_a_body_stands_in_the_text_of_an_event() -> None:
    secret = body("message.optout", TEN, channel="sms", to=ANA, error="very private")
    assert ANA not in repr(read(secret))
    assert "private" not in repr(read(secret))


json_documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    [
        *(
            "message_id",
            "messageId",
            "id",
            "campaign_id",
            "campaignId",
            "to",
            "recipient",
            "from",
            "sender_id",
            "sender",
        ),
        *("channel", "error", "code", "reason", "name", "status", "timestamp"),
        *("delivered_at", "failed_at", "opted_out_at", "sent_at", "completed_at"),
    ]
)
values = json_documents | st.sampled_from(
    ["msg_1", "sms", "EMAIL", "slack", ANA, "Ana@Example.com", "2026-06-24T10:05:00Z", 1782295500, "\ud800", "a\0", " "]
)
events = st.fixed_dictionaries(
    {},
    optional={
        "event": st.sampled_from([*MESSAGE_EVENTS, *CAMPAIGN_EVENTS, "message.read", "test"]) | json_documents,
        "timestamp": values,
        "data": st.dictionaries(names, values, max_size=8) | json_documents,
    },
)


def parses_or_refuses(content: bytes) -> None:
    try:
        event = read(content)
    except Unreadable as unreadable:
        words = str(unreadable)
        assert words.isascii() and len(words) < 120  # noqa: PT018
        return
    assert event.body == content
    assert event.occurred_at.tzinfo is UTC
    assert event.subject_id
    for details in (event.message, event.campaign):
        texts = [getattr(details, field.name) for field in fields(details)] if details else []
        for text in (event.subject_id, event.name, *texts):
            # What PostgreSQL takes as text.
            assert not isinstance(text, str) or "\0" not in text.encode().decode()


@patient
@given(st.binary())
@example(b"\xff\xfe{\0}\0")
def test_any_bytes_are_an_event_or_unreadable(content: bytes) -> None:
    parses_or_refuses(content)


@patient
@given(json_documents | events, st.booleans())
def test_any_json_document_is_an_event_or_unreadable(document: Any, is_ascii: bool) -> None:
    text = json.dumps(document, ensure_ascii=is_ascii)
    parses_or_refuses(text.encode("utf-8", "surrogatepass"))
