"""Which bodies name a person, whatever the body is: found under every spelling, and nobody else's."""

import gzip
import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.events.addresses import persons_of
from sync.events.forget_keys import ForgetKey
from sync.events.forgotten import ForgottenPeople, ForgottenPerson, marks_of
from sync.events.naming import names_any
from tests.support.events_builder import ANA, BODIES, RUI, body, minute
from tests.support.people import MAY_BE_A_STOP, NUMBERS

DIGITS = ANA.removeprefix("+244")
names_ana = names_any([ANA], "AO")
MAIL = "ana@xn--mnchen-3ya.example"
names_mail = names_any([MAIL], "AO")
KEY = ForgetKey.from_secret(b"k" * 32)
FORGOTTEN = ForgottenPeople(
    [
        ForgottenPerson(number, KEY.pseudonym(person), KEY, marks_of(person, KEY))
        for number, person in enumerate((ANA, MAIL))
    ],
    default_region="AO",
)


@pytest.mark.parametrize("spelling", NUMBERS.values())
def test_a_body_names_a_person_by_any_spelling_of_the_number(spelling: str) -> None:
    content = body("message.seen", minute(0), message_id="m1", to=spelling.format(DIGITS))
    other = body("message.seen", minute(0), message_id="m1", to=spelling.format(RUI.removeprefix("+244")))
    escaped = "".join(f"\\u{ord(character):04x}" for character in spelling.format(DIGITS))
    for encoded in (content, gzip.compress(content), content.decode().encode("utf-16"), f'["{escaped}"]'.encode()):
        assert names_ana(encoded)
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


# A body that cannot be read, and so is no row's.
HIDDEN = {
    "a name that stands twice": b'{"to": "@", "to": "+244923000111"}',
    "cut off, with escapes": rb'{"to": "@"',
    "a link": b"to=@&event=message.optout",
    "XML": b"<to>@</to>",
    "JSON within JSON": json.dumps(json.dumps({"to": "@"})).encode(),
    "JSON in a text of JSON": json.dumps({"raw": '{"to": "@", "a": 1}'}).encode(),
}
ESCAPED: dict[str, Callable[[str], str]] = {
    "as JSON": lambda text: "".join(f"\\u{ord(character):04x}" for character in text),
    "as JSON with blanks": "\\u00a0".join,
    "as JSON within JSON": lambda text: "".join(f"\\\\u{ord(character):04x}" for character in text),
    "as a link": lambda text: "".join(f"%{ord(character):02X}" for character in text),
    "as a link with blanks": "%20".join,
    "as XML": lambda text: "".join(f"&#{ord(character)};" for character in text),
}


@pytest.mark.parametrize("escape", ESCAPED.values(), ids=ESCAPED)
@pytest.mark.parametrize("content", HIDDEN.values(), ids=HIDDEN)
def test_a_number_is_found_however_it_is_escaped(content: bytes, escape: Callable[[str], str]) -> None:
    naming_ana, naming_rui = (
        content.replace(b"@", escape(number).encode()) for number in (DIGITS, RUI.removeprefix("+244"))
    )
    assert names_ana(naming_ana)
    assert not names_ana(naming_rui)
    assert FORGOTTEN.named_in(naming_ana)
    assert not FORGOTTEN.named_in(naming_rui)


@pytest.mark.parametrize(
    "content",
    [
        rb'{"to": "ana\u0040xn--mnchen-3ya.example"',
        b"to=ana%40xn--mnchen-3ya.example&event=message.optout",
        rb'["550 <\"ana\"@xn--mnchen-3ya.example> is unknown"]',
        rb'["the link https://x.example/?to=ana%40xn--mnchen-3ya.example&a=1"]',
        rb'{"raw": "{\"to\": \"ana\\u0040xn--mnchen-3ya.example\"}"}',
        '{"error": "550 <Ana@M\u00dcNCHEN.example> is unknown"}'.encode(),
        '{"to": "ana@xn--mnchen-3ya.example"'.encode("utf-16-be"),
        '{"to": "ana@xn--mnchen-3ya.example"'.encode("utf-32"),
    ],
)
def test_an_email_address_is_found_however_it_is_escaped(content: bytes) -> None:
    assert names_mail(content)
    assert FORGOTTEN.named_in(content)
    assert not names_mail(content.replace(b"na", b"na1").replace(b"n\0a", b"n\0b").replace(b"n\0\0\0a", b"n\0\0\0b"))


@pytest.mark.parametrize("name", MAY_BE_A_STOP)
def test_a_body_that_nobody_can_read_names_whom_it_holds(name: str) -> None:
    content = MAY_BE_A_STOP[name](body("message.optout", minute(0), to="+244911000001", channel="sms"))
    holds_nothing = name in ("cut off, of another name", "XML", "gzip of no text", "gzip that is cut off", "deflate")
    assert names_any(["+244911000001"], "AO")(content) is not holds_nothing


@given(st.binary(max_size=200))
def test_no_body_is_too_strange_to_be_looked_at(content: bytes) -> None:
    assert names_ana(content) in (True, False)
    assert names_ana(content + b'"' + DIGITS.encode() + b'"')


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"a" * 50_000_000),
        gzip.compress(b"") * 13_000,
        "\u00e9".encode() + b"a" * 256_000 + b"@",
        ("\u00e9@" * 80_000).encode(),
    ],
    ids=["inflates to much", "many parts", "a long word", "many addresses"],
)
def test_no_body_takes_long_to_be_looked_at(content: bytes) -> None:
    begun = time.process_time()
    assert not names_ana(content)
    assert not names_mail(content)
    assert time.process_time() - begun < 10


def test_bodies_nested_beyond_reason_are_looked_at() -> None:
    assert names_ana(b"[" * 100_000 + f'"{ANA}"'.encode())


def test_the_bodies_of_the_tests_name_whom_they_quote() -> None:
    files = [path.read_bytes() for path in BODIES.glob("*/*")]
    quoted = [content for content in files if DIGITS.encode() in content]
    assert quoted
    assert all(map(names_ana, quoted))
