"""The rule of merging: which of several facts holds, and what rows follow from them. Pure.

Rows are a function of the *set* of facts: not of their order, of copies, of batches or of how many workers
ran. Every pair of facts has an answer, so there is no state machine and no transition to forget.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import groupby

from sync.events import EARLIEST, Event, EventType, MessageDetails

Key = tuple[str, str]


class Status(StrEnum):
    """The statuses of a message; of two events at one moment the one whose status stands first here wins."""

    DELIVERED = "delivered"  # final: reached the recipient
    UNDELIVERABLE = "undeliverable"  # final: cannot be delivered
    FAILED = "failed"  # final: all attempts failed
    SENT = "sent"  # handed to the carrier
    QUEUED = "queued"  # accepted by the provider


STATUS_OF: Mapping[str, Status] = {
    EventType.DELIVERED: Status.DELIVERED,
    EventType.FAILED: Status.FAILED,
    EventType.UNDELIVERABLE: Status.UNDELIVERABLE,
}
CAMPAIGN_STATUS_OF: Mapping[str, str] = {EventType.CAMPAIGN_SENT: "sent", EventType.CAMPAIGN_COMPLETED: "completed"}

_FINAL = frozenset({Status.DELIVERED, Status.UNDELIVERABLE, Status.FAILED})
_FAILURES = frozenset({Status.UNDELIVERABLE, Status.FAILED})
_RANK = {status: rank for rank, status in enumerate(reversed(Status))}


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """A row of `message_status`, but for `updated_at`."""

    message_id: str
    channel: str | None
    recipient: str | None
    sender: str | None
    campaign_id: str | None
    status: str | None
    status_at: datetime | None
    delivered_at: datetime | None
    failed_at: datetime | None
    failure_code: str | None
    failure_reason: str | None
    opted_out_at: datetime | None
    conflict: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRow:
    """A row of `campaign_status`, but for `updated_at`."""

    campaign_id: str
    status: str
    sent_at: datetime | None
    completed_at: datetime | None
    name: str | None
    channel: str | None
    details: str
    message_total: int | None


class OptOutSource(StrEnum):
    """By whose word somebody has opted out."""

    EVENT = "event"  # the provider's: a STOP, or an unsubscribe link
    FAILURE = "failure"  # a carrier's, which refused a message for that reason (`Reading.opt_out_failures`)
    MANUAL = "manual"  # a person's, by command
    IMPORT = "import"  # a file's


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOutRow:
    """What one opt-out claims of a row of `opt_outs`.

    An event's has the `fact` that states it; a person's has who states it and why.
    """

    channel: str
    address: str
    sender: str
    opted_out_at: datetime
    message_id: str | None
    source: str = OptOutSource.EVENT
    note: str | None = field(default=None, repr=False)
    fact: Event | None = field(default=None, repr=False, compare=False)
    stated_by: str | None = field(default=None, repr=False, compare=False)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.channel, self.address, self.sender

    @property
    def strength(self) -> tuple[datetime, str, bool]:
        """Of two opt-outs under one key the greater is kept."""
        return self.opted_out_at, self.message_id or "", self.source != OptOutSource.FAILURE


def settle(one: Event, other: Event) -> Event:
    """Return which of two facts under one ledger key is kept.

    Of different bodies the later one, then the one with the greater digest; a body that names no time
    gives way to one that does, because when a copy of it happened to arrive says nothing. Of copies of one
    body the one received first, so that a redelivery changes nothing, however late it comes.
    """
    if one.digest == other.digest:
        return min(one, other, key=lambda event: event.received_at)
    return max(one, other, key=_precedence)


def _precedence(event: Event) -> tuple[bool, datetime, str]:
    return event.is_dated, event.occurred_at if event.is_dated else EARLIEST, event.digest


def fold(events: Iterable[Event]) -> dict[Key, Event]:
    """Return one fact per ledger key, sorted by key: the order in which every worker locks rows."""
    kept: dict[Key, Event] = {}
    for event in events:
        other = kept.get(event.key)
        kept[event.key] = event if other is None else settle(event, other)
    return dict(sorted(kept.items()))


def by_subject(facts: Iterable[Event]) -> dict[str, list[Event]]:
    """Group facts by subject, sorted by subject."""
    ordered = sorted(facts, key=lambda fact: fact.key)
    return {subject: list(group) for subject, group in groupby(ordered, key=lambda fact: fact.subject_id)}


def message_row(facts: Iterable[Event], hints: Iterable[MessageDetails] = ()) -> MessageRow | None:
    """Return the row that follows from all the facts of one message; None where they name no message.

    The status is that of the greatest fact by `strength`. What describes the message comes from the greatest
    fact that names it; its channel and recipient else from `hints`, what bodies that gave way told of it.
    """
    # Greatest first, so that the first value found is the one that holds.
    known = [fact for fact in facts if _is_of_message(fact)]
    if not known:
        return None
    if len(known) > 1:
        known.sort(key=strength, reverse=True)
    channel = recipient = sender = campaign_id = None
    held = delivered = failed = opted_out_at = None
    finals: set[Status] = set()
    for fact in known:
        of, status = fact.message, STATUS_OF.get(fact.name)
        assert of is not None
        channel, recipient = channel or of.channel, recipient or of.recipient
        sender, campaign_id = sender or of.sender, campaign_id or of.campaign_id
        if status is None:
            opted_out_at = opted_out_at or fact.occurred_at  # no other of these events is without a status
            continue
        held = held or fact
        if status in _FINAL:
            finals.add(status)
        if status is Status.DELIVERED:
            delivered = delivered or fact
        elif status in _FAILURES:
            failed = failed or fact
    for hint in hints:
        channel, recipient = channel or hint.channel, recipient or hint.recipient
    return MessageRow(
        message_id=known[0].subject_id,
        channel=channel,
        recipient=recipient,
        sender=sender,
        campaign_id=campaign_id,
        status=STATUS_OF[held.name] if held else None,
        status_at=held.occurred_at if held else None,
        delivered_at=_status_moment(delivered),
        failed_at=_status_moment(failed),
        failure_code=failed.message.failure_code if failed and failed.message else None,
        failure_reason=failed.message.failure_reason if failed and failed.message else None,
        opted_out_at=opted_out_at,
        conflict=len(finals) > 1,
    )


def _is_of_message(fact: Event) -> bool:
    return fact.message is not None and fact.message.message_id is not None and fact.name in _MESSAGE_EVENTS


_MESSAGE_EVENTS = frozenset({*STATUS_OF, EventType.OPT_OUT})


def strength(fact: Event) -> tuple[bool, datetime, int, str]:
    """Order the facts of one message: final before not, then when they occurred, then rank, then digest."""
    status = STATUS_OF.get(fact.name)
    return status in _FINAL, fact.occurred_at, _RANK[status] if status else -1, fact.digest


def _status_moment(fact: Event | None) -> datetime | None:
    """When `fact` happened: the moment its `data` names, else that of the event."""
    if fact is None:
        return None
    return (fact.message and fact.message.status_at) or fact.occurred_at


def campaign_row(facts: Iterable[Event]) -> CampaignRow | None:
    """Return the row that follows from all the facts of one campaign; None where they name no campaign."""
    known = [fact for fact in facts if fact.campaign and fact.campaign.campaign_id]
    known = [fact for fact in known if fact.name in CAMPAIGN_STATUS_OF]
    if not known:
        return None
    known.sort(
        key=lambda fact: (fact.name == EventType.CAMPAIGN_COMPLETED, fact.occurred_at, fact.digest), reverse=True
    )
    details = [fact.campaign for fact in known if fact.campaign]
    moments = {fact.name: (fact.campaign and fact.campaign.status_at) or fact.occurred_at for fact in known}
    return CampaignRow(
        campaign_id=known[0].subject_id,
        status=CAMPAIGN_STATUS_OF[known[0].name],
        sent_at=moments.get(EventType.CAMPAIGN_SENT),
        completed_at=moments.get(EventType.CAMPAIGN_COMPLETED),
        name=next((of.name for of in details if of.name), None),
        channel=next((of.channel for of in details if of.channel), None),
        details=details[0].details,
        message_total=next((of.message_total for of in details if of.message_total is not None), None),
    )


def opt_out_rows(facts: Iterable[Event], hints: Iterable[MessageDetails] = ()) -> list[OptOutRow]:
    """Return what the opt-outs among the facts of one subject claim.

    An opt-out without an address holds for every address that a fact of its message names, else for those that
    bodies that gave way told (`hints`).
    """
    facts = list(facts)
    opt_outs = [fact for fact in facts if fact.message and fact.message.is_opt_out]
    if not opt_outs:
        return []
    told = [of.message for of in facts if of.name in _MESSAGE_EVENTS and of.message and of.message.recipient]
    claims = []
    for fact in opt_outs:
        if fact.message is None:
            continue
        own = fact.message
        named = [own] if own.recipient else told or list(hints)
        claims += [
            OptOutRow(
                channel=own.channel or of.channel or "",
                address=of.recipient,
                sender=own.sender or "",
                opted_out_at=fact.occurred_at,
                message_id=own.message_id,
                source=OptOutSource.EVENT if fact.name == EventType.OPT_OUT else OptOutSource.FAILURE,
                fact=fact,
            )
            for of in named
            if of.recipient
        ]
    return claims


def fold_opt_outs(claims: Iterable[OptOutRow]) -> dict[tuple[str, str, str], OptOutRow]:
    """Return the greatest claim per key of `opt_outs`, sorted by key."""
    kept: dict[tuple[str, str, str], OptOutRow] = {}
    for claim in claims:
        other = kept.get(claim.key)
        kept[claim.key] = claim if other is None else max(claim, other, key=lambda row: row.strength)
    return dict(sorted(kept.items()))
