"""Reads what the provider answers when it is asked what became of a message. Pure.

An answer is no signed body, so it is kept within a document of our own that names the message asked for. What it says
fills columns of `message_status` only: it names no person whom an opt-out holds for, and opts nobody out.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any

from sync.events.addresses import sender_text, texts_of
from sync.events.documents import CAMPAIGN_ID, RECIPIENT, SENDER, STATUS_TIMES, fields_of, json_object
from sync.events.event import FAILURES, Event, EventType, MessageDetails, Origin, Outcome, Unreadable
from sync.events.failures import NO_FAILURE, failure
from sync.events.interpretation import ParseOptions
from sync.events.raw import BODY_BYTES_MAX, letters_of
from sync.events.statuses import POLLED_STATUS_OF, Status
from sync.events.times import AHEAD_MAX, read_time
from sync.events.values import channel, usable_identity

# The event that an answer with this status stands for, by the letters of the status.
_NAMES: Mapping[bytes, str] = {letters_of(status.encode()): name for name, status in POLLED_STATUS_OF.items()}
_STATUS = ("status", "delivery_status", "deliveryStatus")
_OWN_TIMES: Mapping[str, tuple[str, ...]] = {
    **{name: STATUS_TIMES[name] for name in (EventType.DELIVERED, EventType.FAILED, EventType.UNDELIVERABLE)},
    f"message.{Status.SENT}": ("sent_at", "sentAt"),
    f"message.{Status.QUEUED}": ("queued_at", "queuedAt", "created_at", "createdAt"),
}
# When the message changed last is no earlier than its status, and no later than the answer. When it was created is no
# time of any later status.
_ANY_TIME = ("status_at", "statusAt", "updated_at", "updatedAt", "timestamp", "occurred_at", "occurredAt")
_recipients, _senders, _campaign_ids = attrgetter(*RECIPIENT), attrgetter(*SENDER), attrgetter(*CAMPAIGN_ID)


def answer_body(message_id: str, answer: bytes) -> bytes:
    """Return what is kept of `answer`, the exact bytes that were answered about `message_id`."""
    return b'{"polled":%b,"answer":%b}' % (json.dumps(message_id).encode(), answer)


def parse_answer(body: bytes, asked_at: datetime, options: ParseOptions) -> Event | None:
    """Return the fact that the answer in `body` stands for; None if it names no status that is known.

    Without a time of its own the status occurred when it was asked for.
    """
    try:
        document = json_object(body) if len(body) <= BODY_BYTES_MAX else {}
    except Unreadable:
        return None
    message_id, data = document.get("polled"), _data(document.get("answer"))
    name = _name(data)
    if name is None or not isinstance(message_id, str):
        return None
    claimed = [time for time in _times(name, data) if time is not None]
    occurred_at = next((time for time in claimed if time <= asked_at + AHEAD_MAX), None)
    return Event(
        subject_id=message_id,
        name=name,
        occurred_at=occurred_at or asked_at,
        is_dated=occurred_at is not None,
        claimed_at=claimed[0] if claimed else None,
        received_at=asked_at,
        outcome=Outcome.APPLIED,
        body=body,
        digest=hashlib.sha256(body).hexdigest(),
        message=_details(message_id, name, data, options),
        origin=Origin.POLLED,
    )


def claims_of_answer(event: Event) -> tuple[datetime, ...]:
    """Return every time that the answer in `event` claims its status came about at; the one that counts most first."""
    data = _data(json_object(event.body).get("answer"))
    return tuple(time for time in _times(event.name, data) if time is not None)


def _data(answer: Any) -> Mapping[str, Any]:
    """Return the part of an answer that tells of the message: many providers wrap it in `data`."""
    if not isinstance(answer, dict):
        return {}
    inner = answer.get("data")
    return inner if isinstance(inner, dict) and not any(name in answer for name in _STATUS) else answer


def _name(data: Mapping[str, Any]) -> str | None:
    status = next((status for name in _STATUS if isinstance(status := data.get(name), str)), "")
    return _NAMES.get(letters_of(status.encode("utf-8", "replace")))


def _times(name: str, data: Mapping[str, Any]) -> Iterator[datetime | None]:
    return (read_time(data.get(field)) for field in (*_OWN_TIMES[name], *_ANY_TIME))


def _details(message_id: str, name: str, data: Mapping[str, Any], options: ParseOptions) -> MessageDetails:
    """Return what an answer tells of its message, without `addresses`: it names nobody for an opt-out."""
    fields = fields_of(data)
    recipient, sender = usable_identity(_recipients(fields)), usable_identity(_senders(fields))
    channel_name = channel(fields.channel)
    addresses = texts_of(channel_name or "", recipient, options.default_region) if recipient else ()
    failed = failure(fields) if name in FAILURES else NO_FAILURE
    return MessageDetails(
        message_id=message_id,
        channel=channel_name,
        recipient=addresses[0] if addresses else recipient and recipient.strip(),
        sender=sender_text(sender, options.default_region) or None if sender else None,
        campaign_id=usable_identity(_campaign_ids(fields)),
        failure_code=failed.code,
        failure_reason=failed.reason,
    )
