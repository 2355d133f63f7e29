"""Whether we could have known of an opt-out when a message got its status: the rule, and how it is told."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.opt_outs.verdict import (
    Knowledge,
    knowledge_of,
    verdict_cell,
    verdict_document,
    verdict_sentence,
    verdict_text,
)
from tests.support.events_builder import minute

SECONDS = st.integers(1, 10**6)


def late(status: float, *, received: float | None, applied: float, source: str = "event", name: str = "m1") -> Any:
    """A row of `sent_after_opt_out`: an opt-out at ten, and what came so many seconds after it."""
    return {
        "message_id": name,
        "status_at": minute(0) + timedelta(seconds=status),
        "opted_out_at": minute(0),
        "opt_out_received_at": None if received is None else minute(0) + timedelta(seconds=received),
        "opt_out_applied_at": minute(0) + timedelta(seconds=applied),
        "opt_out_source": source,
        "seconds_after_opt_out": float(status),
    }


@pytest.mark.parametrize(
    ("row", "sentence", "cell"),
    [
        (
            late(6840, received=6841, applied=6842),
            "1 h 54 min after STOP; the STOP reached us 1.0 s after that message's status: sent before we knew",
            "1.0 s before we knew",
        ),
        (
            late(60, received=30, applied=62),
            "1 min after STOP; the STOP reached us 30.0 s before that message's status and took effect 2.0 s after it: "
            "sent before it took effect",
            "2.0 s before it took effect",
        ),
        (
            late(3600, received=1, applied=2),
            "1 h after STOP; the STOP was in force here 59 min 58 s before that message's status: the message was on "
            "its way for so long, or was sent all the same",
            "in force for 59 min 58 s",
        ),
        (
            late(3600, received=None, applied=7200, source="manual"),
            "1 h after the opt-out; the opt-out reached us 1 h after that message's status: sent before we knew",
            "1 h before we knew",
        ),
    ],
)
def test_a_verdict_says_how_late_and_what_we_knew(row: Any, sentence: str, cell: str) -> None:
    assert verdict_sentence(row) == sentence
    assert verdict_text([row]) == f"1 message {sentence}."
    assert verdict_cell(row) == cell


@given(status=SECONDS, received=SECONDS, applied=SECONDS)
def test_we_knew_once_the_opt_out_had_reached_us_and_it_held_once_it_was_applied(
    status: int, received: int, applied: int
) -> None:
    knowledge = knowledge_of(late(status, received=received, applied=applied))
    assert (knowledge is Knowledge.BEFORE_RECEIPT) == (status <= received)
    assert (knowledge is Knowledge.IN_FORCE) == (status > received and status > applied)


@given(status=SECONDS, applied=SECONDS)
def test_what_a_person_states_reaches_us_as_it_takes_effect(status: int, applied: int) -> None:
    knowledge = knowledge_of(late(status, received=None, applied=applied))
    assert knowledge is (Knowledge.BEFORE_RECEIPT if status <= applied else Knowledge.IN_FORCE)


KNOWN_BEFORE = late(10, received=60, applied=61, name="early")
IN_FORCE = late(600, received=60, applied=61, name="worst")


def test_of_several_messages_the_verdict_counts_each_kind_and_tells_the_worst() -> None:
    text = verdict_text([KNOWN_BEFORE, IN_FORCE, late(20, received=60, applied=61)])
    assert text.startswith(
        "3 messages after an opt-out: 2 sent before we knew, 1 while it was in force. The worst, worst: 10 min after"
    )


@given(st.lists(st.sampled_from([KNOWN_BEFORE, IN_FORCE, late(61, received=60, applied=62)])))
def test_every_message_is_counted_once(rows: list[Any]) -> None:
    document = verdict_document(rows)
    assert document["messages"] == len(rows) == sum(document[knowledge] for knowledge in Knowledge)
    assert document["text"] == verdict_text(rows)
