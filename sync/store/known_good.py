"""Events of our own that any working installation can merge: what fails while these succeed is the fault of an event.

Pure. They are merged only to be rolled back, and no table ever holds one.
"""

from datetime import UTC, datetime

from sync.events.event import EventType
from sync.events.raw import RawEvent, may_opt_out

_MESSAGE = (
    b'{"event": "%b", "timestamp": "2026-06-24T10:05:00Z", "data": {"message_id": "zexa-sync-known-good", '
    b'"channel": "sms", "to": "+244912345678", "from": "ZEXA", "campaign_id": "zexa-sync-known-good"}}'
)
_CAMPAIGN = (
    b'{"event": "%b", "timestamp": "2026-06-24T10:05:00Z", "data": {"campaign_id": "zexa-sync-known-good", '
    b'"name": "Known good", "channel": "sms", "total": 1}}'
)
_TYPES = {event_type.value: event_type for event_type in EventType}
_RECEIVED_AT = datetime(2026, 6, 24, 10, 5, 1, tzinfo=UTC)


def known_good(event_type: EventType) -> RawEvent:
    """Return an event of this type, as the provider would word it."""
    is_campaign = event_type in (EventType.CAMPAIGN_SENT, EventType.CAMPAIGN_COMPLETED)
    return RawEvent(body=(_CAMPAIGN if is_campaign else _MESSAGE) % event_type.encode(), received_at=_RECEIVED_AT)


def type_named(name: str) -> EventType:
    """Return the type of this name; a delivery stands for the types that this version does not know."""
    return _TYPES.get(name, EventType.DELIVERED)


def type_by_look(body: bytes) -> EventType:
    """Return the type that stands for a body which could not be parsed."""
    return EventType.OPT_OUT if may_opt_out(body, failures_may=False) else EventType.DELIVERED
