"""What is held about a person, as text: the order, and what is said of what is not known."""

from dataclasses import replace
from typing import Any

import pytest

from sync.events.addresses import Address
from sync.person.find import Holdings
from sync.person.search import SearchResult
from sync.person.text import headline, nothing_text, person_text
from tests.support.events_builder import ANA, minute

NONE = SearchResult(rows=(), looked_at=3, is_complete=True)
NOTHING = Holdings(
    people=(Address(ANA, ANA), Address(ANA[1:], ANA[1:])),
    messages=[],
    message_count=0,
    opt_outs=[],
    history=[],
    late=[],
    facts=None,
    other_facts=NONE,
    dead_letters=NONE,
    inbox=NONE,
    queue=NONE,
)
LATE = {
    "message_id": "m2",
    "status_at": minute(114),
    "opt_out_received_at": minute(115),
    "opt_out_applied_at": minute(116),
    "opt_out_source": "event",
    "seconds_after_opt_out": 6840.0,
}


def opt_out(at: float, *, is_in_force: bool) -> dict[str, Any]:
    return {"opted_out_at": minute(at), "is_in_force": is_in_force}


@pytest.mark.parametrize(
    ("opt_outs", "late", "text"),
    [
        ([], [], "No opt-out is known."),
        (
            [opt_out(3, is_in_force=True), opt_out(2, is_in_force=True)],
            [],
            "No message after an opt-out. Opted out since 2026-06-24 10:02:00Z.",
        ),
        (
            [opt_out(2, is_in_force=False)],
            [LATE],
            "1 message 1 h 54 min after STOP; the STOP reached us 1 min after that message's status: sent before we "
            "knew. Opted out once; no opt-out is in force.",
        ),
    ],
)
def test_the_verdict_says_whether_the_person_may_be_messaged_and_was(
    opt_outs: list[Any], late: list[Any], text: str
) -> None:
    assert headline(replace(NOTHING, opt_outs=opt_outs, late=late)) == text


def test_of_a_number_its_reading_as_an_id_of_slacks_is_not_told() -> None:
    assert nothing_text(NOTHING) == "Nothing is held about +244\u2026678."


def test_what_nobody_looked_at_is_not_said_to_be_nothing() -> None:
    more = replace(NOTHING, queue=None, dead_letters=replace(NONE, is_complete=False))
    assert nothing_text(more).endswith("Not known: dead letters that name this person, waiting in the queue.")
    shown = person_text(more, shows_addresses=False)
    assert "Dead letters that name this person: 0 of 3; there are more, which only `person export` looks at" in shown
    assert "Waiting in the queue: unknown: Redis did not answer" in shown


def test_the_verdict_comes_first_and_then_messages_opt_outs_dead_letters_and_what_waits() -> None:
    lines = person_text(NOTHING, shows_addresses=True).split("\n\n")
    assert lines[0] == f"What is held about {ANA} (all times are UTC)"
    assert lines[1:] == [
        "No opt-out is known.",
        "Messages: none",
        "Opt-outs: none",
        "Statements about opt-outs: none",
        "Other facts that name this person: 0 of 3",
        "Dead letters that name this person: 0 of 3",
        "Waiting in the inbox: 0 of 3",
        "Waiting in the queue: 0 of 3",
    ]
