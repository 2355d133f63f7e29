"""What the tests of events share."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from sync.events.event import CampaignDetails, Event, MessageDetails
from sync.events.parse import parse
from tests.support.events_builder import AO, RECEIVED, raw

OCCURRED = datetime(2026, 6, 24, 10, 5, tzinfo=UTC)
MESSAGE_EVENTS = ("message.delivered", "message.failed", "message.undeliverable", "message.optout")
CAMPAIGN_EVENTS = ("campaign.sent", "campaign.completed")


def read(content: bytes, received_at: datetime = RECEIVED) -> Event:
    return parse(raw(content, received_at), AO)


def message(content: bytes) -> MessageDetails:
    event = read(content)
    assert event.message is not None
    return event.message


def campaign(content: bytes) -> CampaignDetails:
    event = read(content)
    assert event.campaign is not None
    return event.campaign


names = st.sampled_from(
    [
        *(
            "message_id",
            "messageId",
            "id",
            "campaign_id",
            "campaignId",
            "to",
            "recipient",
            "from",
            "sender_id",
            "sender",
        ),
        *("channel", "error", "code", "reason", "name", "status", "timestamp"),
        *("delivered_at", "failed_at", "opted_out_at", "sent_at", "completed_at"),
    ]
)
