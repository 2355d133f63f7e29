"""Every body read as an opt-out is seen before it is read, and the person it names is found under every spelling."""

import gzip
import json
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sync.events.addresses import persons_of, read_address
from sync.events.event import EventType, Unreadable
from sync.events.interpretation import ParseOptions
from sync.events.parse import parse
from sync.events.raw import inflated, may_opt_out
from tests.support.events_builder import AO, patient, raw
from tests.support.people import FAILURES, MAY_BE_A_STOP, OPT_OUT_FAILURES, OPT_OUT_NAMES, READABLE, stop

ANGOLAN = "+244911000002"
FAILING = ParseOptions(default_region="AO", opt_out_failures=OPT_OUT_FAILURES)

# What may stand between the letters of a name, or in front of an address: all of it is passed over.
_MARKS = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad\u034f\ufe0f"
_SEPARATORS = st.sampled_from(["", "", "", ".", " ", "_", "-", ":", "/", "\t", "\n", "\u00a0", "\uff0e", *_MARKS])
# Ways to write an escape that JSON allows, and to write none.
_WRITERS: list[Callable[[str], str]] = [
    lambda character: json.dumps(character)[1:-1],
    lambda character: json.dumps(character, ensure_ascii=False)[1:-1],
    lambda character: "".join(
        f"\\u{int.from_bytes(unit, 'big'):04X}" for unit in _units(character.encode("utf-16-be", "surrogatepass"))
    ),
    lambda character: "\\/" if character == "/" else json.dumps(character)[1:-1],
]
_ENCODINGS: list[Callable[[str], bytes]] = [
    str.encode,
    lambda text: b"\xef\xbb\xbf" + text.encode(),
    lambda text: gzip.compress(text.encode()),
    lambda text: gzip.compress(b"\xef\xbb\xbf" + text.encode(), 0),
    lambda text: b" \r\n" + text.encode() + b"\t\n ",
    lambda text: text.encode("utf-16"),
    lambda text: text.encode("utf-16-be"),
    lambda text: text.encode("utf-32-le"),
]


def _units(text: bytes) -> list[bytes]:
    return [text[place : place + 2] for place in range(0, len(text), 2)]


@st.composite
def spelled_names(draw: st.DrawFn, name: str) -> str:
    """`name` as a JSON text spells it: in any case, with separators anywhere, and with any escapes."""
    written = draw(_SEPARATORS)
    for letter in name.replace(".", ""):
        written += draw(st.sampled_from([letter, letter.upper()])) + draw(_SEPARATORS)
    return "".join(draw(st.sampled_from(_WRITERS))(character) for character in written)


@patient
@given(name=spelled_names(EventType.OPT_OUT), encode=st.sampled_from(_ENCODINGS))
@example(name="message\\u200boptout", encode=str.encode)
@example(name="message\\u002Eoptout", encode=str.encode)
@example(name="message\\toptout", encode=str.encode)
@example(name="message\\\\optout", encode=str.encode)
def test_every_spelling_of_a_stop_is_seen_before_it_is_read(name: str, encode: Callable[[str], bytes]) -> None:
    content = encode(f'{{"event": "{name}", "data": {{"to": "{ANGOLAN}"}}}}')
    assert may_opt_out(content, failures_may=False)
    try:
        event = parse(raw(content), AO)
    except Unreadable:
        return  # the byte look stands alone
    assert event.name == EventType.OPT_OUT
    assert event.message
    assert event.message.addresses == (ANGOLAN,)


@patient
@given(
    name=st.sampled_from([EventType.FAILED, EventType.UNDELIVERABLE]).flatmap(spelled_names),
    failure=st.sampled_from(list(FAILURES.values())),
)
def test_every_spelling_of_a_failure_that_opts_out_is_seen_where_failures_may(
    name: str, failure: dict[str, str]
) -> None:
    content = f'{{"event": "{name}", "data": {json.dumps({"to": ANGOLAN, **failure})}}}'.encode()
    message = parse(raw(content), FAILING).message
    assert message
    assert message.is_opt_out
    assert may_opt_out(content, failures_may=True)


@pytest.mark.parametrize("name", OPT_OUT_NAMES)
def test_every_known_spelling_of_a_stop_is_seen_however_its_body_comes(name: str) -> None:
    content = json.dumps(json.loads(stop(ANGOLAN, name=name)), ensure_ascii=False).encode()
    for make in (*READABLE.values(), *MAY_BE_A_STOP.values()):
        assert may_opt_out(make(content), failures_may=False)
    assert may_opt_out(stop(ANGOLAN, name=name), failures_may=False)


@pytest.mark.parametrize("make", READABLE.values(), ids=READABLE)
def test_the_bytes_that_were_signed_are_what_is_kept(make: Callable[[bytes], bytes]) -> None:
    content = make(stop(ANGOLAN))
    event = parse(raw(content), AO)
    assert event.body == content
    assert inflated(content) is not None


@pytest.mark.parametrize("text", ["a \\u00e7 \\t", "\\\\optout", "\\u20acmessage.op \\/ out"])
def test_a_delivery_with_escapes_is_not_taken_first(text: str) -> None:
    content = f'{{"event": "message.delivered", "data": {{"to": "{ANGOLAN}", "text": "{text}"}}}}'.encode()
    assert parse(raw(content), AO).name == EventType.DELIVERED
    assert not may_opt_out(content, failures_may=True)


# Numbers as people write them, and what programs put around them.
_NUMBERS = st.sampled_from(
    [ANGOLAN, "+351912345678", "+5215512345678", "+525512345678", "+5511991234567", "+5491123456789", "+447911123456"]
)
_WRAPPERS = st.sampled_from(
    ["{}", " {}\u00a0", "<{}>", '"{}"', "tel:{}", "whatsapp:{}", "sms:{}", "Ana <{}>", "{},", "{}.", "({})", "'{}"]
)


@st.composite
def spelled_numbers(draw: st.DrawFn, number: str) -> str:
    """A number with its country code in any form that means it wherever it is read."""
    groups, remainder = [], number[1:]
    while len(remainder) >= 6:
        size = draw(st.integers(3, len(remainder) - 3) | st.just(len(remainder)))
        groups.append(remainder[:size])
        remainder = remainder[size:]
    groups += [remainder] if remainder else []
    between = draw(st.sampled_from(["", " ", "-", ".", "\u00a0", "\u2011", "\u200b", "/"]))
    written = draw(st.sampled_from(["+", "\uff0b", "\ufeff+", "00"])) + between.join(groups)
    written = "".join(draw(st.sampled_from(["", "", "", *_MARKS])) + character for character in written)
    if draw(st.booleans()):
        return number[1:] + draw(st.sampled_from(["@s.whatsapp.net", "@c.us", ":12@s.whatsapp.net", "@S.WhatsApp.net"]))
    return draw(_WRAPPERS).format(written)


_CASES: list[Callable[[str], str]] = [str, str.upper, str.title]
_EMAILS = st.sampled_from(["ana.silva@example.com", "jo\u00e3o@m\u00fcnchen.example", "ana+1@xn--mnchen-3ya.example"])


@st.composite
def spelled_emails(draw: st.DrawFn, email: str) -> str:
    written = unicodedata.normalize(draw(st.sampled_from(["NFC", "NFD"])), draw(st.sampled_from(_CASES))(email))
    written = "".join(draw(st.sampled_from(["", "", "", "", *_MARKS])) + character for character in written)
    wrapper = draw(st.sampled_from(["{}", " {}\n", "<{}>", "mailto:{}", '"Silva, Ana" <{}>', "{};", "{}.", "'{}'"]))
    return wrapper.format(written)


@st.composite
def two_spellings(draw: st.DrawFn) -> tuple[str, str]:
    if draw(st.booleans()):
        number = draw(_NUMBERS)
        return draw(spelled_numbers(number)), draw(spelled_numbers(number))
    email = draw(_EMAILS)
    return draw(spelled_emails(email)), draw(spelled_emails(email))


@patient
@given(
    spellings=two_spellings(),
    region=st.sampled_from(["AO", "PT", "US", "BR", "MX", "AR", "GB"]),
    channel=st.sampled_from(["", "sms", "email", "slack"]),
    field=st.sampled_from(["to", "recipient", "from", "sender"]),
    asked_channel=st.sampled_from([None, "", "sms", "whatsapp", "email"]),
)
def test_what_a_stop_says_under_any_spelling_is_found_under_every_other(
    spellings: tuple[str, str], region: str, channel: str, field: str, asked_channel: str | None
) -> None:
    stated, asked = spellings
    content = json.dumps({"event": "message.optout", "data": {field: stated, "channel": channel}}).encode()
    message = parse(raw(content), ParseOptions(default_region=region)).message
    assert message
    opted_out = {address.person for text in message.addresses for address in persons_of(None, text, "")}
    wanted = {address.person for address in persons_of(asked_channel, asked, region)}
    assert wanted & opted_out
    # An address in the tables is read as the same person in every region.
    for text in message.addresses:
        assert read_address("", text, "AO").addresses == read_address("", text, region).addresses
