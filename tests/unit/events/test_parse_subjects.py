"""What an event is, whom it is about, and under which names its fields stand."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from sync.events.event import Event, EventType, MessageDetails, Outcome
from sync.events.interpretation import ParseOptions
from sync.events.parse import parse
from sync.events.raw import from_json, to_json
from tests.support.events_builder import ANA, RECEIVED, SAMPLE, TEN, bodies, body, raw
from tests.unit.events.readings import CAMPAIGN_EVENTS, MESSAGE_EVENTS, OCCURRED, campaign, message, read


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


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
        ("message.unknown", "msg_1"),
        ("message.", "msg_1"),
        ("campaign.paused", "cmp_1"),
        ("contact.created", None),
        ("message", None),
        ("message.opted_out", "msg_1"),
        ("Message.Unknown", None),
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
        fields = {name: f"by {name}" for name in reversed(names[first:])}
        assert getattr(message(body("message.failed", TEN, **fields)), field) == f"by {names[first]}"


@pytest.mark.parametrize("first", range(3))
def test_the_names_of_a_campaigns_id_are_read_in_their_order(first: int) -> None:
    names = ["campaign_id", "campaignId", "id"][first:]
    assert read(body("campaign.sent", TEN, **{name: name for name in reversed(names)})).subject_id == names[0]


def test_the_name_id_is_that_of_the_subject_only() -> None:
    assert message(body("message.delivered", TEN, id="msg_1")).campaign_id is None
    assert campaign(body("campaign.sent", TEN, message_id="msg_1")).campaign_id is None


@pytest.mark.parametrize("nothing", ["", " ", "\t\n", "\u00a0", True, False, 1.5, [], ["msg_2"], {}, {"id": "msg_2"}])
def test_a_name_that_holds_nothing_leaves_the_word_to_the_next(nothing: Any) -> None:
    details = message(body("message.failed", TEN, message_id=nothing, id="msg_1", to=nothing, recipient=ANA))
    assert (details.message_id, details.recipient) == ("msg_1", ANA)


def test_whole_numbers_are_ids_too() -> None:
    details = message(body("message.delivered", TEN, message_id=7, campaign_id=0, to=244912345678, from_=12345))
    assert details == MessageDetails(
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
    ("channel", "read_as"),
    [("SMS", "sms"), (" WhatsApp ", "whatsapp"), ("Whats App", "whatsapp"), ("\u017fms", "sms"), ("Push", "push")],
)
def test_a_channel_is_read_in_lower_case(channel: str, read_as: str) -> None:
    assert message(body("message.delivered", TEN, channel=channel)).channel == read_as
    assert campaign(body("campaign.sent", TEN, channel=channel)).channel == read_as


@pytest.mark.parametrize(
    "channel", ["", " ", "a b", "\0", "\ud800", "\u017fmt", "x" * 65, 7, True, ["sms"], {"type": "sms"}]
)
def test_what_can_be_no_channels_name_counts_as_none(channel: Any) -> None:
    assert message(body("message.delivered", TEN, channel=channel)).channel is None
    assert campaign(body("campaign.sent", TEN, channel=channel)).channel is None


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
