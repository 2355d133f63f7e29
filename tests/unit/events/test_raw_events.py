"""The one look into a body before it is parsed: no opt-out escapes it, however it is spelled."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.events.event import Unreadable
from sync.events.interpretation import ParseOptions
from sync.events.parse import parse
from sync.events.raw import may_opt_out
from tests.support.events_builder import AO, bodies, body, raw

CONFIGURED = ParseOptions(default_region="AO", opt_out_failures=frozenset({"21610"}))


def escaped(text: str, are_hidden: list[bool], upper: bool) -> str:
    """`text` as JSON may spell it, with some of its characters as escapes."""
    digits = "04X" if upper else "04x"
    return "".join(
        f"\\u{ord(character):{digits}}" if is_hidden else character
        for character, is_hidden in zip(text, are_hidden, strict=True)
    )


@given(are_hidden=st.lists(st.booleans(), min_size=14, max_size=14), upper=st.booleans())
def test_an_opt_out_is_seen_however_json_spells_it(are_hidden: list[bool], upper: bool) -> None:
    name = escaped("message.optout", are_hidden, upper)
    content = f'{{"event": "{name}", "data": {{"to": "+244912345678"}}}}'.encode()
    message = parse(raw(content), AO).message
    assert message
    assert message.is_opt_out
    assert may_opt_out(content, failures_may=False)


@given(are_hidden=st.lists(st.booleans(), min_size=14, max_size=14))
def test_a_failure_that_opts_out_is_seen_where_failures_may(are_hidden: list[bool]) -> None:
    name = escaped("message.failed", are_hidden, upper=False)
    content = f'{{"event": "{name}", "data": {{"to": "+244912345678", "error_code": "21610"}}}}'.encode()
    message = parse(raw(content), CONFIGURED).message
    assert message
    assert message.is_opt_out
    assert may_opt_out(content, failures_may=True)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_an_opt_out_that_is_not_utf8_is_seen_too(encoding: str) -> None:
    assert may_opt_out('{"event": "message.optout"}'.encode(encoding), failures_may=False)


@pytest.mark.parametrize(
    "name",
    [
        "Message.OptOut",
        "message_opt-out",
        "MESSAGE OPT OUT",
        "messageOptout",
        "message.opt\u00a0out",
        "me\\nssage\\/optout",
    ],
)
def test_an_opt_out_is_seen_under_every_spelling_of_its_name(name: str) -> None:
    content = f'{{"event": "{name}", "data": {{"to": "+244912345678"}}}}'.encode()
    assert parse(raw(content), AO).name == "message.optout"
    assert may_opt_out(content, failures_may=False)


@pytest.mark.parametrize(
    "content",
    [gzip.compress(body("message.delivered"), mtime=0), b"stop 1", b"x", b"<event/>", b"event=message.delivered", b"{"],
)
def test_what_is_compressed_or_no_json_may_say_anything(content: bytes) -> None:
    assert may_opt_out(content, failures_may=False)


@pytest.mark.parametrize("content", [b"", b" \r\n\t", b"{}", b" [1] ", b"null", b'"x"', b"1", b"\xef\xbb\xbf{}"])
def test_what_is_json_without_the_name_or_nothing_at_all_is_no_opt_out(content: bytes) -> None:
    assert not may_opt_out(content, failures_may=True)


def test_an_opt_out_that_was_cut_off_is_seen() -> None:
    assert may_opt_out(b'{"event": "message.optout", "data": {"to', failures_may=False)


@pytest.mark.parametrize("to", ["+244912345678", "ana@example.com"])
def test_what_reports_a_delivery_is_not_taken_first(to: str) -> None:
    content = body("message.delivered", None, to=to, name="Promo\u00e7\u00e3o", text='a "quoted" \u20ac\n')
    assert b"\\u00e7" in json.dumps(json.loads(content)).encode()
    for spelled in (
        content,
        json.dumps(json.loads(content)).encode(),
        json.dumps(json.loads(content)).upper().encode(),
    ):
        assert not may_opt_out(spelled, failures_may=True)


def test_failures_are_not_taken_first_unless_they_may_opt_out() -> None:
    for name in ("message.failed", "message.undeliverable"):
        assert not may_opt_out(body(name), failures_may=False)
        assert may_opt_out(body(name), failures_may=True)


@pytest.mark.parametrize("options", [AO, CONFIGURED])
def test_no_body_that_opts_out_goes_unseen(options: ParseOptions) -> None:
    for name, content in bodies().items():
        try:
            message = parse(raw(content), options).message
        except Unreadable:
            continue
        if message and message.is_opt_out:
            assert may_opt_out(content, failures_may=bool(options.opt_out_failures)), name
