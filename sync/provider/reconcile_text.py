"""What asking came to, for a person and as JSON's types. Pure."""

from typing import Any

from sync.provider.ask import AskCounts
from sync.terminal.text import number_text

_MEANINGS = {
    "repaired": "got their final status by it: their events were lost, and somebody should look why",
    "unchanged": "had one by then: their events came meanwhile",
    "unfinished": "are still queued or sent",
    "unknown": "are unknown to Zexa, under this key",
    "not_understood": "have a status that this version does not know",
    "failed": "were asked for without an answer",
}


def reconcile_text(counts: AskCounts, *, total: int, asked_just_now: int, unusable: int) -> str:
    """Return what became of `total` messages that were to be asked for, the numbers that say something."""
    if not total:
        lines = ["Nothing to ask for: of every message that is meant a final status is known."]
        if asked_just_now:
            lines = [
                f"Nothing to ask for now: {number_text(asked_just_now, 'message')} asked for within the last hour."
            ]
    else:
        lines = [f"{counts.asked:,} of {number_text(total, 'message')} without a final status asked for"]
        width = len(f"{counts.asked:,}")
        numbers = ((getattr(counts, name), meaning) for name, meaning in _MEANINGS.items())
        lines += [f"  {number:>{width},}  {meaning}" for number, meaning in numbers if number]
        if asked_just_now:
            lines.append(f"{number_text(asked_just_now, 'other message')} asked for within the last hour: not again.")
    if unusable:
        lines.append(f"{number_text(unusable, 'row')} of the file without an id.")
    return "\n".join(lines)


def reconcile_document(
    counts: AskCounts, *, total: int, asked_just_now: int, unusable: int, is_done: bool
) -> dict[str, Any]:
    """Return the same as JSON's types, with the same keys in every case."""
    return {
        "is_done": is_done,
        "due": total,
        "asked": counts.asked,
        **{name: getattr(counts, name) for name in _MEANINGS},
        "asked_just_now": asked_just_now,
        "rows_without_id": unusable,
    }
