"""Lays out what `doctor` found, for a terminal and as JSON's types. Pure."""

from collections.abc import Sequence
from typing import Any

from sync.terminal.findings import Check, Severity
from sync.terminal.text import number_text, visible

_COUNTED = (Severity.PROBLEM, Severity.WARNING, Severity.UNKNOWN)


def is_well(checks: Sequence[Check]) -> bool:
    return all(check.status is not Severity.PROBLEM for check in checks)


def document(checks: Sequence[Check]) -> dict[str, Any]:
    """Return `checks` as JSON's types, in their order."""
    return {
        "ok": is_well(checks),
        "checks": [
            {"check": check.check, "status": check.status, "found": check.found, "remedy": check.remedy}
            for check in checks
        ],
    }


def text(checks: Sequence[Check]) -> str:
    """Return a line for each check, its remedy below it, and a line that counts them."""
    width = max(len(check.check) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{check.status:<7}  {check.check:<{width}}  {visible(check.found)}")
        if check.remedy:
            lines.append(f"{'':<7}  {'':<{width}}  → {visible(check.remedy)}")
    return "\n".join([*lines, "", _count(checks)])


def _count(checks: Sequence[Check]) -> str:
    counts = {status: sum(check.status is status for check in checks) for status in _COUNTED}
    phrases = [
        f"{count} unknown" if status is Severity.UNKNOWN else number_text(count, status)
        for status, count in counts.items()
        if count
    ]
    return ", ".join(phrases) if phrases else "all is well"
