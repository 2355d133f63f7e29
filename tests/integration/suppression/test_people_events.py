"""A person who said STOP is suppressed under any name in the event; `status` counts events that name no person."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Engine, select

from models.tables import DEAD_LETTERS, MESSAGES, NAMELESS_OPT_OUTS, OPT_OUTS
from sync.events.interpretation import ParseOptions
from sync.store.apply import apply
from sync.suppression import Lookup
from tests.conftest import NOW
from tests.support.events_builder import AO, body, clear, minute, raw
from tests.support.people import (
    FAILURES,
    HOLDS_NOTHING,
    MAY_BE_A_STOP,
    NUMBERS,
    OPT_OUT_FAILURES,
    OPT_OUT_NAMES,
    READABLE,
    UNREADABLE,
    delivered,
    stop,
)

OURS = "+244923000000"
FAILING = ParseOptions(default_region="AO", opt_out_failures=OPT_OUT_FAILURES)


def give(engine: Engine, bodies: Sequence[bytes], options: ParseOptions = AO) -> None:
    """Apply the bodies in batches of their own, so that their order matters if it can."""
    for content in bodies:
        apply(engine, [raw(content)], options=options, now=NOW)


def suppressed(lookup: Lookup, addresses: Sequence[str]) -> list[bool]:
    return [answer.status == "suppressed" for answer in lookup.check(addresses)]


def opted_out(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(select(OPT_OUTS.c.address)).scalars())


def digits(place: int) -> str:
    return f"9110{place:05}"


@pytest.mark.parametrize("is_stop_first", [False, True])
def test_who_got_the_message_is_suppressed_whatever_its_stop_has_for_a_name(
    engine: Engine, lookup: Lookup, is_stop_first: bool
) -> None:
    odd = [*UNREADABLE, "ZEXA", "Zexa Promo", OURS, "31234", "A. Silva <a@example.com>", "", "   "]
    bodies: list[bytes] = []
    numbers: list[str] = []
    for place, text in enumerate(odd):
        for ends in ({"to": text, "from_": OURS}, {"to": "ZEXA", "from_": text}):
            name = f"m{len(numbers)}"
            numbers.append("+244" + digits(len(numbers)))
            pair = [delivered(numbers[-1], name), stop(number=place, message_id=name, **ends)]
            bodies += reversed(pair) if is_stop_first else pair
    apply(engine, [raw(content) for content in bodies], options=AO, now=NOW)
    assert suppressed(lookup, numbers) == [True] * len(numbers)
    # Of strangers only persons that a STOP names as one address: a numeric sender, and the address in brackets.
    assert opted_out(engine) - set(numbers) == {OURS, "a@example.com"}
    with engine.connect() as connection:
        times = connection.execute(select(MESSAGES.c.message_id).where(MESSAGES.c.opted_out_at.is_(None))).all()
    assert times == []


@pytest.mark.parametrize("is_stop_first", [False, True])
def test_a_stop_alone_opts_out_who_is_named_however_the_name_is_written(
    engine: Engine, lookup: Lookup, is_stop_first: bool
) -> None:
    bodies: list[bytes] = []
    numbers: list[str] = []
    for place, form in enumerate(NUMBERS.values()):
        for field in ("to", "from_"):
            number = digits(len(numbers))
            numbers.append(f"+244{number}")
            name = f"m{len(numbers)}"
            named = {field: form.format(number)}
            pair = [delivered(None, name), body("message.optout", minute(place), message_id=name, **named)]
            bodies += reversed(pair) if is_stop_first else pair
    apply(engine, [raw(content) for content in bodies], options=AO, now=NOW)
    assert dict(zip(numbers, suppressed(lookup, numbers), strict=True)) == dict.fromkeys(numbers, True)
    # Of two readings that are alike, the other one is opted out too; there is none here.
    assert opted_out(engine) == set(numbers)


@pytest.mark.parametrize("text", ["ana@example.com", "244911000002", "+5215512345678", "951234567"])
def test_a_stop_from_whom_the_message_did_not_name_opts_out_both(engine: Engine, lookup: Lookup, text: str) -> None:
    give(engine, [stop(text, message_id="m1"), delivered("+244911000009", "m1")])
    assert suppressed(lookup, [text, "+244911000009", "+244911000008"]) == [True, True, False]


def test_a_stop_that_names_nobody_is_kept_among_the_nameless_until_its_message_names_somebody(
    engine: Engine, lookup: Lookup
) -> None:
    texts = [*UNREADABLE, "ZEXA", "31234"]
    give(engine, [stop(text, message_id=f"m{place}") for place, text in enumerate(texts)])
    with engine.connect() as connection:
        nameless = connection.execute(select(NAMELESS_OPT_OUTS.c.subject_id)).scalars().all()
    assert sorted(nameless) == sorted(f"m{place}" for place in range(len(texts)))
    assert opted_out(engine) == set()
    give(engine, [delivered(f"+244{digits(place)}", f"m{place}") for place in range(len(texts))])
    with engine.connect() as connection:
        assert connection.execute(select(NAMELESS_OPT_OUTS)).all() == []
    assert all(suppressed(lookup, [f"+244{digits(place)}" for place in range(len(texts))]))


def test_a_stop_that_names_neither_anybody_nor_a_message_is_a_dead_letter_that_holds_every_answer_back(
    engine: Engine, lookup: Lookup
) -> None:
    for text in (*UNREADABLE, "ZEXA", "31234", None):
        give(engine, [stop(text), stop("ZEXA", from_=text)])
        with engine.connect() as connection:
            letters = connection.execute(select(DEAD_LETTERS.c.reason, DEAD_LETTERS.c.may_opt_out)).all()
        assert letters == [("no_subject", True)] * 2, text
        assert lookup.freshness().held_by == "dead_letters"
        assert lookup.check(["+244911000008"])[0].status == "unknown"
        assert opted_out(engine) == set()
        clear(engine)


def test_every_failure_that_tells_the_code_or_reason_of_an_opt_out_opts_out(engine: Engine, lookup: Lookup) -> None:
    numbers = [f"+244{digits(place)}" for place in range(2 * len(FAILURES))]
    failures = [(name, data) for name in ("message.failed", "MESSAGE_UNDELIVERABLE") for data in FAILURES.values()]
    bodies = [
        body(name, minute(1), to=number, message_id=number, **data)
        for number, (name, data) in zip(numbers, failures, strict=True)
    ]
    give(engine, bodies, FAILING)
    assert dict(zip(numbers, suppressed(lookup, numbers), strict=True)) == dict.fromkeys(numbers, True)


def test_a_failure_of_another_reason_opts_out_nobody(engine: Engine) -> None:
    others: list[dict[str, Any]] = [
        {"code": "30003"},
        {"code": "216100"},
        {"code": "2161"},
        {"code": 21610.5},
        {"code": True},
        {"code": None},
        {"error": "code 21610"},
        {"error": {"detail": {"code": "21610"}}},
        {"message": "21610"},
        {},
    ]
    give(engine, [body("message.failed", minute(1), to="+244911000001", **fields) for fields in others], FAILING)
    assert opted_out(engine) == set()


def test_the_name_of_a_stop_is_one_however_it_is_spelled(engine: Engine, lookup: Lookup) -> None:
    numbers = [f"+244{digits(place)}" for place in range(len(OPT_OUT_NAMES))]
    give(engine, [stop(number, name=name) for number, name in zip(numbers, OPT_OUT_NAMES, strict=True)])
    assert dict(zip(OPT_OUT_NAMES, suppressed(lookup, numbers), strict=True)) == dict.fromkeys(OPT_OUT_NAMES, True)


def test_a_body_that_is_compressed_marked_or_escaped_is_read(engine: Engine, lookup: Lookup) -> None:
    numbers = [f"+244{digits(place)}" for place in range(len(READABLE))]
    give(engine, [make(stop(number)) for number, make in zip(numbers, READABLE.values(), strict=True)])
    assert dict(zip(READABLE, suppressed(lookup, numbers), strict=True)) == dict.fromkeys(READABLE, True)


def test_a_dead_letter_that_may_be_a_stop_holds_answers_back_and_no_other_does(engine: Engine, lookup: Lookup) -> None:
    may_opt_outs = {}
    for name, content in {
        **{name: make(stop("+244911000001")) for name, make in MAY_BE_A_STOP.items()},
        **HOLDS_NOTHING,
    }.items():
        give(engine, [content])
        with engine.connect() as connection:
            (may_opt_out,) = connection.execute(select(DEAD_LETTERS.c.may_opt_out)).scalars()
        assert lookup.freshness().held_by == ("dead_letters" if may_opt_out else None)
        may_opt_outs[name] = may_opt_out
        clear(engine)
    assert may_opt_outs == dict.fromkeys(MAY_BE_A_STOP, True) | dict.fromkeys(HOLDS_NOTHING, False)


def nameless(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(NAMELESS_OPT_OUTS.c.subject_id)).scalars())


def test_a_stop_that_names_only_its_sender_waits_for_its_message_to_tell_whose_it_is(
    engine: Engine, lookup: Lookup
) -> None:
    """A sender that is a number may be the person or the customer: both are taken for the person."""
    give(engine, [body("message.optout", minute(1), message_id="m1", **{"from": OURS})])
    assert nameless(engine) == ["m1"]
    give(engine, [body("message.delivered", minute(0), message_id="m1", to="+244911000002")])
    assert nameless(engine) == []
    assert suppressed(lookup, ["+244911000002", OURS]) == [True, True]
