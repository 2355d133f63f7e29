"""One delivery of the provider, and what the contract says the tables hold once many have come.

For the many deliveries of tests/faults, for which tests/support/oracle.py would take too long. There a message has one
recipient and one channel, no opt-out is without a time, and no person says anything. Written from the contract's text
alone: this module knows nothing of the code under test.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sync.events.raw import RawEvent
from tests.support.events_builder import Row, body, raw

FINAL = {"message.delivered": 3, "message.undeliverable": 2, "message.failed": 1}  # and their rank
KNOWN_EVENTS = (*FINAL, "message.optout")  # of a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One request of the provider: what it says, and when it reached us."""

    event: str | None
    subject: str | None
    at: datetime | None
    received_at: datetime
    data: dict[str, Any] = field(default_factory=dict)
    unreadable: bytes | None = None

    @property
    def body(self) -> bytes:
        return self.unreadable or body(self.event, self.at, id=self.subject, **self.data)

    @property
    def raw(self) -> RawEvent:
        return raw(self.body, self.received_at)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    @property
    def key(self) -> tuple[str, str]:
        return self.subject or f"sha256:{self.digest}", self.event or ""

    @property
    def occurred_at(self) -> datetime:
        return self.at or self.received_at


class World:
    """Messages of one recipient and one channel each."""

    messages: list[str]
    recipients: dict[str, str]
    channels: dict[str, str]


def ledger(deliveries: Sequence[Delivery]) -> dict[tuple[str, str], Delivery]:
    """Of two bodies under one key that which holds; of copies the one received first."""
    kept: dict[tuple[str, str], Delivery] = {}
    for one in sorted(deliveries, key=lambda each: each.received_at, reverse=True):
        other = kept.get(one.key)
        if one.unreadable is None and (other is None or _precedence(one) >= _precedence(other)):
            kept[one.key] = one
    return kept


def _precedence(one: Delivery) -> tuple[bool, datetime, str]:
    return one.at is not None, one.occurred_at, one.digest


def expected_events(deliveries: Sequence[Delivery]) -> dict[tuple[str, str], tuple[datetime, datetime, bytes]]:
    """By key: when it occurred, when it was received, and the body."""
    return {key: (one.occurred_at, one.received_at, one.body) for key, one in ledger(deliveries).items()}


def expected_messages(world: World, deliveries: Sequence[Delivery]) -> dict[str, Row]:
    """What `message_status` says of every message that a known event names."""
    found: dict[str, Row] = {}
    for name in world.messages:
        facts = [
            one for (subject, event), one in ledger(deliveries).items() if subject == name and event in KNOWN_EVENTS
        ]
        if facts:
            every = [one for one in deliveries if one.subject == name and one.event in KNOWN_EVENTS]
            found[name] = _expected_message(facts) | {
                "recipient": world.recipients[name] if any("to" in one.data for one in every) else None,
                "channel": world.channels[name] if any("channel" in one.data for one in every) else None,
                "sender": "ZEXA" if any("from_" in one.data for one in every) else None,
                "opted_out_at": max((one.occurred_at for one in every if one.event == "message.optout"), default=None),
            }
    return found


def _expected_message(facts: list[Delivery]) -> Row:
    finals = [one for one in facts if one.event in FINAL]
    greatest = max(finals, key=_greatness, default=None)
    failure = max((one for one in finals if one.event != "message.delivered"), key=_greatness, default=None)
    delivered = next((one for one in finals if one.event == "message.delivered"), None)
    return {
        "status": greatest and str(greatest.event).partition(".")[2],
        "status_at": greatest and greatest.occurred_at,
        "delivered_at": delivered and delivered.occurred_at,
        "failed_at": failure and failure.occurred_at,
        "failure_reason": failure and failure.data["error"],
        "conflict": len({one.event for one in finals}) > 1,
    }


def _greatness(one: Delivery) -> tuple[datetime, int]:
    return one.occurred_at, FINAL[str(one.event)]


def expected_opt_outs(world: World, deliveries: Sequence[Delivery]) -> dict[tuple[str, str, str], datetime]:
    """Who must not be messaged, by (channel, address, sender), and since when at the latest."""
    found: dict[tuple[str, str, str], datetime] = {}

    def stop(channel: str | None, address: str, one: Delivery) -> None:
        key = channel or "", address, one.data.get("from_") or ""
        found[key] = max(found.get(key, one.occurred_at), one.occurred_at)

    for one in deliveries:
        if one.event != "message.optout":
            continue
        if "to" in one.data:
            stop(one.data.get("channel"), "+244" + one.data["to"][-9:], one)
        # And the address of the message, on the channel of the opt-out, else on that of the event that names it.
        for fact in deliveries:
            if fact.subject and fact.subject == one.subject and fact.event in KNOWN_EVENTS and "to" in fact.data:
                stop(one.data.get("channel") or fact.data.get("channel"), world.recipients[fact.subject], one)
    return found


def expected_dead_letters(deliveries: Sequence[Delivery]) -> dict[bytes, datetime]:
    """By body: when its first copy was received."""
    found: dict[bytes, datetime] = {}
    for one in deliveries:
        if one.unreadable is not None:
            found[one.body] = min(found.get(one.body, one.received_at), one.received_at)
    return found
