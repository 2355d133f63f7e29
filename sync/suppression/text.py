"""Lays out answers for a person, and as JSON's types. Every value is escaped."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sync.suppression import Answer, Match
from sync.terminal.program import program
from sync.terminal.text import table_text
from sync.terminal.times import iso_text, time_text

# What a statement says about an opt-out.
STATED = {"opted_out": "opted out", "opted_in": "subscribed again"}

_HELD_BY: Mapping[str, str] = {
    "queue": "an opt-out received later waits in the queue",
    "inbox": "an opt-out received later waits in the inbox",
    "dead_letters": f"what may be a later opt-out is a dead letter; see `{program()} dead-letters list`",
    "message": "a later opt-out names no address, and an event that waits may name the person",
    "forget_key": "ZEXA_FORGET_KEY lacks a key that forgotten people were hashed with",
    "clock": "the clock of this machine differs from that of Redis or the database",
    "redis": "Redis did not answer",
    "database": "the database did not answer",
}


def answers_text(answers: Sequence[Answer]) -> str:
    """Return a table of `answers` of one look-up, and as of when they are."""
    names = ("status", "given", "address", "opt-out")
    rows = [(str(answer.status), answer.input, answer.address or "-", _match_text(answer.match)) for answer in answers]
    return f"{table_text(names, rows)}\n{as_of_text(answers[0].as_of, answers[0].held_by)}"


def as_of_text(as_of: datetime | None, held_by: str | None) -> str:
    """Return up to when every acknowledged opt-out is reflected, and why no longer."""
    time = time_text(as_of) if as_of else "unknown"
    return f"As of {time}" + (f": {_HELD_BY.get(held_by, held_by)}." if held_by else ".")


def answers_document(answers: Sequence[Answer]) -> dict[str, Any]:
    """Return `answers` of one look-up as JSON's types; `match` is null or the opt-out that holds."""
    return {
        "as_of": iso_text(answers[0].as_of),
        "held_by": answers[0].held_by,
        "results": [
            {
                # What of an argument is no text would make this no JSON.
                "input": answer.input.encode("utf-8", "backslashreplace").decode(),
                "address": answer.address,
                "status": answer.status,
                "match": answer.match and answer.match._asdict() | {"since": iso_text(answer.match.since)},
            }
            for answer in answers
        ],
    }


def _match_text(match: Match | None) -> str:
    if match is None:
        return "-"
    message = f", message {match.message_id}" if match.message_id else ""
    scope = scope_text(match.channel, match.sender)
    return f"{scope}, since {time_text(match.since)} ({match.source}{message})"


def scope_text(channel: str, sender: str) -> str:
    """Return what an opt-out holds for."""
    return f"{channel or 'any channel'}, {f'sender {sender}' if sender else 'any sender'}"
