"""What a `campaign.*` event tells of its campaign. Pure."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sync.events.documents import CAMPAIGN_ID
from sync.events.event import CampaignDetails
from sync.events.values import channel, identity, prose

_OWN_ID = (*CAMPAIGN_ID, "id")
_TOTAL = (
    *("message_total", "messageTotal", "total_messages", "totalMessages", "messages_total", "messagesTotal"),
    *("message_count", "messageCount", "messages", "recipient_count", "recipientCount", "recipients", "total"),
)
_TOTALS = ("totals", "counts", "delivery_counts", "deliveryCounts", "stats")
TOTAL_MAX = 2**31 - 1


def campaign_details(data: Mapping[str, Any], status_at: datetime | None) -> CampaignDetails:
    """Return what `data` tells; raise Unreadable if its id cannot be stored."""
    return CampaignDetails(
        campaign_id=identity(data.get(name) for name in _OWN_ID),
        status_at=status_at,
        name=prose(data.get("name")),
        channel=channel(data.get("channel")),
        message_total=message_total(data),
        details=json.dumps(data, sort_keys=True),
    )


def message_total(data: Mapping[str, Any]) -> int | None:
    """Return how many messages a campaign has, if its `data` tells. The provider documents no name for it."""
    inner = (data.get(name) for name in _TOTALS)
    for counts in (data, *(counts for counts in inner if isinstance(counts, Mapping))):
        for total in (counts.get(name) for name in _TOTAL):
            if isinstance(total, int) and not isinstance(total, bool) and 0 <= total <= TOTAL_MAX:
                return total
    return None
