"""What remains of a body that names a forgotten person: what the rows follow from, and nothing of the person. Pure.

It stands in place of the body, under a keyed digest. It is a function of the body and of who was forgotten. So the rows
are the same whether the body was there before the person was forgotten, or came afterwards.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sync.events.event import CampaignDetails, Event, MessageDetails, Origin, outcome_of
from sync.events.forget_keys import KEYED, ForgetKey
from sync.events.forgotten import ERASED, ForgottenPeople, ForgottenPerson
from sync.events.parse import claims_of
from sync.events.polled import claims_of_answer
from sync.events.times import AHEAD_MAX

# No JSON text begins so, and what the ledger keeps is one, or compressed.
MARK = b"\0what remains of a body\n"


class Remains(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an event states, with every time that its body claims: which of them count depends on the receipt."""

    subject_id: str
    name: str
    digest: str
    claims: tuple[datetime, ...] = ()
    status_claims: tuple[datetime, ...] = ()
    message: MessageDetails | None = None
    campaign: CampaignDetails | None = None
    origin: Origin = Origin.SIGNED


_decode = msgspec.json.Decoder(Remains).decode


def is_remains(body: bytes) -> bool:
    """Return whether a body of the ledger is what remains of one."""
    return body.startswith(MARK)


def event_of_remains(body: bytes, received_at: datetime) -> Event:
    """Return what the body stated that these remain of, first received at `received_at`."""
    remains, latest = _decode(body[len(MARK) :]), received_at + AHEAD_MAX
    occurred_at = _believed(remains.claims, latest)
    status_at = _believed(remains.status_claims, latest)
    return Event(
        subject_id=remains.subject_id,
        name=remains.name,
        occurred_at=occurred_at or received_at,
        is_dated=occurred_at is not None,
        claimed_at=remains.claims[0] if remains.claims else None,
        received_at=received_at,
        outcome=outcome_of(remains.name, remains.origin),
        body=body,
        digest=remains.digest,
        message=remains.message and replace(remains.message, status_at=status_at),
        campaign=remains.campaign and replace(remains.campaign, status_at=status_at),
        origin=remains.origin,
    )


def _believed(claims: Iterable[datetime], latest: datetime) -> datetime | None:
    return next((time for time in claims if time <= latest), None)


def without_forgotten(event: Event, people: ForgottenPeople) -> Event:
    """Return `event` as it is if it names nobody who was forgotten; else as it is kept, its body included."""
    if is_remains(event.body):
        remains = _decode(event.body[len(MARK) :])
        named = _named([*people.named_by(event), *people.named_in(msgspec.json.encode(remains))])
    else:
        named = _named([*people.named_by(event), *people.named_in(event.body)])
        if not named:
            return event
        claims, status_claims = (claims_of_answer(event), ()) if event.is_polled else claims_of(event)
        remains = Remains(
            subject_id=event.subject_id,
            name=event.name,
            digest=event.digest,
            claims=claims,
            status_claims=status_claims,
            message=event.message and replace(event.message, status_at=None),
            campaign=event.campaign and replace(event.campaign, status_at=None),
            origin=event.origin,
        )
    if not named:
        return event
    erased = _Eraser(people, named).erased(remains)
    if is_remains(event.body) and erased == remains:  # the number of somebody else holds the same digits
        return event
    return event_of_remains(MARK + msgspec.json.encode(erased), event.received_at)


def remains_of_unread(event: Event, people: ForgottenPeople) -> Event:
    """Return what is kept of a body that this version cannot read: `event` has only what the ledger says of it."""
    claims = (event.occurred_at,) if event.is_dated else ()
    bare = Remains(
        subject_id=event.subject_id, name=event.name, digest=event.digest, claims=claims, origin=event.origin
    )
    erased = _Eraser(people, people.named_in(event.body)).erased(bare)
    return event_of_remains(MARK + msgspec.json.encode(erased), event.received_at)


def kept_digest(digest: str, named: ForgottenPerson) -> str:
    """Return the digest that stands for a body which names somebody who was forgotten."""
    return digest if digest.startswith(KEYED) else named.key.keyed_digest(digest)


def _named(people: Iterable[ForgottenPerson]) -> list[ForgottenPerson]:
    return sorted({person.number: person for person in people}.values(), key=lambda person: person.number)


class _Eraser:
    """Takes people out of what an event states. The key is that of the one who was forgotten first."""

    def __init__(self, people: ForgottenPeople, named: list[ForgottenPerson]) -> None:
        self._people, self._first = people, named[0]
        self._key: ForgetKey = named[0].key

    def erased(self, remains: Remains) -> Remains:
        digest = kept_digest(remains.digest, self._first)
        is_by_digest = remains.subject_id == f"sha256:{remains.digest}"
        return Remains(
            subject_id=digest if is_by_digest else self._id(remains.subject_id),
            name=self._id(remains.name),
            digest=digest,
            claims=remains.claims,
            status_claims=remains.status_claims,
            message=remains.message and self._message(remains.message),
            campaign=remains.campaign and self._campaign(remains.campaign),
            origin=remains.origin,
        )

    def _message(self, details: MessageDetails) -> MessageDetails:
        return replace(
            details,
            message_id=details.message_id and self._id(details.message_id),
            channel=self._text(details.channel),
            recipient=self._address(details.recipient),
            addresses=tuple(dict.fromkeys(filter(None, map(self._address, details.addresses)))),
            sender=self._address(details.sender),
            scope_sender=self._address(details.scope_sender),
            campaign_id=details.campaign_id and self._id(details.campaign_id),
            failure_code=self._text(details.failure_code),
            failure_reason=self._text(details.failure_reason),
        )

    def _campaign(self, details: CampaignDetails) -> CampaignDetails:
        is_total_named = self._people.named_in_text(str(details.message_total or ""))
        return replace(
            details,
            campaign_id=details.campaign_id and self._id(details.campaign_id),
            name=self._text(details.name),
            channel=self._text(details.channel),
            message_total=None if is_total_named else details.message_total,
            details=json.dumps(self._value(json.loads(details.details)), sort_keys=True),
        )

    def _id(self, text: str) -> str:
        return self._key.keyed_id(text) if self._people.named_in_text(text) else text

    def _text(self, text: str | None) -> str | None:
        return text and self._people.kept_text(text)

    def _address(self, text: str | None) -> str | None:
        return text and self._people.kept_address(text)

    def _value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._text(key): self._value(member) for key, member in value.items()}
        if isinstance(value, list):
            return [self._value(member) for member in value]
        if isinstance(value, str):
            return self._text(value)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return ERASED if is_number and self._people.named_in_text(str(value)) else value
