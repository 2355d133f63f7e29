"""Events: what a body states, and how it is read. Pure: no clock, no database.

The provider's public documentation of webhooks names six events and shows one sample. Everything else is read
tolerantly: the obvious names of a field, snake_case first, and any common form of a time. An event is never refused
for what it lacks, only for what could not be stored or attributed.
"""

from sync.events.event import CampaignDetails, Event, EventType, MessageDetails, Outcome, Reason, Unreadable
from sync.events.parse import disbelieved_times, parse
from sync.events.times import EARLIEST, LATEST

__all__ = [
    "EARLIEST",
    "LATEST",
    "CampaignDetails",
    "Event",
    "EventType",
    "MessageDetails",
    "Outcome",
    "Reason",
    "Unreadable",
    "disbelieved_times",
    "parse",
]
