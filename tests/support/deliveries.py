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
    holding: dict[tuple[str, str], Delivery] = {}
    for delivery in sorted(deliveries, key=lambda delivery: delivery.received_at, reverse=True):
        other = holding.get(delivery.key)
        if delivery.unreadable is None and (other is None or _precedence(delivery) >= _precedence(other)):
            holding[delivery.key] = delivery
    return holding


def _precedence(delivery: Delivery) -> tuple[bool, datetime, str]:
    return delivery.at is not None, delivery.occurred_at, delivery.digest


def expected_events(deliveries: Sequence[Delivery]) -> dict[tuple[str, str], tuple[datetime, datetime, bytes]]:
    """By key: when it occurred, when it was received, and the body."""
    return {
        key: (delivery.occurred_at, delivery.received_at, delivery.body) for key, delivery in ledger(deliveries).items()
    }


def expected_messages(world: World, deliveries: Sequence[Delivery]) -> dict[str, Row]:
    """What `message_status` says of every message that a known event names."""
    rows: dict[str, Row] = {}
    for name in world.messages:
        facts = [
            delivery
            for (subject, event), delivery in ledger(deliveries).items()
            if subject == name and event in KNOWN_EVENTS
        ]
        if facts:
            every = [delivery for delivery in deliveries if delivery.subject == name and delivery.event in KNOWN_EVENTS]
            rows[name] = _expected_message(facts) | {
                "recipient": world.recipients[name] if any("to" in delivery.data for delivery in every) else None,
                "channel": world.channels[name] if any("channel" in delivery.data for delivery in every) else None,
                "sender": "ZEXA" if any("from_" in delivery.data for delivery in every) else None,
                "opted_out_at": max(
                    (delivery.occurred_at for delivery in every if delivery.event == "message.optout"), default=None
                ),
            }
    return rows


def _expected_message(facts: list[Delivery]) -> Row:
    finals = [fact for fact in facts if fact.event in FINAL]
    greatest = max(finals, key=_greatness, default=None)
    failure = max((final for final in finals if final.event != "message.delivered"), key=_greatness, default=None)
    delivered = next((final for final in finals if final.event == "message.delivered"), None)
    return {
        "status": greatest and str(greatest.event).partition(".")[2],
        "status_at": greatest and greatest.occurred_at,
        "delivered_at": delivered and delivered.occurred_at,
        "failed_at": failure and failure.occurred_at,
        "failure_reason": failure and failure.data["error"],
        "conflict": len({final.event for final in finals}) > 1,
    }


def _greatness(final: Delivery) -> tuple[datetime, int]:
    return final.occurred_at, FINAL[str(final.event)]


def expected_opt_outs(world: World, deliveries: Sequence[Delivery]) -> dict[tuple[str, str, str], datetime]:
    """Who must not be messaged, by (channel, address, sender), and since when at the latest."""
    opted_out_at: dict[tuple[str, str, str], datetime] = {}

    def stop(channel: str | None, address: str, opt_out: Delivery) -> None:
        key = channel or "", address, opt_out.data.get("from_") or ""
        opted_out_at[key] = max(opted_out_at.get(key, opt_out.occurred_at), opt_out.occurred_at)

    for delivery in deliveries:
        if delivery.event != "message.optout":
            continue
        if "to" in delivery.data:
            stop(delivery.data.get("channel"), "+244" + delivery.data["to"][-9:], delivery)
        # And the address of the message, on the channel of the opt-out, else on that of the event that names it.
        for fact in deliveries:
            if fact.subject and fact.subject == delivery.subject and fact.event in KNOWN_EVENTS and "to" in fact.data:
                stop(delivery.data.get("channel") or fact.data.get("channel"), world.recipients[fact.subject], delivery)
    return opted_out_at


def expected_dead_letters(deliveries: Sequence[Delivery]) -> dict[bytes, datetime]:
    """By body: when its first copy was received."""
    received_at: dict[bytes, datetime] = {}
    for delivery in deliveries:
        if delivery.unreadable is not None:
            received_at[delivery.body] = min(received_at.get(delivery.body, delivery.received_at), delivery.received_at)
    return received_at
