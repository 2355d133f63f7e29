"""Says of messages after an opt-out whether this installation could have known of it. Pure.

The time of a status is not the time of sending: a message is sent some time before it is delivered.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sync.terminal.times import duration_text

# A row of the view `sent_after_opt_out`, by column.
Row = Mapping[str, Any]


class Knowledge(StrEnum):
    """What this installation knew of the opt-out when the message got its status."""

    BEFORE_RECEIPT = "before_receipt"  # nothing: the opt-out reached us later
    BEFORE_EFFECT = "before_effect"  # it had reached us, and waited to be applied
    IN_FORCE = "in_force"  # a look-up would have said so


_COUNTED = {
    Knowledge.BEFORE_RECEIPT: "sent before we knew",
    Knowledge.BEFORE_EFFECT: "before it took effect",
    Knowledge.IN_FORCE: "while it was in force",
}


def knowledge_of(row: Row) -> Knowledge:
    """Return what was known of the opt-out at the time of the status."""
    if row["status_at"] <= _received_at(row):
        return Knowledge.BEFORE_RECEIPT
    return Knowledge.BEFORE_EFFECT if row["status_at"] <= row["opt_out_applied_at"] else Knowledge.IN_FORCE


def verdict_sentence(row: Row) -> str:
    """Return how long after the opt-out the message got its status, and what we knew by then."""
    after = "STOP" if row["opt_out_source"] == "event" else "the opt-out"
    return f"{duration_text(row['seconds_after_opt_out'])} after {after}; {_knowledge_text(row)}"


def verdict_text(rows: Sequence[Row]) -> str:
    """Return the verdict on all messages of a person that are later than an opt-out; the worst is given in full."""
    if not rows:
        return "No message after an opt-out."
    worst = max(rows, key=_gravity)
    if len(rows) == 1:
        return f"1 message {verdict_sentence(worst)}."
    counts = Counter(knowledge_of(row) for row in rows)
    counted = ", ".join(f"{counts[knowledge]:,} {words}" for knowledge, words in _COUNTED.items() if counts[knowledge])
    worst_text = f"The worst, {worst['message_id']}: {verdict_sentence(worst)}."
    return f"{len(rows):,} messages after an opt-out: {counted}. {worst_text}"


def verdict_cell(row: Row) -> str:
    """Return what we knew by the time of the status, in the few words that fit a table."""
    margin = duration_text(_margin(row).total_seconds())
    match knowledge_of(row):
        case Knowledge.BEFORE_RECEIPT:
            return f"{margin} before we knew"
        case Knowledge.BEFORE_EFFECT:
            return f"{margin} before it took effect"
        case Knowledge.IN_FORCE:
            return f"in force for {margin}"


def verdict_document(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the verdict as JSON's types: how many messages of each kind of knowledge, and the text."""
    counts = Counter(knowledge_of(row) for row in rows)
    return {
        "messages": len(rows),
        **{str(knowledge): counts[knowledge] for knowledge in Knowledge},
        "text": verdict_text(rows),
    }


def _knowledge_text(row: Row) -> str:
    stop = "the STOP" if row["opt_out_source"] == "event" else "the opt-out"
    margin = duration_text(_margin(row).total_seconds())
    match knowledge_of(row):
        case Knowledge.BEFORE_RECEIPT:
            return f"{stop} reached us {margin} after that message's status: sent before we knew"
        case Knowledge.BEFORE_EFFECT:
            received = duration_text((row["status_at"] - _received_at(row)).total_seconds())
            return (
                f"{stop} reached us {received} before that message's status and took effect {margin} after it: "
                "sent before it took effect"
            )
        case Knowledge.IN_FORCE:
            return (
                f"{stop} was in force here {margin} before that message's status: the message was on its way for so "
                "long, or was sent all the same"
            )


def _received_at(row: Row) -> datetime:
    """Return when the opt-out reached us. What a person states has no receipt: it reaches us as it takes effect."""
    received_at: datetime = row["opt_out_received_at"] or row["opt_out_applied_at"]
    return received_at


def _margin(row: Row) -> timedelta:
    """Return how far the status is from the time that decides what we knew."""
    status_at: datetime = row["status_at"]
    applied_at: datetime = row["opt_out_applied_at"]
    match knowledge_of(row):
        case Knowledge.BEFORE_RECEIPT:
            return _received_at(row) - status_at
        case Knowledge.BEFORE_EFFECT:
            return applied_at - status_at
        case Knowledge.IN_FORCE:
            return status_at - max(_received_at(row), applied_at)


def _gravity(row: Row) -> tuple[bool, bool, float]:
    knowledge = knowledge_of(row)
    return knowledge is Knowledge.IN_FORCE, knowledge is Knowledge.BEFORE_EFFECT, row["seconds_after_opt_out"]
