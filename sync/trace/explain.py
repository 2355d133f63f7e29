"""Says in sentences why a message's row is as it is. Pure: facts and the stored row in, sentences out.

The order of facts is that of `sync.events.merge`; nothing here decides anything. Sentences quote names and times only
as they stand in the facts: the code that shows them on a terminal escapes them first.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import asdict

from sync.events.event import Event, EventType, Outcome
from sync.events.merge import STATUS_OF, holding, message_row, strength
from sync.events.opt_outs import nameless_opt_outs
from sync.terminal.times import time_text


def explain(bodies: Sequence[Event], row: Mapping[str, Any] | None) -> list[str]:
    """Return why `row`, the one of `message_status`, follows from what every body of the message states."""
    facts = list(holding(bodies).values())
    return [
        status_sentence(facts),
        *_conflict_sentences(facts),
        *_several_bodies_sentences(bodies),
        *_difference_sentences(bodies, row),
        *(sentence for fact in facts for sentence in _fact_sentences(fact)),
        *_opt_out_sentences(bodies),
    ]


def status_sentence(facts: Sequence[Event]) -> str:
    """Return why a message has its status; `facts` are those of its bodies that hold."""
    if not facts:
        return "No status can be explained: the ledger has no fact of this message."
    statuses = sorted((fact for fact in facts if _says_status(fact)), key=strength, reverse=True)
    if statuses:
        winner, *others = statuses
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
    ranks = f"{STATUS_OF[winner.name]} ranks above {STATUS_OF[other.name]}"
    return f"{other.name} occurred at the same moment, and {ranks}"


def _dated(fact: Event) -> str:
    return f"{fact.name} (occurred {time_text(fact.occurred_at)})"


def _conflict_sentences(facts: Sequence[Event]) -> list[str]:
    row = message_row(facts)
    if row is None or not row.conflict:
        return []
    statuses = sorted({STATUS_OF[fact.name] for fact in facts if _says_status(fact)})
    return [f"Conflict: {', '.join(statuses[:-1])} and {statuses[-1]} are final, and only one can be true."]


def _several_bodies_sentences(bodies: Sequence[Event]) -> list[str]:
    sentences = []
    for (_, name), held in holding(bodies).items():
        count = sum(body.key == held.key for body in bodies)
        if count > 1:
            sentences.append(
                f"{name} came with {count} different bodies: the one that occurred {time_text(held.occurred_at)} "
                "holds, and the others add only what it leaves out."
            )
    return sentences


def _difference_sentences(bodies: Sequence[Event], row: Mapping[str, Any] | None) -> list[str]:
    expected = message_row(bodies)
    if expected is None:
        return []
    if row is None:
        return ["The row is missing: message_status has none, though these facts make one."]
    differing = [name for name, value in asdict(expected).items() if row[name] != value]
    if not differing:
        return []
    return [
        f"The stored row differs from what these facts make in {', '.join(differing)}: it was changed by other "
        "means, or applied with another ZEXA_DEFAULT_REGION."
    ]


def _fact_sentences(fact: Event) -> list[str]:
    sentences = []
    if fact.outcome is Outcome.IGNORED:
        sentences.append(f"{fact.name or 'An event without a type'} is ignored: its type is unknown to this version.")
    elif not (fact.message and fact.message.message_id):
        subject = "a campaign" if fact.campaign else "no message by its id"
        sentences.append(f"{fact.name} is of {subject}, so it makes no row of message_status.")
    if not fact.is_dated:
        sentences.append(
            f"{fact.name or 'An event without a type'} names no time: it counts as occurred when it was received."
        )
    return sentences


def _opt_out_sentences(bodies: Sequence[Event]) -> list[str]:
    opt_outs = [body for body in bodies if body.name == EventType.OPT_OUT]
    if not opt_outs:
        return []
    sentences = []
    if any(_says_status(body) for body in bodies):
        sentences.append(f"{_dated(opt_outs[0])} is a decision of the recipient and changes no status.")
    if nameless_opt_outs(bodies):
        sentences.append(
            "The opt-out names no address and waits for its message to name one: until then it suppresses no person."
        )
    elif any(body.message and not body.message.recipient for body in opt_outs):
        sentences.append("The opt-out names no address itself: it holds for the addresses that its message went to.")
    return sentences
