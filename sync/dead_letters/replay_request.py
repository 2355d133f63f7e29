"""What a task is given that replays dead letters, and what it says: known to the console, which replays nothing."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sync.dead_letters.find import LetterSelection

KIND = "replay_dead_letters"
# Counted beside the verdicts: letters that were resolved, or went, between the question and the work.
ALREADY_GONE = "already_gone"
# The failure if known good events fail too.
HELD = "held"


def parameters_of(selection: LetterSelection) -> dict[str, Any]:
    """Return as parameters of a task which letters to replay. They are unresolved, or named."""
    until = selection.received_until
    return {
        "digests": list(selection.digests),
        "reason": selection.reason,
        "received_until": until.isoformat() if until else None,
    }


def selection_of(parameters: Mapping[str, Any]) -> LetterSelection:
    until = parameters["received_until"]
    return LetterSelection(
        digests=tuple(parameters["digests"]),
        reason=parameters["reason"],
        received_until=datetime.fromisoformat(until) if until else None,
    )
