"""Lays out answers and opt-outs for a person, and as JSON's types. Every value is escaped."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sync.opt_out_rule import is_in_force
from sync.opt_outs.finding import StoredOptOut
from sync.opt_outs.moments import iso_text
from sync.program import program
from sync.rebuilding.text import masked_address, masked_text
from sync.suppression import Answer, Match
from sync.tracing.explaining import moment_text
from sync.tracing.text import visible

_HELD_BY: Mapping[str, str] = {
    "queue": "an opt-out received later waits in the queue",
    "inbox": "an opt-out received later waits in the inbox",
    "dead_letters": f"what may be a later opt-out is a dead letter; see `{program()} dead-letters list`",
    "message": "a later opt-out names no address, and what waits may tell whose it is",
    "redis": "Redis did not answer",
    "database": "the database did not answer",
}

# The id of an opt-out that an event states is the digest of its body.


def answers_text(answers: Sequence[Answer]) -> str:
    """Return a table of `answers` of one look-up, and as of when they are."""
    names = ("status", "given", "address", "opt-out")
    rows = [(str(of.status), of.input, of.address or "-", _match_text(of.match)) for of in answers]
    return f"{table_text(names, rows)}\n{as_of_text(answers[0].as_of, answers[0].held_by)}"


def as_of_text(as_of: datetime | None, held_by: str | None) -> str:
    """Return up to when every acknowledged opt-out is reflected, and why no longer."""
    moment = moment_text(as_of) if as_of else "unknown"
    return f"As of {moment}" + (f": {_HELD_BY.get(held_by, held_by)}." if held_by else ".")


def answers_document(answers: Sequence[Answer]) -> dict[str, Any]:
    """Return `answers` of one look-up as JSON's types; `match` is null or the opt-out that holds."""
    return {
        "as_of": iso_text(answers[0].as_of),
        "held_by": answers[0].held_by,
        "results": [
            {
                # What of an argument is no text would make this no JSON.
                "input": of.input.encode("utf-8", "backslashreplace").decode(),
                "address": of.address,
                "status": of.status,
                "match": of.match and of.match._asdict() | {"since": iso_text(of.match.since)},
            }
            for of in answers
        ],
    }


def _match_text(match: Match | None) -> str:
    if match is None:
        return "-"
    message = f", message {match.message_id}" if match.message_id else ""
    scope = scope_text(match.channel, match.sender)
    return f"{scope}, since {moment_text(match.since)} ({match.source}{message})"


def scope_text(channel: str, sender: str) -> str:
    """Return what an opt-out holds for."""
    return f"{channel or 'any channel'}, {f'sender {sender}' if sender else 'any sender'}"


def opt_outs_text(rows: Sequence[StoredOptOut], *, shows_addresses: bool) -> str:
    """Return a table of rows of `opt_outs`."""
    names = ("opted out", "opted in", "address", "channel", "sender", "source", "note")
    return table_text(names, [_cells(row, shows_addresses=shows_addresses) for row in rows])


def _cells(row: StoredOptOut, *, shows_addresses: bool) -> Sequence[str]:
    shown = opt_out_document(row, shows_addresses=shows_addresses)
    moments = [moment_text(row[name]) if row[name] else "-" for name in ("opted_out_at", "opted_in_at")]
    return [
        *moments,
        shown["address"],
        shown["channel"] or "any",
        shown["sender"] or "any",
        shown["source"],
        shown["note"] or "-",
    ]


def opt_out_document(row: StoredOptOut, *, shows_addresses: bool) -> dict[str, Any]:
    """Return a row of `opt_outs` as JSON's types, its address and what is like one masked unless asked for."""
    shown = {name: iso_text(value) if isinstance(value, datetime) else value for name, value in row.items()}
    shown["is_in_force"] = is_in_force(row["opted_in_at"], row["received_at"])
    if not shows_addresses:
        for name in ("address", "person"):
            shown[name] = masked_address(row[name])
        for name in ("sender", "note"):
            shown[name] = row[name] and masked_text(row[name])
    return shown


def table_text(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return cells in aligned columns under `names`; the last one is as long as its values."""
    lines = [list(names), *([visible(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    widths[-1] = 0
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
