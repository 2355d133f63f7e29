"""What remains of a body that names a forgotten person: nothing that names them, and all that the rows follow from."""

import gzip
import json
from datetime import timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.events.addresses import persons_of
from sync.events.event import Event
from sync.events.forget_keys import ForgetKey
from sync.events.forgotten import ERASED, ForgottenPeople, ForgottenPerson, marks_of
from sync.events.naming import names_any
from sync.events.parse import parse
from sync.events.remains import event_of_remains, is_remains, without_forgotten
from tests.support.events_builder import ANA, AO, BODIES, RECEIVED, RUI, body, minute, raw
from tests.support.people import EMAIL_KEPT, EMAILS, NUMBERS, TWO_NUMBERS

KEY, OTHER_KEY = ForgetKey.from_secret(b"k" * 32), ForgetKey.from_secret(b"o" * 32)
DIGITS = ANA.removeprefix("+244")


def forgotten(*persons: str, key: ForgetKey = KEY) -> ForgottenPeople:
    people = [
        ForgottenPerson(number, key.pseudonym(person), key, marks_of(person, key))
        for number, person in enumerate(persons)
    ]
    return ForgottenPeople(people, default_region="AO")


def kept_event(content: bytes, *persons: str, key: ForgetKey = KEY) -> Event:
    return without_forgotten(parse(raw(content), AO), forgotten(*persons or [ANA], key=key))


@pytest.mark.parametrize("spelling", NUMBERS.values())
def test_a_body_of_any_spelling_of_a_number_is_kept_without_it(spelling: str) -> None:
    content = body("message.delivered", minute(0), to=spelling.format(DIGITS), message_id="m1", channel="sms")
    for received_body in (content, gzip.compress(content)):
        event = kept_event(received_body)
        assert event.message
        assert event.message.recipient == KEY.pseudonym(ANA)
        assert DIGITS.encode() not in event.body
        assert event.digest == KEY.keyed_digest(sha256(received_body).hexdigest())


@pytest.mark.parametrize("spelling", EMAILS.values())
def test_a_body_of_any_spelling_of_an_email_address_is_kept_without_it(spelling: str) -> None:
    content = body("message.optout", minute(0), to=spelling, channel="email")
    event = kept_event(content, EMAIL_KEPT)
    assert event.message
    assert event.message.addresses == (KEY.pseudonym(EMAIL_KEPT),)
    assert b"ana" not in event.body.lower()
    assert event.subject_id == event.digest == KEY.keyed_digest(sha256(content).hexdigest())


@pytest.mark.parametrize(("first", "second"), TWO_NUMBERS.values())
def test_both_spellings_of_a_number_of_two_have_one_pseudonym(first: str, second: str) -> None:
    (person,) = {address.person for text in (first, second) for address in persons_of("sms", text, "AO")}
    events = [kept_event(body("message.delivered", to=text, message_id="m1"), person) for text in (first, second)]
    assert {event.message and event.message.recipient for event in events} == {KEY.pseudonym(person)}


def test_what_names_somebody_else_stays_as_it_is() -> None:
    event = parse(raw(body("message.delivered", minute(0), to=RUI, message_id="m1")), AO)
    assert without_forgotten(event, forgotten(ANA)) is event


def test_the_rest_of_what_a_body_states_is_kept_and_texts_that_name_the_person_are_erased() -> None:
    content = body(
        "message.failed",
        minute(3),
        to=RUI,
        from_="ZEXA",
        channel="sms",
        message_id=f"m-{DIGITS}",
        campaign_id="cmp_1",
        error_code="30003",
        error=f"forwarded by {DIGITS[:3]} {DIGITS[3:]}",
        failed_at="2026-06-24T10:02:00Z",
    )
    before, after = parse(raw(content), AO), kept_event(content)
    assert before.message
    assert after.message
    assert after.message.failure_reason == ERASED
    assert after.subject_id == after.message.message_id == KEY.keyed_id(f"m-{DIGITS}")
    unchanged_fields = ("channel", "recipient", "addresses", "sender", "campaign_id", "status_at", "failure_code")
    assert [getattr(after.message, name) for name in unchanged_fields] == [
        getattr(before.message, name) for name in unchanged_fields
    ]
    assert (after.name, after.occurred_at, after.is_dated) == (before.name, before.occurred_at, before.is_dated)


def test_a_campaign_that_names_the_person_is_kept_without_the_texts_and_numbers_that_do() -> None:
    content = body("campaign.sent", minute(0), id="cmp_1", name=f"to {DIGITS}", total=3, to=[int(ANA), {DIGITS: 1.5}])
    campaign = kept_event(content).campaign
    assert campaign
    assert (campaign.name, campaign.message_total) == (ERASED, 3)
    assert json.loads(campaign.details) == {"id": "cmp_1", "name": ERASED, "to": [ERASED, {ERASED: 1.5}], "total": 3}


@pytest.mark.parametrize("path", sorted((BODIES / "applied").glob("*")), ids=lambda path: path.stem)
@pytest.mark.parametrize("received_days", [0, -3000, 3000])
def test_remains_are_read_as_the_body_is_whenever_it_was_received(path: object, received_days: int) -> None:
    content = json.loads(json.dumps({"note": DIGITS}))  # what makes the body name the person
    document = json.loads(path.read_bytes()) if isinstance(path, type(BODIES)) else {}
    whole = json.dumps(document | content).encode()
    received_at = RECEIVED + timedelta(days=received_days)
    event = parse(raw(whole, received_at), AO)
    remains = kept_event(whole)
    assert is_remains(remains.body)
    again = event_of_remains(remains.body, received_at)
    assert again == without_forgotten(event, forgotten(ANA))
    names = ("occurred_at", "is_dated", "claimed_at", "outcome", "received_at")
    assert [getattr(again, name) for name in names] == [getattr(event, name) for name in names]


def test_two_people_are_forgotten_in_any_order_with_the_same_remains() -> None:
    content = body("message.optout", minute(0), to=ANA, from_=RUI, channel="sms", message_id="m1")
    both_forgotten = kept_event(content, ANA, RUI)
    one_by_one = without_forgotten(kept_event(content, ANA), forgotten(ANA, RUI))
    other_first = without_forgotten(kept_event(content, RUI), forgotten(ANA, RUI))
    assert both_forgotten == one_by_one == other_first
    assert without_forgotten(both_forgotten, forgotten(ANA, RUI)) is both_forgotten


TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [ANA, RUI, DIGITS, f"x{DIGITS}y", "ana@example.com", "mariana@example.com", "Ana <ANA@example.com>"]
    ),
    st.text("0123456789 -+.@na", max_size=30),
)
DOCUMENTS = st.recursive(
    TEXTS | st.integers() | st.just(int(DIGITS)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(DOCUMENTS, st.sampled_from([ANA, "ana@example.com", "U024BE7LH", "+5511991234567"]))
def test_hashes_find_in_a_body_whom_the_number_itself_finds(document: object, person: str) -> None:
    (person,) = {address.person for address in persons_of(None, person, "AO") if address.person[0] in "+aU"}
    content = json.dumps(document).encode()
    assert bool(forgotten(person).named_in(content)) == names_any([person], "AO")(content)


@given(st.binary(max_size=100))
def test_no_bytes_are_too_strange_to_be_looked_at(content: bytes) -> None:
    assert bool(forgotten(ANA).named_in(content)) == names_any([ANA], "AO")(content)


def test_every_hash_changes_with_the_key_and_none_is_a_plain_one() -> None:
    content = body("message.optout", minute(0), to=ANA, channel="sms", note=f"m-{DIGITS}")
    first, second = kept_event(content), kept_event(content, key=OTHER_KEY)
    texts = [
        {event.subject_id, event.digest, *(event.message.addresses if event.message else ())}
        for event in (first, second)
    ]
    assert not texts[0] & texts[1]
    plain = {sha256(text).hexdigest() for text in (content, ANA.encode(), DIGITS.encode())}
    marks = {mark.hash for key in (KEY, OTHER_KEY) for mark in marks_of(ANA, key)}
    assert not any(digest in text for digest in plain for text in [*texts[0], *texts[1], *marks])
    assert KEY.key_id != OTHER_KEY.key_id
    assert KEY.key_id not in marks
