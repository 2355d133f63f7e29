"""Two decoders, one meaning: what the quick one reads, the tolerant one reads alike."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sync.events.documents import (
    ANY_TIME,
    CAMPAIGN_ID,
    CODE,
    DEPTH_MAX,
    MESSAGE_ID,
    REASON,
    RECIPIENT,
    SENDER,
    STATUS_TIMES,
    Document,
    decode_quickly,
    decode_tolerantly,
)
from sync.events.event import Event, EventType, Reason, Unreadable
from sync.events.interpretation import ParseOptions
from sync.events.parse import parse_document
from tests.support.events_builder import ANA, RUI, SAMPLE, TEN, bodies, body, patient, raw

PARSE_OPTIONS = ParseOptions(default_region="AO", opt_out_failures=frozenset({"30007", "stop"}))
NAMES = (
    *("channel", *MESSAGE_ID, *CAMPAIGN_ID, *RECIPIENT, *SENDER, *CODE, *REASON, *ANY_TIME, "errors"),
    *(name for names in STATUS_TIMES.values() for name in names),
    *("status", "event", "data", "whole_data", "message", "MESSAGE_ID"),
)
EVENTS = [name for name in EventType if name.startswith("message.")]
DELIVERED = b'{"event": "message.delivered", "timestamp": "2026-06-24T10:05:00Z", "data": {%b}}'

texts = st.one_of(
    st.sampled_from(
        [ANA, RUI, ANA[1:], "ana@example.com", "graça@example.com", "ZEXA", "sms", "SMS ", "msg_1", "30007"]
    ),
    st.sampled_from(
        ["", " ", "\t", "\u00a0", "\x7f", "\0", "a\0b", "\ud800", "x" * 256, "x" * 257, "ã" * 600, "x" * 2000]
    ),
    st.sampled_from(
        ["2026-06-24T10:05:00Z", "2026-06-24 10:05", "1782295500", "Wed, 24 Jun 2026 10:05:00 GMT", "later"]
    ),
    st.sampled_from(list(EventType)),
    st.text(max_size=8),
)
numbers = st.one_of(
    st.integers(-(10**20), 10**20),
    st.integers(1_700_000_000, 1_800_000_000),
    st.sampled_from([10**99, 10**100, 10**400, -0.0, 1e300, 1782295500.25, 1.782295500e9, float("nan"), float("inf")]),
    st.floats(),
)
scalars = st.one_of(texts, texts, numbers, st.none(), st.booleans())
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))


@st.composite
def objects(draw: st.DrawFn, names: st.SearchStrategy[str], content: st.SearchStrategy[Any]) -> str:
    """A JSON object as text, its keys in any number and order, repeated ones too."""
    pairs = draw(st.lists(st.tuples(names, content), max_size=6))
    blank = draw(st.sampled_from(["", " ", "\n\t "]))
    return "{" + ",".join(f"{blank}{written(draw, key)}:{blank}{value}" for key, value in pairs) + blank + "}"


def written(draw: st.DrawFn, value: Any) -> str:
    """`value` as JSON text, with or without escapes, and with Python's words for what is no number."""
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    if isinstance(value, str) and value and draw(st.integers(0, 9)) == 0:
        text = '"' + "".join(f"\\u{unit:04x}" for unit in utf_16(value)) + '"'
    return text


def utf_16(text: str) -> list[int]:
    content = text.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(content[at : at + 2], "big") for at in range(0, len(content), 2)]


@st.composite
def written_values(draw: st.DrawFn, content: st.SearchStrategy[Any] = values) -> str:
    return written(draw, draw(content))


mild = st.one_of(
    st.sampled_from(
        [ANA, RUI, ANA[1:], "ana@example.com", "graça@example.com", "ZEXA", "sms", "SMS ", "msg_1", "30007"]
    ),
    st.sampled_from(["2026-06-24T10:05:00Z", "2026-06-24 10:05", "1782295500", "2026-07-24T10:05:00Z", "later"]),
    st.sampled_from(["", " ", "\u00a0", "\x7f", "x" * 256, "ã" * 256, "STOP"]),
    st.none(),
)
objects_of_errors = st.dictionaries(
    st.sampled_from(["code", "message", "error", "detail", "title", "", "more"]), st.one_of(mild, numbers), max_size=3
)
times = st.sampled_from(sorted({*ANY_TIME, *(name for names in STATUS_TIMES.values() for name in names)}))


@st.composite
def ordinary(draw: st.DrawFn) -> bytes:
    """A body that is nearly always for the quick decoder: known fields hold texts, and unknown ones anything."""
    known_field = st.tuples(st.sampled_from(NAMES), mild)
    time_field = st.tuples(times, st.one_of(mild, numbers))
    failure_field = st.tuples(st.sampled_from(["error", *CODE]), st.one_of(mild, numbers, objects_of_errors))
    unknown_field = st.tuples(st.sampled_from(["status", "whole_data", "more", "MESSAGE_ID"]), values)
    pairs = draw(
        st.lists(st.one_of(known_field, known_field, known_field, time_field, failure_field, unknown_field), max_size=6)
    )
    data = ",".join(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in pairs)
    name, time = draw(st.sampled_from(EVENTS)), json.dumps(draw(st.one_of(mild, numbers)), ensure_ascii=False)
    return f'{{"event": "{name}", "timestamp": {time}, "data": {{{data}}}}}'.encode("utf-8", "surrogatepass")


@st.composite
def odd(draw: st.DrawFn) -> bytes:
    """A body of any fields in any order, now and then with escapes, keys that repeat, or no object as its data."""
    content = st.one_of(written_values(texts), written_values())
    data = draw(st.one_of(objects(st.sampled_from(NAMES), content), written_values()))
    members = draw(objects(st.sampled_from(["timestamp", "event", "data", "more", "\ud800"]), written_values()))
    name = written(
        draw, draw(st.sampled_from([*EVENTS, "campaign.sent", "message.unknown", "Message.Delivered", 7, None]))
    )
    text = f'{{"event":{name},"data":{data}{"," if members[1:-1].strip() else ""}{members[1:]}'
    return draw(st.sampled_from(["", "", "\ufeff", " ", "\x00"])).encode() + text.encode("utf-8", "surrogatepass")


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """An ordinary body, a few bytes of which are others."""
    content = draw(ordinary())
    place = draw(st.integers(0, len(content)))
    return content[:place] + draw(st.binary(max_size=2)) + content[place + draw(st.integers(0, 2)) :]


def stated(document: Document, content: bytes) -> Event | Reason:
    try:
        return parse_document(document, raw(content), PARSE_OPTIONS)
    except Unreadable as unreadable:
        return unreadable.reason


def assert_read_alike(content: bytes) -> None:
    if (quick := decode_quickly(content)) is not None:
        assert stated(quick, content) == stated(decode_tolerantly(content), content)


@given(st.one_of(ordinary(), ordinary(), spoiled(), odd()))
@patient
@example(DELIVERED % b'"to": "+244912345678", "to": null, "id": "msg_1"')
@example(DELIVERED % b'"to": "+244912345678"}, "data": {"id": "msg_1"')
@example(DELIVERED % b'"to": "+244912345678"}, "data": null, "more": {"id": "msg_1"')
@example(DELIVERED % b'"id": "msg_1", "more": "\xff"')
@example(DELIVERED % b'"id": "msg_1", "\xff": 1')
@example(DELIVERED % b'"id": "msg_1", "more": NaN')
@example(DELIVERED % b'"id": "msg_1", "delivered_at": 1e400')
@example(DELIVERED % b'"id": "msg_1", "delivered_at": 1782295500.000')
@example(b'{"event": "message.failed", "data": {"id": "msg_1", "code": 1%s}}' % (b"0" * 160))
@example(b'{"event": "message.failed", "data": {"id": "msg_1", "error": {"code": 1%s}}}' % (b"0" * 160))
@example(DELIVERED % b'"id": " ", "messageId": "msg_1", "to": "", "recipient": "+244912345678"')
@example(DELIVERED % b'"id": "msg_1", "channel": "a\x01"')
@example(DELIVERED % b'"\\u0069d": "msg_1"')
@example(b"\xef\xbb\xbf" + DELIVERED % b'"id": "msg_1"')
def test_what_the_quick_decoder_reads_the_tolerant_one_reads_alike(content: bytes) -> None:
    assert_read_alike(content)


@pytest.mark.parametrize("content", bodies().values(), ids=bodies())
def test_the_decoders_agree_on_every_body_of_the_collection(content: bytes) -> None:
    assert_read_alike(content)


@pytest.mark.parametrize("depth", [DEPTH_MAX - 3, DEPTH_MAX, DEPTH_MAX + 1, 5_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"":', b"}"), (b'[{"":', b"}]")])
def test_the_decoders_agree_on_how_deep_a_body_may_nest(depth: int, opening: bytes, closing: bytes) -> None:
    inner = b"1" if opening.endswith(b":") or b":" in opening else b""
    levels = depth // opening.count(b"[") if b"{" not in opening else depth
    assert_read_alike(DELIVERED % (b'"id": "msg_1", "more": ' + opening * levels + inner + closing * levels))


@pytest.mark.parametrize(
    "content",
    [
        SAMPLE,
        body(
            "message.delivered", TEN, message_id="msg_1", to=ANA, channel="sms", status="delivered", more=[{"a": [1]}]
        ),
        body("message.failed", TEN, messageId="msg_1", recipient=ANA, error_code="30007", reason="No such number"),
        body("message.failed", TEN, id="msg_1", to=ANA, code=30007, error={"code": 30007, "message": "No such number"}),
        body("message.optout", TEN, id="msg_1", to="ana@example.com", from_="ZEXA", campaign_id="cmp_1"),
        '{"event":"message.delivered","timestamp":1782295500.25,"data":{"to":"graça@example.com"}}'.encode(),
    ],
)
def test_ordinary_bodies_are_read_quickly(content: bytes) -> None:
    assert decode_quickly(content) is not None
    assert_read_alike(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\x1f\x8b",
        body("campaign.sent", TEN, id="cmp_1"),
        body("message.unknown", TEN, id="msg_1"),
        body("message.delivered", TEN, id=7),
        body("message.failed", TEN, id="msg_1", error={"code": ["1"]}),
        body("message.failed", TEN, id="msg_1", error=[{"code": "1"}]),
        body("message.failed", TEN, id="msg_1", code=30007.5),
        body("message.delivered", TEN, id="x" * 257),
        DELIVERED % b'"id": "msg_\\u0031"',
    ],
)
def test_all_else_is_left_to_the_tolerant_decoder(content: bytes) -> None:
    assert decode_quickly(content) is None
