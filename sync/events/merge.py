"""The rule of merging: which of several bodies holds, and what rows follow from them. Pure.

Rows are a function of the *set* of distinct bodies, each with its earliest receipt. Order, copies, batches and the
number of workers make no difference. Every pair of events has an answer, so there is no state machine and no transition
to forget. An event here is what one body states; those under one key of the ledger are the same fact.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import attrgetter

from msgspec import Struct

from sync.events.event import Event, EventType, Outcome
from sync.events.statuses import FINAL, STATUS_OF, Status, status_of

Key = tuple[str, str]

CAMPAIGN_STATUS_OF: Mapping[str, str] = {EventType.CAMPAIGN_SENT: "sent", EventType.CAMPAIGN_COMPLETED: "completed"}

# To look one up in its enumeration takes longer than to compare it.
_DELIVERED, _APPLIED = Status.DELIVERED, Outcome.APPLIED
_FAILURES = frozenset({Status.UNDELIVERABLE, Status.FAILED})
_RANK = {status: rank for rank, status in enumerate(reversed(Status))}


class MessageRow(Struct, frozen=True, kw_only=True, gc=False):
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


class CampaignRow(Struct, frozen=True, kw_only=True, gc=False):
    """A row of `campaign_status`, but for `updated_at`."""

    campaign_id: str
    status: str
    sent_at: datetime | None
    completed_at: datetime | None
    name: str | None
    channel: str | None
    details: str
    message_total: int | None


def precedence(event: Event) -> tuple[bool, bool, datetime, str]:
    """Order the bodies under one key of the ledger: the greatest holds. What is signed goes before what is polled."""
    return not event.is_polled, event.is_dated, event.occurred_at, event.digest


def distinct(events: Iterable[Event]) -> list[Event]:
    """Return one event for each body, that of its earliest receipt, sorted by key: the order in which workers lock."""
    earliest: dict[tuple[str, str, str], Event] = {}
    for event in events:
        body = event.subject_id, event.name, event.digest
        first = earliest.setdefault(body, event)
        if first is not event and event.received_at < first.received_at:
            earliest[body] = event
    return [earliest[body] for body in sorted(earliest)]


def holding(events: Iterable[Event]) -> dict[Key, Event]:
    """Return the event that holds under each key, in the order of `events`."""
    greatest: dict[Key, Event] = {}
    for event in events:
        key = event.subject_id, event.name
        other = greatest.setdefault(key, event)
        if other is not event:
            greatest[key] = max(event, other, key=precedence)
    return greatest


def by_subject(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Group events by subject, sorted by subject."""
    groups: dict[str, list[Event]] = {}
    for event in sorted(events, key=attrgetter("subject_id")):
        groups.setdefault(event.subject_id, []).append(event)
    return groups


def message_row(events: Iterable[Event]) -> MessageRow | None:
    """Return the row that follows from every body of one message; None if none of them is of a message.

    The status is that of the greatest event that holds, by `strength`. What describes the message comes from the
    greatest that names it; else from the greatest of the other bodies that does.
    """
    message_events = [event for event in events if is_of_message(event)]
    if len(message_events) == 1:
        return row_of_one(message_events[0])
    return row_of_several(message_events) if message_events else None


def row_of_one(event: Event) -> MessageRow:
    """Return what `row_of_several` does of a single event: by far the most messages have one."""
    details, status = event.message, status_of(event)
    assert details is not None
    status_at = details.status_at or event.occurred_at
    is_failure = status in _FAILURES
    return MessageRow(
        message_id=event.subject_id,
        channel=details.channel,
        recipient=details.recipient,
        sender=details.sender,
        campaign_id=details.campaign_id,
        status=status,
        status_at=event.occurred_at if status else None,
        delivered_at=status_at if status is _DELIVERED else None,
        failed_at=status_at if is_failure else None,
        failure_code=details.failure_code if is_failure else None,
        failure_reason=details.failure_reason if is_failure else None,
        opted_out_at=event.occurred_at if details.is_opt_out else None,
        conflict=False,
    )


def row_of_several(message_events: list[Event]) -> MessageRow:
    """Return the row that follows from events that are all of one message."""
    # Greatest first, so that the first value found is the one that counts.
    holding_events, others = _parted(message_events)
    channel = recipient = sender = campaign_id = None
    greatest = delivered = failed = None
    finals: set[Status] = set()
    for event in holding_events:
        if (status := status_of(event)) is None:
            continue
        greatest = greatest or event
        if status in FINAL:
            finals.add(status)
        if status is _DELIVERED:
            delivered = delivered or event
        elif status in _FAILURES:
            failed = failed or event
    opted_out_at = None
    for event in (*holding_events, *others):
        details = event.message
        assert details is not None
        channel, recipient = channel or details.channel, recipient or details.recipient
        sender, campaign_id = sender or details.sender, campaign_id or details.campaign_id
        if details.is_opt_out and (opted_out_at is None or event.occurred_at > opted_out_at):
            opted_out_at = event.occurred_at
    return MessageRow(
        message_id=message_events[0].subject_id,
        channel=channel,
        recipient=recipient,
        sender=sender,
        campaign_id=campaign_id,
        status=status_of(greatest) if greatest else None,
        status_at=greatest.occurred_at if greatest else None,
        delivered_at=_status_time(delivered),
        failed_at=_status_time(failed),
        failure_code=failed.message.failure_code if failed and failed.message else None,
        failure_reason=failed.message.failure_reason if failed and failed.message else None,
        opted_out_at=opted_out_at,
        conflict=len(finals) > 1,
    )


def _parted(events: list[Event]) -> tuple[list[Event], list[Event]]:
    """Return the events that hold under their keys, and the others, each with the greatest first."""
    if len(events) == 1:
        return events, []
    holding_events = holding(events)
    others = [event for event in events if holding_events[event.key] is not event]
    return sorted(holding_events.values(), key=strength, reverse=True), sorted(others, key=strength, reverse=True)


def is_of_message(event: Event) -> bool:
    """Return whether `event` says anything of a message. One of an unknown type does not, also if it holds."""
    return event.message is not None and event.message.message_id is not None and event.outcome is _APPLIED


# The signed events that say something of a message.
MESSAGE_EVENTS = frozenset({*STATUS_OF, EventType.OPT_OUT})


def strength(event: Event) -> tuple[bool, datetime, bool, int, str]:
    """Order the events of one message.

    Final before not, then when they occurred, then signed before polled, then rank, then digest.
    """
    status = status_of(event)
    rank = _RANK[status] if status else -1
    return status in FINAL, event.occurred_at, not event.is_polled, rank, event.digest


def is_late(event: Event, status: str | None, status_at: datetime | None) -> bool:
    """Return whether `event` states less of its message than its present status, which came of a greater event.

    A row does not say whether its status was signed: of two events at one time the rank alone decides here.
    """
    own_status = status_of(event)
    if own_status is None or status is None or status_at is None:
        return False
    present = Status(status)
    return (own_status in FINAL, event.occurred_at, _RANK[own_status]) < (present in FINAL, status_at, _RANK[present])


def _status_time(event: Event | None) -> datetime | None:
    """When the status of `event` came about: the time its `data` names, else that of the event."""
    if event is None:
        return None
    return (event.message and event.message.status_at) or event.occurred_at


def campaign_row(events: Iterable[Event]) -> CampaignRow | None:
    """Return the row that follows from every body of one campaign; None if none of them is of a campaign."""
    campaign_events = [event for event in events if event.campaign and event.campaign.campaign_id]
    campaign_events = list(holding(event for event in campaign_events if event.name in CAMPAIGN_STATUS_OF).values())
    if not campaign_events:
        return None
    campaign_events.sort(
        key=lambda event: (event.name == EventType.CAMPAIGN_COMPLETED, event.occurred_at, event.digest), reverse=True
    )
    details = [event.campaign for event in campaign_events if event.campaign]
    times = {
        event.name: (event.campaign and event.campaign.status_at) or event.occurred_at for event in campaign_events
    }
    return CampaignRow(
        campaign_id=campaign_events[0].subject_id,
        status=CAMPAIGN_STATUS_OF[campaign_events[0].name],
        sent_at=times.get(EventType.CAMPAIGN_SENT),
        completed_at=times.get(EventType.CAMPAIGN_COMPLETED),
        name=next((detail.name for detail in details if detail.name), None),
        channel=next((detail.channel for detail in details if detail.channel), None),
        details=details[0].details,
        message_total=next((detail.message_total for detail in details if detail.message_total is not None), None),
    )
