"""Forgotten at any moment is forgotten at the end: the same rows, nothing drifts, and nothing names the person."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from structlog.testing import capture_logs

from sync.events.interpretation import ParseOptions
from sync.rebuild.rollups import check_rollups
from sync.rebuild.walk import WalkCounts
from tests.integration.person.forgetting import BY, OPTIONS, clear_with_forgotten, dumped, forget
from tests.integration.rebuild.damage import in_few
from tests.integration.store.test_oracle import RECIPIENTS, Step, Story, drifts, stories, take
from tests.support.events_builder import Row, body, minute, patient, raw, without_random_ids

PERSON = RECIPIENTS[0]
DIGITS = PERSON.removeprefix("+244")

# Bodies that name the person otherwise than as the recipient, or as nobody that can be read.
NAMING = st.sampled_from(
    [
        body("message.failed", minute(2), message_id="msg_1", to=RECIPIENTS[1], error=f"same as {DIGITS}"),
        body("message.failed", minute(2), message_id="msg_1", from_=PERSON, error="busy"),
        body("message.optout", minute(3), message_id="msg_2", to=RECIPIENTS[2], from_=DIGITS, channel="sms"),
        body("message.delivered", minute(4), message_id=f"id-{DIGITS}", to=RECIPIENTS[1], campaign_id="cmp_0"),
        body("message.optout", minute(4), message_id=f"id-{DIGITS}", channel="sms"),
        body("message.delivered", minute(5), message_id="msg_3", to=RECIPIENTS[1], campaign_id=f"cmp-{DIGITS}"),
        body("campaign.sent", minute(5), id=f"cmp-{DIGITS}", name="June", total=3),
        body("campaign.completed", minute(6), id="cmp_0", name=f"to {DIGITS}", total=int(DIGITS)),
        body(f"message.seen by {DIGITS}", minute(6), message_id="msg_0"),
        body("message.optout", minute(7), to=f"whatsapp:{PERSON}", channel="whatsapp"),
        body("webhook.test", None, note=PERSON),
        f'{{"event": "message.optout", "to": "{DIGITS[:3]} {DIGITS[3:]}"'.encode(),
        f"[{PERSON}]".encode(),
    ]
)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


@st.composite
def stories_of_somebody(draw: st.DrawFn) -> Story:
    story = draw(stories())
    more: list[Step] = [[raw(content)] for content in draw(st.lists(NAMING, max_size=4))]
    return replace(story, steps=draw(st.permutations([*story.steps, *more])))


@settings(
    patient,
    max_examples=40,
    suppress_health_check=[*patient.suppress_health_check, HealthCheck.function_scoped_fixture],
)
@given(story=stories_of_somebody(), data=st.data())
def test_forgotten_at_any_moment_is_forgotten_at_the_end_and_nothing_drifts(
    engine: Engine, story: Story, data: st.DataObject
) -> None:
    options = replace(OPTIONS, opt_out_failures=story.opting_out)
    at = data.draw(st.integers(0, len(story.steps)))
    at_the_end = after(engine, [in_few(story.steps), []], options)
    assert after(engine, [story.steps[:at], story.steps[at:]], options) == at_the_end
    assert drifts(engine, options) == []
    wrong: list[Any] = []
    check_rollups(engine, WalkCounts(), wrong.append)
    assert wrong == []
    assert DIGITS not in dumped(engine)
    again = without_random_ids(engine)
    counts = forget(engine, PERSON, options)
    assert (counts.bodies, counts.statements, counts.dead_letters, counts.inbox) == (0, 0, 0, 0)
    assert without_random_ids(engine) == again


# Of each person how they are spelled, and what of it must be found nowhere.
OTHERS = {
    "ana@example.com": (["Ana@Example.com", "Ana <ANA@EXAMPLE.COM>", "mailto:ana@example.com"], "ana"),
    "UABCDEFGH": (["UABCDEFGH", " UABCDEFGH "], "UABCDEFGH"),
    "+551191234567": (["+5511991234567", "+551191234567", "5511991234567@c.us"], "91234567"),
}


@pytest.mark.parametrize("person", OTHERS)
def test_people_of_other_addresses_are_forgotten_alike_before_their_events_and_afterwards(
    engine: Engine, person: str
) -> None:
    spellings, named = OTHERS[person]
    channel = {"a": "email", "U": "slack", "+": "whatsapp"}[person[0]]
    stop = body("message.optout", minute(3), message_id="m0", channel=channel)
    steps: list[Step] = [[raw(stop)]] + [
        [raw(body("message.delivered", minute(number), message_id=f"m{number}", to=spelling, channel=channel))]
        for number, spelling in enumerate(spellings)
    ]
    # Two spellings in bodies of one message: what its STOP states of both becomes one statement.
    steps += [[raw(body("message.failed", minute(9), message_id="m0", to=spellings[1], channel=channel))]]
    steps += [[raw(body("message.optout", minute(9), to=spellings[0], from_="ZEXA", channel=channel))]]
    before = after(engine, [[], steps], OPTIONS, person)
    assert named not in dumped(engine)
    assert after(engine, [steps, []], OPTIONS, person) == before
    assert named not in dumped(engine)
    assert drifts(engine, OPTIONS) == []
    assert {row["recipient"] for row in before["message_status"]} == {OPTIONS.forget_keys[0].pseudonym(person)}


def after(engine: Engine, parts: list[list[Step]], options: ParseOptions, person: str = PERSON) -> dict[str, list[Row]]:
    """Return all rows once the first part is taken, the person is forgotten, and the second part is taken."""
    clear_with_forgotten(engine)
    take(engine, parts[0], options)
    forget(engine, person, options)
    take(engine, parts[1], options)
    return without_the_word(without_random_ids(engine), options.forget_keys[0].pseudonym(person))


def without_the_word(tables: dict[str, list[Row]], pseudonym: str) -> dict[str, list[Row]]:
    """Return the rows without what says when the person was forgotten, and when we worked."""
    of_word = {"channel": "", "address": pseudonym, "sender": ""}
    history = [row for row in tables["opt_out_history"] if row["stated_by"] != BY]
    opt_outs = [row for row in tables["opt_outs"] if row.items() & of_word.items() != of_word.items()]
    letters = [row | {"resolved_at": row["resolved_at"] is not None} for row in tables["dead_letters"]]
    return tables | {"opt_out_history": history, "opt_outs": opt_outs, "dead_letters": letters}
