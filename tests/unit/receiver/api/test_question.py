"""The body of a look-up: what is a question is read as it stands, anything else is a problem that quotes nothing."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.api.problems import Problem
from receiver.api.question import Question, read_question

MARK = "zhostilez"


def asked(**members: Any) -> Question:
    return read_question(json.dumps({"addresses": []} | members).encode())


def refused(body: bytes) -> int:
    with pytest.raises(Problem) as caught:
        read_question(body)
    reply = caught.value.reply()
    assert ("Content-Type", "application/problem+json") in reply.headers
    document = json.loads(reply.body)
    assert document.keys() == {"type", "title", "status", "detail"}
    assert document["status"] == reply.status
    assert MARK not in reply.body.decode()
    return int(reply.status)


def test_addresses_stay_as_they_are_and_in_their_order() -> None:
    addresses = ["b", "a", "", "b", "\0", "\ud800", "\uff11", "x" * 5000]
    assert asked(addresses=addresses).addresses == addresses


def test_the_strict_scope_and_a_minute_are_the_default() -> None:
    for question in (asked(), asked(channel=None, sender=None, max_staleness_seconds=None)):
        assert (question.channel, question.sender, question.staleness_seconds) == (None, None, 60)


def test_a_narrower_scope_and_another_staleness_may_be_asked_for() -> None:
    question = asked(channel=" SMS ", sender="Padaria São João", max_staleness_seconds=1.5)
    assert (question.channel, question.sender, question.staleness_seconds) == (" SMS ", "Padaria São João", 1.5)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"addresses": []} x',
        b'{"addresses": [], "addresses": ["zhostilez"]}',
        b'{"addresses": [], "max_staleness_seconds": NaN}',
        b'{"addresses": [], "max_staleness_seconds": -Infinity}',
        b'{"addresses": ["\xff"]}',
        b'{"addresses": ["\n"]}',
        b"\xef\xbb\xbf{}",
        '{"addresses": []}'.encode("utf-16"),
        b"[" * 250_000,
        b'{"a":' * 50_000,
        b'{"addresses": [' + b"9" * 250_000 + b"]}",
        b"[]",
        b"null",
        b'"zhostilez"',
        b"1",
    ],
)
def test_what_is_no_json_object_that_names_each_member_once_is_400(body: bytes) -> None:
    assert refused(body) == 400


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"addresses": None},
        {"addresses": MARK},
        {"addresses": {"0": MARK}},
        {"addresses": [MARK, 912345678]},
        {"addresses": [None]},
        {"addresses": [[MARK]]},
        {"addresses": [MARK] * 1001},
        {"addresses": [], MARK: 1},
        {"addresses": [], "Channel": "sms"},
        {"addresses": [], "channel": ""},
        {"addresses": [], "channel": "  "},
        {"addresses": [], "channel": 1},
        {"addresses": [], "channel": "ção"},
        {"addresses": [], "channel": MARK * 8},
        {"addresses": [], "sender": ""},
        {"addresses": [], "sender": f"{MARK}\0"},
        {"addresses": [], "sender": f"{MARK}\ud800"},
        {"addresses": [], "sender": MARK * 29},
        {"addresses": [], "sender": [MARK]},
        {"addresses": [], "max_staleness_seconds": 0},
        {"addresses": [], "max_staleness_seconds": 86_401},
        {"addresses": [], "max_staleness_seconds": -1},
        {"addresses": [], "max_staleness_seconds": True},
        {"addresses": [], "max_staleness_seconds": "60"},
        {"addresses": [], "max_staleness_seconds": 10**400},
    ],
)
def test_what_is_json_and_no_question_is_422(document: dict[str, Any]) -> None:
    assert refused(json.dumps(document).encode()) == 422


def test_a_number_beyond_all_is_422() -> None:
    assert refused(b'{"addresses": [], "max_staleness_seconds": 1e999}') == 422


def test_a_thousand_addresses_are_as_many_as_one_may_ask_about() -> None:
    assert len(asked(addresses=["a"] * 1000).addresses) == 1000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["addresses", "channel"]), inner),
)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_question_or_a_problem(body: bytes) -> None:
    with suppress(Problem):
        assert isinstance(read_question(body), Question)
