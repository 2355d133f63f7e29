"""What the fake provider has and how it is to behave. Written by the person who plays with it, also while it runs."""

import json
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from sync.events.event import EventType


class FakeFault(StrEnum):
    """How a request goes wrong, beside a status such as 503."""

    SILENCE = "silence"  # it is never answered
    CUT = "cut"  # the connection ends instead of an answer
    PAGE = "page"  # 200, and a page that is no JSON
    REDIRECT = "redirect"  # 308 to the same path elsewhere
    DONE_THEN_500 = "done_then_500"  # it is done, and answered 500
    DONE_THEN_SILENCE = "done_then_silence"  # it is done, and never answered


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeWebhook:
    id: str
    url: str
    events: tuple[str, ...]
    created_at: str

    def wants(self, event: str) -> bool:
        return "*" in self.events or event in self.events


@dataclass(slots=True, kw_only=True)
class FakeAccount:
    """One account.

    `secret` signs deliveries. `limit_per_second` is how many requests are answered in a second, None for any number.
    `faults` are used up one by one, by method and path as in "POST /webhooks"; a path with an id ends in `/{id}`.
    `unlisted` are the fields that its list of webhooks leaves out: nothing documents them.
    `messages` and `campaigns` are answered as they stand here, by id; what is delivered is added to them.
    `retry_scale` multiplies the pauses between the attempts of one delivery, which are 1, 5 and 30 minutes. `requests`
    counts, by method and path. `asked_ids` are the ids that were asked for and answered 200, in this order.
    """

    key: str = field(default="zxk_fake", repr=False)
    secret: bytes = field(default=b"fake", repr=False)
    sends_test_event: bool = True
    lists: bool = False
    unlisted: frozenset[str] = frozenset()
    deletes: bool = False
    limit_per_second: int | None = None
    retry_scale: float = 1.0
    faults: dict[str, deque[int | FakeFault]] = field(default_factory=dict)
    webhooks: list[FakeWebhook] = field(default_factory=list)
    messages: dict[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    campaigns: dict[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    requests: Counter[str] = field(default_factory=Counter)
    asked_ids: list[str] = field(default_factory=list, repr=False)
    kept_in: Path | None = None

    def fail(self, request: str, *faults: int | FakeFault) -> None:
        """Let the next requests of this kind fail, one for each of `faults`."""
        self.faults.setdefault(request, deque()).extend(faults)

    def next_fault(self, request: str) -> int | FakeFault | None:
        waiting = self.faults.get(request)
        return waiting.popleft() if waiting else None

    def learn(self, document: Mapping[str, Any]) -> None:
        """Let what an event tells be answered too. An opt-out changes no status, and has none to ask for."""
        event, data = document["event"], document["data"]
        message_id, campaign_id = data.get("message_id"), data.get("campaign_id")
        if message_id and event != EventType.OPT_OUT:
            self.messages[message_id] = {"id": message_id, **data}
        elif campaign_id and not message_id:
            self.campaigns[campaign_id] = {"id": campaign_id, **data}

    def campaign(self, campaign_id: str) -> Mapping[str, Any] | None:
        """Return the campaign with its counts by status, unless those stand there."""
        campaign = self.campaigns.get(campaign_id)
        if campaign is None or "counts" in campaign:
            return campaign
        messages = [message for message in self.messages.values() if message.get("campaign_id") == campaign_id]
        return {**campaign, "counts": Counter(message.get("status") for message in messages)}

    def load(self) -> None:
        """Take over the webhooks of an earlier run."""
        if self.kept_in and self.kept_in.exists():
            entries = json.loads(self.kept_in.read_text())
            self.webhooks = [FakeWebhook(**{**entry, "events": tuple(entry["events"])}) for entry in entries]

    def keep(self) -> None:
        """Keep the webhooks for a later run, if there is a file for that."""
        if self.kept_in:
            draft = self.kept_in.with_name(f"{self.kept_in.name}.new")
            draft.write_text(json.dumps([asdict(webhook) for webhook in self.webhooks]))
            draft.replace(self.kept_in)
