"""Puts drifting rows and counts into words or JSON's types. Numbers and addresses are masked unless asked for.

The output ends up in tickets. An address is shown as +244…678 or a…@example.com, and in free texts every text that
looks like an address is masked too.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sync.rebuild.compare import Drift, DriftKind
from sync.rebuild.walk import TableCounts, WalkCounts
from sync.terminal.masking import masked_address, masked_text
from sync.terminal.text import value_text
from sync.terminal.times import iso_text

SHOWN_CHARACTERS_MAX = 200

_ADDRESSES = frozenset({"recipient", "address"})
_FREE_TEXTS = frozenset({"sender", "failure_code", "failure_reason", "name", "details", "note"})
_KINDS: Mapping[DriftKind, str] = {
    DriftKind.CHANGED: "the row says something else than {source}",
    DriftKind.MISSING: "the row is missing",
    DriftKind.SURPLUS: "no fact makes this row",
}
# What the rows of a table follow from, except for tables whose rows follow from their facts.
_SOURCES: Mapping[str, str] = {"events": "its bodies", "opt_outs": "all that was stated"}
_REPAIRS: Mapping[DriftKind, str] = {
    DriftKind.CHANGED: "changed",
    DriftKind.MISSING: "added",
    DriftKind.SURPLUS: "removed",
}


def drift_document(drift: Drift, *, shows_addresses: bool) -> dict[str, Any]:
    """Return a drifting row as JSON's types: table, key, kind of drift, and each column stored and expected."""

    def shown(name: str, value: Any) -> Any:
        value = value if shows_addresses else _masked(name, value)
        return iso_text(value) if isinstance(value, datetime) else value

    return {
        "table": drift.table,
        "key": {name: shown(name, value) for name, value in drift.key.items()},
        "drift": drift.kind,
        "columns": {
            name: {"stored": shown(name, stored), "expected": shown(name, expected)}
            for name, (stored, expected) in drift.columns.items()
        },
    }


def drift_text(drift: Drift, *, shows_addresses: bool) -> str:
    """Return a drifting row for a person: a line for the row and one for each column, stored → expected."""

    def shown(name: str, value: Any) -> str:
        return _cut_text(value if shows_addresses else _masked(name, value))

    key = " ".join(shown(name, value) for name, value in drift.key.items())
    columns = drift.columns
    width = max(map(len, columns), default=0)
    lines = [
        f"  {name:<{width}}  {shown(name, stored)} → {shown(name, expected)}"
        for name, (stored, expected) in columns.items()
    ]
    kind = _KINDS[drift.kind].format(source=_SOURCES.get(drift.table, "its facts"))
    return "\n".join([f"{drift.table} {key}: {kind}", *lines])


def _masked(name: str, value: Any) -> Any:
    if not isinstance(value, str) or not value:
        return value
    if name in _ADDRESSES:
        return masked_address(value)
    return masked_text(value) if name in _FREE_TEXTS else value


def _cut_text(value: Any) -> str:
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS_MAX:
        value = f"{value[:SHOWN_CHARACTERS_MAX]}… ({len(value)} characters)"
    return value_text(value)


def counts_document(counts: WalkCounts, *, is_check: bool) -> dict[str, Any]:
    """Return the last object of `--json`."""
    return {
        "summary": {
            "is_check": is_check,
            "is_complete": counts.is_complete,
            "facts": counts.facts,
            "unreadable": counts.unreadable,
            "drifting" if is_check else "repaired": counts.drifting,
            "tables": {
                name: {"right": table.right, **_by_kind(table, is_check)} for name, table in counts.tables.items()
            },
        }
    }


def counts_text(counts: WalkCounts, *, is_check: bool) -> str:
    """Return the counts as a small table for a person, with what follows from them."""
    names = ["right", *_by_kind(TableCounts(), is_check)]
    rows = [["", *names]]
    for name, table in counts.tables.items():
        numbers = [table.right, *_by_kind(table, is_check).values()]
        rows.append([name, *(f"{number:,}" for number in numbers)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned: list[Callable[[str, int], str]] = [str.ljust, *[str.rjust] * len(names)]
    lines = [
        "  ".join(align(cell, width) for align, cell, width in zip(aligned, row, widths, strict=True)) for row in rows
    ]
    read = f"{_number(counts.facts, 'fact')} read."
    return "\n".join([read, *_unreadable_lines(counts), *lines, _conclusion(counts, is_check)])


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _by_kind(table: TableCounts, is_check: bool) -> dict[str, int]:
    return {str(kind) if is_check else _REPAIRS[kind]: getattr(table, kind) for kind in DriftKind}


def _unreadable_lines(counts: WalkCounts) -> list[str]:
    if not counts.unreadable:
        return []
    bodies, were = ("body", "was") if counts.unreadable == 1 else ("bodies", "were")
    return [f"{counts.unreadable:,} {bodies} cannot be read by this version and {were} passed over."]


def _conclusion(counts: WalkCounts, is_check: bool) -> str:
    number = _number(counts.drifting, "row")
    until = "" if counts.is_complete else " up to here"
    if is_check:
        drift = "drifts" if counts.drifting == 1 else "drift"
        return f"{number} {drift}{until}." if counts.drifting else f"No row drifts{until}."
    return f"{number} repaired{until}." if counts.drifting else f"Nothing had to be repaired{until}."
