"""Failures and opt-outs as they are read, and the few bodies that are refused."""

import json
from collections.abc import Callable
from datetime import UTC
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import fields

from sync.events.event import MessageDetails, Outcome, Reason, Unreadable
from tests.support.events_builder import ANA, BODIES, TEN, bodies, body, patient
from tests.unit.events.readings import CAMPAIGN_EVENTS, MESSAGE_EVENTS, campaign, message, names, read


def refusal(content: bytes) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read(content)
    return caught.value


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
    details = message(body("message.failed", TEN, message_id="msg_1", **data))
    assert (details.failure_code, details.failure_reason) == (code, reason)


def test_the_words_of_a_failure_never_stop_an_event_however_long_or_unstorable() -> None:
    details = message(bodies()["applied/a_long_reason"])
    assert details.failure_reason == "9" * 1000
    details = message(bodies()["applied/nul_and_surrogates_in_prose"])
    assert details.failure_reason is not None
    assert details.failure_reason.startswith("no\ufffdroute")
    assert details.failure_code
    (details.failure_reason + details.failure_code).encode()


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
    details = message(body("message.optout", TEN, **(STOP | {field: UNUSABLE[unusable]})))
    assert (details.channel, details.recipient) == ("sms", ANA)


@pytest.mark.parametrize("unusable", UNUSABLE)
def test_an_opt_out_with_an_unusable_channel_holds_for_any_channel(unusable: str) -> None:
    details = message(body("message.optout", TEN, **(STOP | {"channel": UNUSABLE[unusable]})))
    assert (details.channel, details.recipient) == (None, ANA)


@pytest.mark.parametrize(
    "more",
    ['"cost": ' + "9" * 5000, '"cost": -' + "9" * 5000, '"cost": 1e99999', '"cost": NaN', '"id": ' + "9" * 5000],
)
def test_an_opt_out_with_an_address_is_never_refused_because_of_a_number(more: str) -> None:
    content = body("message.optout", TEN, **STOP, more="HERE").replace(b'"more": "HERE"', more.encode())
    assert message(content).recipient == ANA


def test_an_opt_out_with_nothing_usable_but_an_address_is_read() -> None:
    details = message(bodies()["applied/optout_with_nothing_else_usable"])
    assert (details.message_id, details.channel, details.sender, details.campaign_id) == (None, None, None, None)
    assert details.recipient == ANA


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
    details = message(body("message.optout", TEN, to=UNUSABLE[unusable], recipient=ANA))
    assert details.recipient == ANA


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


values = json_documents | st.sampled_from(
    ["msg_1", "sms", "EMAIL", "slack", ANA, "Ana@Example.com", "2026-06-24T10:05:00Z", 1782295500, "\ud800", "a\0", " "]
)
events = st.fixed_dictionaries(
    {},
    optional={
        "event": st.sampled_from([*MESSAGE_EVENTS, *CAMPAIGN_EVENTS, "message.unknown", "test"]) | json_documents,
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
