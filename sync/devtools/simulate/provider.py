"""Invents what happens at the provider: campaigns and single messages, each with its events. Pure.

What the public documentation leaves open (the `data` of five of the six events) is filled with the obvious
names, in the proportions one would expect of a marketing account.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sync.devtools.simulate.spelling import spell_address, spell_channel, spell_failure, time_format
from sync.events.event import EventType

# Everything of a story happens within this time after it begins.
STORY_LENGTH = timedelta(hours=1)

_CHANNELS = {"sms": 55, "whatsapp": 20, "email": 15, "telegram": 7, "slack": 3}
_SENDERS = {"sms": "KIANDA", "whatsapp": "+244923000100", "telegram": "KiandaBot", "email": "loja@example.com"}
_FINAL = {EventType.DELIVERED: 93, EventType.FAILED: 4, EventType.UNDELIVERABLE: 3}
_TITLES = ("Promoção", "Boletim", "Lembrete", "Convite", "Saldos", "Aviso")
STATUS_FIELDS = {
    EventType.DELIVERED: ("delivered", "delivered_at"),
    EventType.FAILED: ("failed", "failed_at"),
    EventType.UNDELIVERABLE: ("undeliverable", "failed_at"),
    EventType.OPT_OUT: ("opted_out", "opted_out_at"),
    EventType.CAMPAIGN_SENT: ("sent", "sent_at"),
    EventType.CAMPAIGN_COMPLETED: ("completed", "completed_at"),
}

SINGLE_MESSAGE_SHARE = 0.4
CONFLICT_SHARE = 0.08  # of failed messages: reported as failed, later as delivered all the same
OPT_OUT_SHARE = 0.011  # of delivered messages
NO_ADDRESS_SHARE = 0.25  # of opt-outs

# Multiplying by it runs through all 64-bit numbers, so ids never repeat and yet lie as scattered as random ones.
_ID_STEP = 0x9E3779B97F4A7C15


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One event as the provider writes it; `occurred_at` is the moment of its `timestamp`."""

    kind: EventType
    occurred_at: datetime
    body: bytes = field(repr=False)


class Provider:
    """Makes up stories: all the events, of the given kinds, of one campaign or of one single message.

    A message has one id, one channel and one address, and all its events agree on them. No two events of
    one provider are about the same fact.
    """

    def __init__(self, random: Random, kinds: Collection[EventType]) -> None:
        self._random = random
        self._kinds = frozenset(kinds)
        self._final = [kind for kind in _FINAL if kind in self._kinds]
        self._weights = [_FINAL[kind] for kind in self._final]
        self._has_campaigns = bool(self._kinds & {EventType.CAMPAIGN_SENT, EventType.CAMPAIGN_COMPLETED})
        self._has_messages = any(kind.startswith("message.") for kind in self._kinds)
        self._id = random.getrandbits(64)

    def story(self, begins_at: datetime) -> list[Occurrence]:
        """Return at least one event, in the order in which they occurred, within STORY_LENGTH."""
        channel = self._random.choices(list(_CHANNELS), list(_CHANNELS.values()))[0]
        if self._has_messages and self._random.random() < SINGLE_MESSAGE_SHARE:
            occurrences = self._message(begins_at, channel, {})
        else:
            occurrences = self._campaign(begins_at, channel)
        return sorted(occurrences, key=lambda occurrence: occurrence.occurred_at)

    def _campaign(self, begins_at: datetime, channel: str) -> list[Occurrence]:
        size = int(10 ** self._random.uniform(0.5, 2.5))
        shared: dict[str, Any] = {"campaign_id": f"cmp_{self._next_id()}"}
        occurrences: list[Occurrence] = []
        sender = {self._random.choice(("from", "sender_id")): _SENDERS[channel]} if channel in _SENDERS else {}
        if self._has_messages:
            context = shared | (sender if self._random.random() < 0.5 else {})
            for _ in range(size):
                occurrences += self._message(begins_at + self._seconds(0, 600), channel, context)
        if self._has_campaigns:
            number = self._random.randrange(1, 100)
            shared |= {"name": f"{self._random.choice(_TITLES)} {number}", "channel": channel, "messages": size}
            occurrences += self._campaign_events(begins_at, shared)
        return occurrences

    def _campaign_events(self, begins_at: datetime, data: dict[str, Any]) -> list[Occurrence]:
        times = {
            EventType.CAMPAIGN_SENT: begins_at + self._seconds(600, 900),
            EventType.CAMPAIGN_COMPLETED: begins_at + self._seconds(3000, 3500),
        }
        return [self._tell(kind, time, data) for kind, time in times.items() if kind in self._kinds]

    def _message(self, sent_at: datetime, channel: str, context: dict[str, Any]) -> list[Occurrence]:
        """A message sent within the first 10 minutes has its status by the 50th."""
        kinds = self._message_kinds()
        data = {
            "message_id": f"msg_{self._next_id()}",
            "channel": spell_channel(self._random, channel),
            "to": spell_address(self._random, channel),
            **context,
        }
        occurrences = []
        time = sent_at
        for kind in kinds:
            # Further apart than a timestamp lags behind, so that a later event also has a later timestamp.
            time += self._seconds(6, 40) if self._random.random() < 0.9 else self._seconds(40, 700)
            is_untold = kind is EventType.OPT_OUT and len(kinds) > 1 and self._random.random() < NO_ADDRESS_SHARE
            own_data = {name: value for name, value in data.items() if name != "to"} if is_untold else data
            occurrences.append(self._tell(kind, time, own_data))
        return occurrences

    def _message_kinds(self) -> list[EventType]:
        random, kinds = self._random, self._kinds
        types = random.choices(self._final, self._weights) if self._final else []
        if types == [EventType.FAILED] and EventType.DELIVERED in kinds and random.random() < CONFLICT_SHARE:
            types.append(EventType.DELIVERED)
        may_opt_out = EventType.OPT_OUT in kinds and (EventType.DELIVERED in types or EventType.DELIVERED not in kinds)
        if may_opt_out and (not types or random.random() < OPT_OUT_SHARE):
            types.append(EventType.OPT_OUT)
        return types

    def _tell(self, kind: EventType, time: datetime, data: dict[str, Any]) -> Occurrence:
        """Write the event of what happened at `time`; its `timestamp` is up to 5 s later."""
        spell_time = time_format(self._random)
        occurred_at = time + self._seconds(0, 5)
        status, field_name = STATUS_FIELDS[kind]
        data = data | {"status": status, field_name: spell_time(time)}
        if kind in (EventType.FAILED, EventType.UNDELIVERABLE):
            data |= spell_failure(self._random)
        document = {"event": kind, "timestamp": spell_time(occurred_at), "data": data}
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        return Occurrence(kind=kind, occurred_at=occurred_at, body=body)

    def _seconds(self, least: float, most: float) -> timedelta:
        return timedelta(seconds=self._random.uniform(least, most))

    def _next_id(self) -> str:
        self._id = (self._id + _ID_STEP) % 2**64
        return f"{self._id:016x}"
