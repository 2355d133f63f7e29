"""Random deliveries of a small world, and what the contract says the tables hold once all have come.

The oracle is written from the contract's text alone: it knows nothing of the code under test, neither of
its parsing nor of its merging.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sync.raw_events import RawEvent
from tests.events_builder import Row, body, minute, raw

Picked = TypeVar("Picked")
Pick = Callable[[Sequence[Picked]], Picked]

FINAL = {"message.delivered": 3, "message.undeliverable": 2, "message.failed": 1}  # and their rank
KNOWN_EVENTS = (*FINAL, "message.optout")  # of a message
MESSAGE_EVENTS = (*KNOWN_EVENTS, "message.read")
CAMPAIGN_EVENTS = ("campaign.sent", "campaign.completed", "campaign.paused")
OTHER_EVENTS = ("webhook.test", None)
UNREADABLE = (b"{", b"[]", b"\xff", b'{"event": "message.failed", "data": {"id": "\\u0000"}}')
NUMBERS = [f"+24491200000{number}" for number in range(10)]


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

    def again(self, seconds: int) -> "Delivery":
        """The same body, received `seconds` later, or earlier."""
        return Delivery(
            event=self.event,
            subject=self.subject,
            at=self.at,
            received_at=self.received_at + timedelta(seconds=seconds),
            data=self.data,
            unreadable=self.unreadable,
        )


class World:
    """Messages of one recipient and one channel each.

    In a strict world events of a type name the one and the other always or never. In a loose one any body may
    leave out the recipient, also the body that is kept under a key where another told it.

    An opt-out that names no time names an address, and is always received at the same moment: where a row that
    only grows has once said a later time than it would now, the contract leaves open which it says.
    """

    def __init__(self, pick: Pick[Any], *, messages: int = 3) -> None:
        self.pick = pick
        self.is_loose = pick([True, False])
        self.messages = [f"msg_{number}" for number in range(messages)]
        # Mostly one to each: what one message's opt-out does would be hidden by another's of the same person.
        self.recipients = {
            name: pick([own, own, own, NUMBERS[0]]) for name, own in zip(self.messages, NUMBERS, strict=False)
        }
        self.channels = {name: pick(["sms", "whatsapp"]) for name in self.messages}
        self.told = {name: self._told() for name in self.messages}

    def _told(self) -> dict[str, dict[str, bool]]:
        """Whether each event names the recipient, the channel and the sender of one message."""
        told = {
            event: {part: self.pick([True, False]) for part in ("to", "channel", "from_")} for event in MESSAGE_EVENTS
        }
        if self.is_loose:
            names_channel = self.pick([True, False])
            told = {event: parts | {"channel": names_channel} for event, parts in told.items()}
        return told

    def delivery(self) -> Delivery:
        kind = self.pick(["message", "message", "message", "stop", "campaign", "other", "unreadable"])
        received_at = minute(self.pick([60, 61, 62]))
        if kind == "unreadable":
            return Delivery(
                event=None, subject=None, at=None, received_at=received_at, unreadable=self.pick(UNREADABLE)
            )
        at = self.pick([None, minute(1), minute(1), minute(2), minute(3)])
        said = {"message": self.of_message, "stop": self.stop, "campaign": self.of_campaign, "other": self.other}
        event, subject, data = said[kind]()
        if event == "message.optout" and at is None:
            at, received_at = (None if "to" in data else minute(1)), minute(60)
        return Delivery(event=event, subject=subject, at=at, received_at=received_at, data=data)

    def of_message(self) -> tuple[str, str | None, dict[str, Any]]:
        event, name = self.pick([*MESSAGE_EVENTS, "message.optout"]), self.pick(self.messages)
        data = {"error": self.pick([None, "busy", "no route"])}
        values = {"to": self.spelled(self.recipients[name]), "channel": self.channels[name], "from_": "ZEXA"}
        told = self.told[name][event]
        if self.is_loose:
            told = told | {"to": self.pick([True, False])}
        return event, name, data | {part: values[part] for part, is_told in told.items() if is_told}

    def stop(self) -> tuple[str, str | None, dict[str, Any]]:
        """An opt-out that names no message."""
        channel, sender = self.pick([None, "sms"]), self.pick([None, "ZEXA"])
        to = self.spelled(self.recipients[self.pick(self.messages)])
        return "message.optout", None, {"to": to, "channel": channel, "from_": sender}

    def spelled(self, number: str) -> str:
        return str(self.pick([number, number.removeprefix("+"), number.removeprefix("+244")]))

    def of_campaign(self) -> tuple[str, str | None, dict[str, Any]]:
        # The second is the id of a message as well.
        return self.pick(CAMPAIGN_EVENTS), self.pick(["cmp_0", "msg_0", None]), {"name": self.pick([None, "June"])}

    def other(self) -> tuple[str | None, str | None, dict[str, Any]]:
        return self.pick(OTHER_EVENTS), None, {"more": self.pick([1, 2])}

    def copies(self, deliveries: Sequence[Delivery], count: int) -> list[Delivery]:
        """Some of `deliveries` once more, most of them at another time."""
        chosen = [self.pick(deliveries) for _ in range(count if deliveries else 0)]
        return [
            one if one.event == "message.optout" and one.at is None else one.again(self.pick([-30, 0, 90]))
            for one in chosen
        ]


def ledger(deliveries: Sequence[Delivery]) -> dict[tuple[str, str], Delivery]:
    """Of two bodies under one key that with the greater (time, digest); of copies the one received first."""
    kept: dict[tuple[str, str], Delivery] = {}
    for one in sorted(deliveries, key=lambda each: each.received_at, reverse=True):
        other = kept.get(one.key)
        if one.unreadable is None and (other is None or _precedence(one) >= _precedence(other)):
            kept[one.key] = one
    return kept


def _precedence(one: Delivery) -> tuple[bool, datetime, str]:
    # When a body without a time happened to arrive says nothing, so it gives way to any that has one.
    return one.at is not None, one.at or minute(0), one.digest


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
            }
    return found


def _expected_message(facts: list[Delivery]) -> Row:
    finals = [one for one in facts if one.event in FINAL]
    greatest = max(finals, key=_greatness, default=None)
    failure = max((one for one in finals if one.event != "message.delivered"), key=_greatness, default=None)
    delivered = next((one for one in finals if one.event == "message.delivered"), None)
    opt_out = next((one for one in facts if one.event == "message.optout"), None)
    return {
        "status": greatest and str(greatest.event).partition(".")[2],
        "status_at": greatest and greatest.occurred_at,
        "delivered_at": delivered and delivered.occurred_at,
        "failed_at": failure and failure.occurred_at,
        "failure_reason": failure and failure.data["error"],
        "opted_out_at": opt_out and opt_out.occurred_at,
        "conflict": len({one.event for one in finals}) > 1,
        "sender": "ZEXA" if any("from_" in one.data for one in facts) else None,
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
            continue
        # The address of the message, on the channel of the opt-out, else that of the event which tells it.
        for fact in deliveries:
            if fact.subject == one.subject and fact.event in KNOWN_EVENTS and "to" in fact.data:
                stop(one.data.get("channel") or fact.data.get("channel"), world.recipients[fact.subject], one)
    return found


def expected_dead_letters(deliveries: Sequence[Delivery]) -> dict[bytes, datetime]:
    """By body: when its first copy was received."""
    found: dict[bytes, datetime] = {}
    for one in deliveries:
        if one.unreadable is not None:
            found[one.body] = min(found.get(one.body, one.received_at), one.received_at)
    return found
