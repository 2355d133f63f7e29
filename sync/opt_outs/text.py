"""Lays out answers and opt-outs for a person, and as JSON's types. Every value is escaped."""

from collections.abc import Sequence
from typing import Any

from sync.events.opt_outs import is_in_force
from sync.opt_outs.find import StoredOptOut
from sync.terminal.masking import masked_address, masked_text
from sync.terminal.text import table_text
from sync.terminal.times import row_in_json, time_text

# The id of an opt-out that an event states is the digest of its body.


def opt_outs_text(rows: Sequence[StoredOptOut], *, shows_addresses: bool) -> str:
    """Return a table of rows of `opt_outs`."""
    names = ("opted out", "opted in", "address", "channel", "sender", "source", "note")
    return table_text(names, [_cells(row, shows_addresses=shows_addresses) for row in rows])


def _cells(row: StoredOptOut, *, shows_addresses: bool) -> Sequence[str]:
    document = opt_out_document(row, shows_addresses=shows_addresses)
    times = [time_text(row[name]) for name in ("opted_out_at", "opted_in_at")]
    return [
        *times,
        document["address"],
        document["channel"] or "any",
        document["sender"] or "any",
        document["source"],
        document["note"] or "-",
    ]


def opt_out_document(row: StoredOptOut, *, shows_addresses: bool) -> dict[str, Any]:
    """Return a row of `opt_outs` as JSON's types, its address and what is like one masked unless asked for."""
    document = row_in_json(row)
    document["is_in_force"] = is_in_force(row["opted_in_at"], row["received_at"])
    if not shows_addresses:
        for name in ("address", "person"):
            document[name] = masked_address(row[name])
        for name in ("sender", "note"):
            document[name] = row[name] and masked_text(row[name])
    return document
