"""Says in sentences why a message's row is as it is. Pure: facts and the stored row in, sentences out.

The order of facts is that of `sync.merge`; nothing here decides anything. Sentences quote names and times only
as they stand in the facts: whoever shows them on a terminal escapes them first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sync.events import Event, EventType, Outcome
from sync.merge import STATUS_OF, message_row, opt_out_rows, strength

# What a row may know of its message from bodies that the ledger did not keep.
_FILLED = ("channel", "recipient", "sender", "campaign_id")


def explain(facts: Sequence[Event], row: Mapping[str, Any] | None) -> list[str]:
    """Return why `row`, the one of `message_status`, follows from `facts`, all that the ledger has of it."""
    return [
        _status_sentence(facts),
        *_conflict_sentences(facts),
        *_difference_sentences(facts, row),
        *(sentence for fact in facts for sentence in _fact_sentences(fact)),
        *_opt_out_sentences(facts, row),
    ]


def moment_text(moment: datetime) -> str:
    """Return an aware UTC moment as people read it, to the microsecond where it has any."""
    return moment.isoformat(sep=" ").replace("+00:00", "Z")


def _status_sentence(facts: Sequence[Event]) -> str:
    if not facts:
        return "No status can be explained: the ledger has no fact of this message."
    known = sorted((fact for fact in facts if _says_status(fact)), key=strength, reverse=True)
    if known:
        winner, *others = known
        kind = "the latest final event" if others else "the only event that says what became of it"
        because = f"{STATUS_OF[winner.name]}, because {_dated(winner)} is {kind}"
        return "; ".join([because, *(_beaten(winner, other) for other in others)]) + "."
    if any(fact.name == EventType.OPT_OUT for fact in facts):
        return "No status, because only an opt-out is known: no event says what became of the message."
    return "No status and no row, because no fact says anything of a message that this version knows."


def _says_status(fact: Event) -> bool:
    return fact.name in STATUS_OF and fact.message is not None and fact.message.message_id is not None


def _beaten(winner: Event, other: Event) -> str:
    if winner.occurred_at > other.occurred_at:
        return f"it outranks {_dated(other)}"
    return (
        f"{other.name} occurred at the same moment, where {STATUS_OF[winner.name]} ranks above {STATUS_OF[other.name]}"
    )


def _dated(fact: Event) -> str:
    return f"{fact.name} (occurred {moment_text(fact.occurred_at)})"


def _conflict_sentences(facts: Sequence[Event]) -> list[str]:
    row = message_row(facts)
    if row is None or not row.conflict:
        return []
    statuses = sorted({STATUS_OF[fact.name] for fact in facts if _says_status(fact)})
    return [f"Conflict: {', '.join(statuses[:-1])} and {statuses[-1]} are final, and only one can be true."]


def _difference_sentences(facts: Sequence[Event], row: Mapping[str, Any] | None) -> list[str]:
    expected = message_row(facts)
    if expected is None:
        return []
    if row is None:
        return ["The row is missing: message_status has none, though these facts make one."]
    differing = {name: value for name, value in asdict(expected).items() if row[name] != value}
    # A body that gave way to another under its key may have told what none of those kept does.
    filled = [name for name in _FILLED if name in differing and differing[name] is None]
    changed = [name for name in differing if name not in filled]
    sentences = []
    if filled:
        sentences.append(f"No fact names {', '.join(filled)}: a body that gave way to another one did.")
    if changed:
        sentences.append(
            f"The stored row differs from what these facts make in {', '.join(changed)}: it was changed by other "
            "means, or applied with another ZEXA_DEFAULT_REGION."
        )
    return sentences


def _fact_sentences(fact: Event) -> list[str]:
    sentences = []
    if fact.outcome is Outcome.IGNORED:
        sentences.append(f"{fact.name or 'An event without a type'} is ignored: its type is unknown to this version.")
    elif not (fact.message and fact.message.message_id):
        of = "a campaign" if fact.campaign else "no message by its id"
        sentences.append(f"{fact.name} is of {of}, so it makes no row of message_status.")
    if not fact.is_dated:
        sentences.append(
            f"{fact.name or 'An event without a type'} names no time: it counts as occurred when it was received."
        )
    return sentences


def _opt_out_sentences(facts: Sequence[Event], row: Mapping[str, Any] | None) -> list[str]:
    opt_outs = [fact for fact in facts if fact.name == EventType.OPT_OUT]
    if not opt_outs:
        return []
    sentences = []
    if any(_says_status(fact) for fact in facts):
        sentences.append(f"{_dated(opt_outs[0])} is a decision of the recipient and changes no status.")
    if not (opt_out_rows(facts) or (row and row["recipient"])):
        sentences.append(
            "The opt-out names no address and waits for its message to name one: it suppresses nobody until then."
        )
    elif any(fact.message and not fact.message.recipient for fact in opt_outs):
        sentences.append("The opt-out names no address itself: it holds for those its message went to.")
    return sentences
