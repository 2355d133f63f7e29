"""Which bodies name a person, whatever the body is: found under every spelling, and nobody else's."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.events.addresses import persons_of
from sync.events.naming import names_any
from tests.support.events_builder import ANA, BODIES, RUI, body, minute
from tests.support.people import NUMBERS

DIGITS = ANA.removeprefix("+244")
names_ana = names_any([ANA], "AO")
names_mail = names_any(["ana@xn--mnchen-3ya.example"], "AO")


@pytest.mark.parametrize("spelling", NUMBERS.values())
def test_a_body_names_a_person_by_any_spelling_of_the_number(spelling: str) -> None:
    content = body("message.seen", minute(0), message_id="m1", to=spelling.format(DIGITS))
    other = body("message.seen", minute(0), message_id="m1", to=spelling.format(RUI.removeprefix("+244")))
    escaped = "".join(f"\\u{ord(character):04x}" for character in spelling.format(DIGITS))
    for found in (content, gzip.compress(content), content.decode().encode("utf-16"), f'["{escaped}"]'.encode()):
        assert names_ana(found)
    assert not names_ana(other)


@pytest.mark.parametrize(
    "content",
    [
        f"to={DIGITS}&status=delivered".encode(),
        f'{{"to": "+244 {DIGITS[:3]} {DIGITS[3:]}"'.encode(),
        f'{{"to": {ANA[1:]}}}'.encode(),
        f'{{"{ANA}": 1}}'.encode(),
        b"\xff\xfe" + f"<to>{ANA}</to>".encode(),
    ],
)
def test_a_body_that_is_cut_or_no_json_names_a_person_too(content: bytes) -> None:
    assert names_ana(content)


@pytest.mark.parametrize(
    "spelling", ["Ana@M\u00dcNCHEN.example", "mailto:ana%40xn--mnchen-3ya.example", "<ANA@m\u00fcnchen.example>"]
)
def test_an_email_address_is_found_by_its_person(spelling: str) -> None:
    assert names_mail(json.dumps({"to": spelling}).encode())
    for other in (spelling.lower().replace("ana", "mariana"), spelling.replace("example", "example.br")):
        assert not names_mail(json.dumps({"to": other}).encode())


def test_both_spellings_of_a_number_of_two_are_found() -> None:
    (brazil,) = persons_of("", "+5511991234567", "AO")
    for spelling in ("+5511991234567", "+551191234567", "(11) 99123-4567"):
        assert names_any([brazil.person], "AO")(body("message.seen", to=spelling))


@given(st.binary(max_size=200))
def test_no_body_is_too_strange_to_be_looked_at(content: bytes) -> None:
    assert names_ana(content) in (True, False)
    assert names_ana(content + b'"' + DIGITS.encode() + b'"')


def test_bodies_nested_beyond_reason_are_looked_at() -> None:
    assert names_ana(b"[" * 100_000 + f'"{ANA}"'.encode())


def test_the_bodies_of_the_tests_name_whom_they_quote() -> None:
    files = [path.read_bytes() for path in BODIES.glob("*/*")]
    quoted = [content for content in files if DIGITS.encode() in content]
    assert quoted
    assert all(map(names_ana, quoted))
