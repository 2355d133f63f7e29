"""Parses a raw event into one fact. Pure: no clock, no database."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any

from sync.events.addresses import sender_text, texts_of
from sync.events.campaigns import campaign_details
from sync.events.documents import (
    ANY_TIME,
    CAMPAIGN_ID,
    MESSAGE_ID,
    NO_FIELDS,
    RECIPIENT,
    SENDER,
    STATUS_TIMES,
    Document,
    WholeDocument,
    decode,
    decode_tolerantly,
)
from sync.events.event import FAILURES, KNOWN_EVENTS, Event, EventType, MessageDetails, Outcome, Reason, Unreadable
from sync.events.failures import NO_FAILURE, Failure, failure
from sync.events.interpretation import ParseOptions
from sync.events.parties import opted_out_parties
from sync.events.raw import RawEvent, letters_of
from sync.events.times import AHEAD_MAX, read_time
from sync.events.values import NAME_BYTES_MAX, bounded, channel, identity, quick_identity, usable_identity

Values = Callable[[Any], tuple[Any, ...]]

# To look a member up in its enumeration takes longer than the rest of a comparison.
_OPT_OUT, _APPLIED, _IGNORED = EventType.OPT_OUT, Outcome.APPLIED, Outcome.IGNORED
_BY_LETTERS: Mapping[bytes, str] = {letters_of(name.encode()): name for name in EventType}
_message_ids, _campaign_ids = attrgetter(*MESSAGE_ID), attrgetter(*CAMPAIGN_ID)
_recipients, _senders = attrgetter(*RECIPIENT), attrgetter(*SENDER)
_STATUS_TIMES: Mapping[str, Values] = {name: attrgetter(*names) for name, names in STATUS_TIMES.items()}


def parse(raw: RawEvent, options: ParseOptions) -> Event:
    """Return the fact that `raw` states; raise Unreadable if it states none that could be kept."""
    return parse_document(decode(raw.body), raw, options)


def parse_document(document: Document, raw: RawEvent, options: ParseOptions) -> Event:
    """Return the fact that `document` states, which is decoded from `raw`; raise as `parse` does."""
    digest = hashlib.sha256(raw.body).hexdigest()
    name, fields, received_at = _name(document.event), document.data or NO_FIELDS, raw.received_at
    latest = received_at + AHEAD_MAX
    message = campaign = subject = None
    if name.startswith("message."):
        message = _message(name, document, options, latest)
        subject = message.message_id
    elif name.startswith("campaign.") and isinstance(document, WholeDocument):
        campaign = campaign_details(document.whole_data, _status_time(name, fields, latest))
        subject = campaign.campaign_id
    claimed_at, occurred_at = _occurred(document, name, latest)
    return Event(
        subject_id=subject or f"sha256:{digest}",
        name=name,
        occurred_at=occurred_at or received_at,
        is_dated=occurred_at is not None,
        claimed_at=claimed_at,
        received_at=received_at,
        outcome=_APPLIED if name in KNOWN_EVENTS else _IGNORED,
        body=raw.body,
        digest=digest,
        message=message,
        campaign=campaign,
    )


def _name(event: Any) -> str:
    if not isinstance(event, str):
        return ""
    return event if event in KNOWN_EVENTS else event_name(bounded(event, NAME_BYTES_MAX))


def event_name(name: str) -> str:
    """Return one of the six names that `name` spells, without case, blanks and separators; else `name` as it is."""
    if name in KNOWN_EVENTS:
        return name
    return _BY_LETTERS.get(letters_of(name.encode()), name)


def _occurred(document: Document, name: str, latest: datetime) -> tuple[datetime | None, datetime | None]:
    """Return the first time that an event claims, and the first that can be believed: none after `latest`."""
    value = document.timestamp
    if value is not None and (time := read_time(value)) and time <= latest:
        return time, time  # as nearly always
    claimed = None
    for _, value in _claimed_times(document, name):
        if time := read_time(value):
            claimed = claimed or time
            if time <= latest:
                return claimed, time
    return claimed, None


def _claimed_times(document: Document, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the fields that may tell when an event occurred, the one that counts most first."""
    if document.timestamp is not None:
        yield "timestamp", document.timestamp
    fields = document.data or NO_FIELDS
    for field_name in (*STATUS_TIMES.get(name, ()), *ANY_TIME):
        if (value := getattr(fields, field_name)) is not None:
            yield f"data.{field_name}", value


def claims_of(event: Event) -> tuple[tuple[datetime, ...], tuple[datetime, ...]]:
    """Return every time that a body claims to have occurred at, and that its status came about at; the first first."""
    document = decode(event.body)
    fields, values = document.data or NO_FIELDS, _STATUS_TIMES.get(event.name)
    claimed = [read_time(value) for _, value in _claimed_times(document, event.name)]
    of_status = [read_time(value) for value in (values(fields) if values else ()) if value is not None]
    return tuple(filter(None, claimed)), tuple(filter(None, of_status))


def disbelieved_times(raw: RawEvent) -> list[tuple[str, str]]:
    """Return the fields of a body that claim a time which does not count, each with the reason, for people to read."""
    try:
        document = decode_tolerantly(raw.body)
    except Unreadable:
        return []
    name = document.event
    disbelieved = []
    for field_name, value in _claimed_times(document, event_name(name) if isinstance(name, str) else ""):
        time = read_time(value)
        if time is None:
            disbelieved.append((field_name, "it is no time that can be read"))
        elif time > raw.received_at + AHEAD_MAX:
            disbelieved.append((field_name, "it is more than a day after the body was first received"))
    return disbelieved


def _status_time(name: str, fields: Any, latest: datetime) -> datetime | None:
    values = _STATUS_TIMES.get(name)
    for value in values(fields) if values else ():
        if value is not None and (time := read_time(value)) and time <= latest:
            return time
    return None


def _message(name: str, document: Document, options: ParseOptions, latest: datetime) -> MessageDetails:
    fields = document.data or NO_FIELDS
    failed = failure(fields) if name in FAILURES else NO_FAILURE
    if name == _OPT_OUT or (options.opt_out_failures and failed.says(options.opt_out_failures)):
        return _opt_out(name, document, options.default_region, latest, failed)
    recipient, sender, message_id, campaign_id = _identities(document)
    channel_name = channel(fields.channel)
    addresses = texts_of(channel_name or "", recipient, options.default_region) if recipient else ()
    return MessageDetails(
        message_id=message_id,
        channel=channel_name,
        recipient=addresses[0] if addresses else recipient and recipient.strip(),
        addresses=addresses,
        is_recipient_named=bool(addresses),
        sender=sender_text(sender, options.default_region) or None if sender else None,
        campaign_id=campaign_id,
        status_at=_status_time(name, fields, latest),
        failure_code=failed.code,
        failure_reason=failed.reason,
    )


def _identities(document: Document) -> Iterable[str | None]:
    """Return what names the recipient, the sender, the message and the campaign of `document`."""
    fields = document.data or NO_FIELDS
    if isinstance(document, WholeDocument):
        return [identity(names(fields)) for names in (_recipients, _senders, _message_ids, _campaign_ids)]
    # Nearly always under the first name: to look there first halves the time.
    recipient, message_id, campaign_id = fields.to, fields.message_id, fields.campaign_id
    if not recipient or recipient.isspace():
        recipient = quick_identity(_recipients(fields))
    if not message_id or message_id.isspace():
        message_id = quick_identity(_message_ids(fields))
    if not campaign_id or campaign_id.isspace():
        campaign_id = quick_identity(_campaign_ids(fields))
    return recipient, quick_identity(_senders(fields)), message_id, campaign_id


def _opt_out(name: str, document: Document, region: str, latest: datetime, failed: Failure) -> MessageDetails:
    fields, is_stop = document.data or NO_FIELDS, name == _OPT_OUT
    surely = identity if isinstance(document, WholeDocument) else quick_identity
    # A STOP holds for its address whatever else in it cannot be stored, so there such a field counts as none.
    optional = usable_identity if is_stop else surely
    channel_name = channel(fields.channel)
    parties = opted_out_parties(channel_name or "", optional(_recipients(fields)), optional(_senders(fields)), region)
    message_id = (optional if parties.addresses else surely)(_message_ids(fields))
    if message_id is None and not parties.addresses:
        raise Unreadable(Reason.NO_SUBJECT, "the opt-out names neither a message nor an address")
    return MessageDetails(
        message_id=message_id,
        channel=channel_name,
        recipient=parties.recipient,
        addresses=parties.addresses,
        is_recipient_named=parties.is_recipient_named,
        sender=parties.sender,
        scope_sender=parties.scope_sender,
        campaign_id=optional(_campaign_ids(fields)),
        status_at=_status_time(name, fields, latest),
        failure_code=failed.code,
        failure_reason=failed.reason,
        is_opt_out=True,
    )
