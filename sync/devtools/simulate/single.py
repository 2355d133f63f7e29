"""Writes one event as the provider does, about whom and what a person names. Pure."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync.devtools.simulate.provider import STATUS_FIELDS
from sync.events.event import EventType

FAILURE = {"error_code": "30003", "error": "by hand"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an event is about; what is None is left out of its body."""

    event: EventType
    occurred_at: datetime
    message_id: str | None = None
    campaign_id: str | None = None
    channel: str | None = None
    to: str | None = None
    sender: str | None = None


def write_body(facts: Facts) -> bytes:
    """Return the body of the event, in the provider's documented shape."""
    status, time_field = STATUS_FIELDS[facts.event]
    time = facts.occurred_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    data: dict[str, Any] = {
        "message_id": facts.message_id,
        "campaign_id": facts.campaign_id,
        "channel": facts.channel,
        "to": facts.to,
        "from": facts.sender,
        "status": status,
        time_field: time,
    }
    if facts.event in (EventType.FAILED, EventType.UNDELIVERABLE):
        data |= FAILURE
    data = {name: value for name, value in data.items() if value is not None}
    return json.dumps({"event": facts.event, "timestamp": time, "data": data}).encode()
