"""Says in sentences why a message's row is as it is. Pure: facts and the stored row in, sentences out.

The order of facts is that of `sync.events.merge`; nothing here decides anything. Sentences quote names and times only
as they stand in the facts: the code that shows them on a terminal escapes them first.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import asdict

from sync.events.event import Event, EventType, Outcome
from sync.events.merge import holding, is_of_message, message_row, strength
from sync.events.opt_outs import nameless_opt_outs
from sync.events.statuses import is_final, status_of
from sync.terminal.text import POLLED
from sync.terminal.times import time_text


def explain(bodies: Sequence[Event], row: Mapping[str, Any] | None) -> list[str]:
    """Return why `row`, the one of `message_status`, follows from what every body of the message states."""
    facts = list(holding(bodies).values())
    return [
        status_sentence(bodies),
        *_conflict_sentences(bodies),
        *_several_bodies_sentences(bodies),
        *_difference_sentences(bodies, row),
        *(sentence for fact in facts for sentence in _fact_sentences(fact)),
        *_opt_out_sentences(bodies),
    ]


def status_sentence(bodies: Sequence[Event]) -> str:
    """Return why a message has its status, by what every body of the message states."""
    if not bodies:
        return "No status can be explained: the ledger has no fact of this message."
    facts = list(_holding_known(bodies))
    statuses = sorted((fact for fact in facts if _says_status(fact)), key=strength, reverse=True)
    if statuses:
        winner, *others = statuses
        kind = "the only event that says what became of it"
        if others:
            kind = "the latest final event" if is_final(winner) else "the latest event"
        because = f"{status_of(winner)}, because {_dated(winner)} is {kind}"
        return "; ".join([because, *(_beaten(winner, other) for other in others)]) + "."
    if any(fact.name == EventType.OPT_OUT for fact in facts):
        return "No status, because only an opt-out is known: no event says what became of the message."
    return "No status and no row, because no fact says anything of a message that this version knows."


def _holding_known(bodies: Sequence[Event]) -> Iterable[Event]:
    """Return those bodies that hold among all that this version knows, as `message_row` takes them."""
    return holding(body for body in bodies if is_of_message(body)).values()


def _says_status(fact: Event) -> bool:
    return status_of(fact) is not None and fact.message is not None and fact.message.message_id is not None


def _beaten(winner: Event, other: Event) -> str:
    if is_final(winner) and not is_final(other):
        return f"{_dated(other)} is not final"
    if winner.occurred_at > other.occurred_at:
        return f"it outranks {_dated(other)}"
    why = f"{status_of(winner)} ranks above {status_of(other)}"
    if winner.is_polled != other.is_polled:
        why = "what is signed goes before what was asked for"
    return f"{other.name} occurred at the same moment, and {why}"


def _dated(fact: Event) -> str:
    origin = f", {POLLED}" if fact.is_polled else ""
    return f"{fact.name} (occurred {time_text(fact.occurred_at)}{origin})"


def _conflict_sentences(bodies: Sequence[Event]) -> list[str]:
    row = message_row(bodies)
    if row is None or not row.conflict:
        return []
    statuses = sorted({status for fact in _holding_known(bodies) if is_final(fact) and (status := status_of(fact))})
    return [f"Conflict: {', '.join(statuses[:-1])} and {statuses[-1]} are final, and only one can be true."]


def _several_bodies_sentences(bodies: Sequence[Event]) -> list[str]:
    sentences = []
    for (_, name), event in holding(bodies).items():
        count = sum(body.key == event.key for body in bodies)
        if count > 1:
            sentences.append(
                f"{name} came with {count} different bodies: the one that occurred {time_text(event.occurred_at)} "
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
        reached = "asked for" if fact.is_polled else "received"
        sentences.append(
            f"{fact.name or 'An event without a type'} names no time: it counts as occurred when it was {reached}."
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
