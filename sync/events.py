"""Parses a raw event into one typed, immutable fact. Pure: no clock, no database.

Zexa's public documentation of webhooks names six events and shows one sample; everything else is read
tolerantly: the obvious names of a field, snake_case first, and any common form of a time. An event is
never refused for what it lacks, only for what could not be stored or attributed.
"""

import email.utils
import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any, NamedTuple

from sync.addresses import can_be_person, channel_name, is_placeholder, is_sender_name, sender_text, texts_of
from sync.raw_events import RawEvent, inflated, letters_of
from sync.reading import Reading, failure_key


class EventType(StrEnum):
    """The six events the provider documents."""

    DELIVERED = "message.delivered"  # reached the recipient, or the carrier accepted it
    FAILED = "message.failed"  # failed after all attempts
    UNDELIVERABLE = "message.undeliverable"  # could not be delivered, for example an invalid number
    OPT_OUT = "message.optout"  # the recipient replied STOP or clicked an unsubscribe link
    CAMPAIGN_SENT = "campaign.sent"  # every message of the campaign was handed to carriers
    CAMPAIGN_COMPLETED = "campaign.completed"  # every message of the campaign reached a final status


class Outcome(StrEnum):
    """What became of a fact."""

    APPLIED = "applied"  # merged into the tables as far as it goes
    IGNORED = "ignored"  # its type is unknown to this version; only the ledger has it


class Reason(StrEnum):
    """Why a raw event became a dead letter."""

    NOT_UTF8 = "not_utf8"  # the body is not UTF-8 text
    NOT_JSON = "not_json"  # the body is not JSON, or too deep or too long a number to be read
    NOT_OBJECT = "not_object"  # the body is JSON, but not an object
    TOO_LONG = "too_long"  # a field that identifies something is longer than any real one
    UNSTORABLE_TEXT = "unstorable_text"  # a field holds NUL or half a surrogate pair
    NO_SUBJECT = "no_subject"  # an opt-out that names neither a message nor an address
    REFUSED = "refused"  # the database refused it, or merging it failed; `error` says more


class Unreadable(Exception):  # noqa: N818 - it names what is wrong with the body, not with us
    """The body cannot be applied now or later; `detail` never quotes it."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDetails:
    """What a `message.*` event tells of its message.

    `channel` is one of the five the provider has or, in lower case, what it calls another. `recipient` is as the tables
    keep it, also if nobody can be messaged there. `addresses` are those whose persons the event names: of its
    recipient, and of an opt-out also of its sender if that can be a person. `is_recipient_named` says whether one of
    them surely is the recipient. `scope_sender` is the sender that an opt-out holds for, None for any.
    """

    message_id: str | None = None
    channel: str | None = None
    recipient: str | None = None
    addresses: tuple[str, ...] = ()
    is_recipient_named: bool = False
    sender: str | None = None
    scope_sender: str | None = None
    campaign_id: str | None = None
    status_at: datetime | None = None  # the moment `data` names for the status itself
    failure_code: str | None = None
    failure_reason: str | None = None
    is_opt_out: bool = False  # the event says that the recipient has opted out: a STOP, or a failure for that reason


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignDetails:
    """What a `campaign.*` event tells of its campaign; `details` is its `data` as JSON text.

    `message_total` is how many messages the campaign has.
    """

    campaign_id: str | None = None
    status_at: datetime | None = None
    name: str | None = None
    channel: str | None = None
    message_total: int | None = None
    details: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What one body states: a fact, whose key in the ledger is (`subject_id`, `name`).

    `is_dated` says whether the body names the time it occurred at, and can be believed; otherwise that is when it was
    received. `claimed_at` is the first time that the body names, believed or not.
    """

    subject_id: str
    name: str
    occurred_at: datetime
    is_dated: bool
    claimed_at: datetime | None
    received_at: datetime
    outcome: Outcome
    body: bytes = field(repr=False)
    digest: str
    message: MessageDetails | None = field(default=None, repr=False)
    campaign: CampaignDetails | None = field(default=None, repr=False)

    @property
    def key(self) -> tuple[str, str]:
        return self.subject_id, self.name


# PostgreSQL keeps at most 2,704 bytes of key in an index page's row; these bounds leave room for any pair.
ID_BYTES_MAX = 1024
NAME_BYTES_MAX = 255
PROSE_CHARACTERS_MAX = 1000
BYTE_ORDER_MARK = "\ufeff"
DEPTH_MAX = 100
DIGITS_MAX = 100

# No event of this provider is older: such a time is a broken clock.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
# A time further ahead of the receipt is a broken clock, or a number misread. It would outrank every true one until
# it has come, so it counts as no time.
AHEAD_MAX = timedelta(days=1)
# No time that is stored lies behind this one.
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

_MESSAGE_ID = ("message_id", "messageId", "id")
_CAMPAIGN_ID = ("campaign_id", "campaignId")
_OWN_CAMPAIGN_ID = (*_CAMPAIGN_ID, "id")
_RECIPIENT = ("to", "recipient")
_SENDER = ("from", "sender_id", "senderId", "sender")
_CODE = ("error_code", "errorCode", "failure_code", "failureCode", "code")
_TOTAL = (
    *("message_total", "messageTotal", "total_messages", "totalMessages", "messages_total", "messagesTotal"),
    *("message_count", "messageCount", "messages", "recipient_count", "recipientCount", "recipients", "total"),
)
_TOTALS = ("totals", "counts", "delivery_counts", "deliveryCounts", "stats")
TOTAL_MAX = 2**31 - 1
_REASON = ("error", "reason", "error_message", "errorMessage", "failure_reason", "failureReason")
_ERROR_REASON = ("message", *_REASON, "description", "detail", "title")
_ERRORS_MAX = 20
_MOMENTS: Mapping[str, tuple[str, ...]] = {
    EventType.DELIVERED: ("delivered_at", "deliveredAt"),
    EventType.FAILED: ("failed_at", "failedAt"),
    EventType.UNDELIVERABLE: ("undeliverable_at", "undeliverableAt", "failed_at", "failedAt"),
    EventType.OPT_OUT: ("opted_out_at", "optedOutAt", "optout_at", "optoutAt"),
    EventType.CAMPAIGN_SENT: ("sent_at", "sentAt"),
    EventType.CAMPAIGN_COMPLETED: ("completed_at", "completedAt"),
}
_FAILURES = frozenset({EventType.FAILED, EventType.UNDELIVERABLE})
_CHANNEL = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_EPOCH = re.compile(r"\d+(?:\.\d*)?", re.ASCII)
_ANY_MOMENT = ("timestamp", "occurred_at", "occurredAt", "created_at", "createdAt")


def parse(raw: RawEvent, reading: Reading) -> Event:
    """Return the fact that `raw` states; raise Unreadable where it states none that could be kept."""
    document = _document(raw.body)
    digest = hashlib.sha256(raw.body).hexdigest()
    data = document.get("data")
    data = data if isinstance(data, dict) else {}
    name = document.get("event")
    name = event_name(_bounded(name, NAME_BYTES_MAX)) if isinstance(name, str) else ""

    latest = raw.received_at + AHEAD_MAX
    message = _message(name, data, reading, latest) if name.startswith("message.") else None
    campaign = _campaign(name, data, latest) if name.startswith("campaign.") else None
    subject = (message and message.message_id) or (campaign and campaign.campaign_id) or f"sha256:{digest}"
    claimed, named = _occurred(document, data, name, latest)
    return Event(
        subject_id=subject,
        name=name,
        occurred_at=named or raw.received_at,
        is_dated=named is not None,
        claimed_at=claimed,
        received_at=raw.received_at,
        outcome=Outcome.APPLIED if name in _KNOWN else Outcome.IGNORED,
        body=raw.body,
        digest=digest,
        message=message,
        campaign=campaign,
    )


_KNOWN = frozenset(EventType)


def event_name(name: str) -> str:
    """Return one of the six names that `name` spells, without case, blanks and separators; else `name` as it is."""
    if name in _KNOWN:
        return name
    return _BY_LETTERS.get(letters_of(name.encode()), name)


_BY_LETTERS: Mapping[bytes, str] = {letters_of(name.encode()): name for name in EventType}


def _occurred(
    document: Mapping[str, Any], data: Mapping[str, Any], name: str, latest: datetime
) -> tuple[datetime | None, datetime | None]:
    """Return the first time that an event claims, and the first that can be believed: none after `latest`."""
    claimed = None
    for _, value in _claimed_times(document, data, name):
        if time := _time(value):
            claimed = claimed or time
            if time <= latest:
                return claimed, time
    return claimed, None


def _claimed_times(document: Mapping[str, Any], data: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    """Yield the fields that may tell when an event occurred, the one that counts most first."""
    if (value := document.get("timestamp")) is not None:
        yield "timestamp", value
    for field_name in (*_MOMENTS.get(name, ()), *_ANY_MOMENT):
        if (value := data.get(field_name)) is not None:
            yield f"data.{field_name}", value


def disbelieved_times(raw: RawEvent) -> list[tuple[str, str]]:
    """Return the fields of a body that claim a time which does not count, each with the reason, for people to read."""
    try:
        document = _document(raw.body)
    except Unreadable:
        return []
    data, name = document.get("data"), document.get("event")
    found = []
    for field_name, value in _claimed_times(
        document, data if isinstance(data, dict) else {}, event_name(name) if isinstance(name, str) else ""
    ):
        time = _time(value)
        if time is None:
            found.append((field_name, "it is no time that can be read"))
        elif time > raw.received_at + AHEAD_MAX:
            found.append((field_name, "it is more than a day after the body was first received"))
    return found


def _document(body: bytes) -> dict[str, Any]:
    content = inflated(body)
    if content is None:
        raise Unreadable(Reason.NOT_JSON, "the body is compressed, and broken or too long")
    try:
        text = content.decode("utf-8").removeprefix(BYTE_ORDER_MARK)
    except UnicodeDecodeError:
        raise Unreadable(Reason.NOT_UTF8, "the body is not UTF-8") from None
    try:
        document = _DECODER.decode(text)
    except RecursionError:
        raise Unreadable(Reason.NOT_JSON, "the body nests too deep") from None
    except ValueError:
        raise Unreadable(Reason.NOT_JSON, "the body is not JSON") from None
    if text.count("[") + text.count("{") > DEPTH_MAX:
        _require_shallow(document)
    if not isinstance(document, dict):
        raise Unreadable(Reason.NOT_OBJECT, "the body is JSON, but not an object")
    return document


def _require_shallow(document: Any) -> None:
    """Refuse what nests over DEPTH_MAX: the parser's own bound depends on the stack it is called on, and a body
    must read alike everywhere, also when it is read again from the ledger."""
    level = [document]
    for _ in range(DEPTH_MAX + 1):
        inner = (node.values() if isinstance(node, dict) else node for node in level if isinstance(node, dict | list))
        level = [node for nodes in inner for node in nodes]
        if not level:
            return
    raise Unreadable(Reason.NOT_JSON, "the body nests too deep")


def _int(digits: str) -> int | None:
    return int(digits) if len(digits) <= DIGITS_MAX else None


def _float(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _no_number(_name: str) -> None:
    """NaN and Infinity are no JSON, though Python's parser takes them."""


_DECODER = json.JSONDecoder(parse_int=_int, parse_float=_float, parse_constant=_no_number)


def _message(name: str, data: dict[str, Any], reading: Reading, latest: datetime) -> MessageDetails:
    is_stop = name == EventType.OPT_OUT
    # A STOP holds for its address whatever else in it cannot be stored, so there such a field counts as none.
    optional = _usable_identity if is_stop else _identity
    channel = _channel(data)
    told = _failure(data) if name in _FAILURES else NO_FAILURE
    is_opt_out = is_stop or told.says(reading.opt_out_failures)
    parties = _parties if is_opt_out else _recipient_and_sender
    named = parties(channel or "", optional(data, _RECIPIENT), optional(data, _SENDER), reading.default_region)
    message_id = (optional if named.addresses else _identity)(data, _MESSAGE_ID)
    if is_opt_out and message_id is None and not named.addresses:
        raise Unreadable(Reason.NO_SUBJECT, "the opt-out names neither a message nor an address")
    return MessageDetails(
        message_id=message_id,
        channel=channel,
        recipient=named.recipient,
        addresses=named.addresses,
        is_recipient_named=named.is_recipient_named,
        sender=named.sender,
        scope_sender=named.scope_sender,
        campaign_id=optional(data, _CAMPAIGN_ID),
        status_at=_moment(data, _MOMENTS.get(name, ()), latest),
        failure_code=told.code,
        failure_reason=told.reason,
        is_opt_out=is_opt_out,
    )


class _Named(NamedTuple):
    """Whom an event is about, in the words of MessageDetails."""

    recipient: str | None
    sender: str | None
    addresses: tuple[str, ...]
    is_recipient_named: bool
    scope_sender: str | None = None


def _recipient_and_sender(channel: str, recipient: str | None, sender: str | None, region: str) -> _Named:
    """Return whom an event is about; what is no address of anybody is kept as it is told."""
    sender = _sender_as_told(sender, region)
    if recipient is None:
        return _Named(None, sender, (), False)
    addresses = texts_of(channel, recipient, region)
    return _Named(addresses[0] if addresses else recipient.strip(), sender, addresses, bool(addresses))


def _parties(channel: str, recipient: str | None, sender: str | None, region: str) -> _Named:
    """Return who has opted out, of whom.

    Many providers turn `to` and `from` round in a STOP, so each that can be a person's is taken for one: a sender that
    is a number is opted out too, which harms nobody. Only beside a `to` that is the name of a sender is `from` surely
    the recipient. What cannot be a person's is the sender that the opt-out holds for.
    """
    of_recipient, of_sender = (_persons(channel, text, region) for text in (recipient, sender))
    if recipient and not of_recipient and not of_sender and channel == "slack":  # there anything may be an id
        of_recipient = texts_of(channel, recipient, region)
    is_name = recipient is not None and not of_recipient and is_sender_name(recipient, region)
    is_reversed = is_name and bool(of_sender)
    told = _sender_as_told(sender, region)
    name = None if of_sender or not sender or is_placeholder(sender) else told
    if name is None and is_name:
        name = _sender_as_told(recipient, region)
    surely = of_recipient or (of_sender if is_reversed else ())
    return _Named(
        recipient=surely[0] if surely else None,
        sender=name if is_reversed or (sender and is_placeholder(sender)) else told,
        addresses=tuple(dict.fromkeys((*of_recipient, *of_sender))),
        is_recipient_named=bool(surely),
        scope_sender=name,
    )


def _persons(channel: str, text: str | None, region: str) -> tuple[str, ...]:
    return texts_of(channel, text, region) if text and can_be_person(channel, text, region) else ()


def _sender_as_told(sender: str | None, region: str) -> str | None:
    return sender_text(sender, region) or None if sender else None


def _campaign(name: str, data: dict[str, Any], latest: datetime) -> CampaignDetails:
    return CampaignDetails(
        campaign_id=_identity(data, _OWN_CAMPAIGN_ID),
        status_at=_moment(data, _MOMENTS.get(name, ()), latest),
        name=_prose(data.get("name")),
        channel=_channel(data),
        message_total=message_total(data),
        details=json.dumps(data, sort_keys=True),
    )


def message_total(data: Mapping[str, Any]) -> int | None:
    """Return how many messages a campaign has, where its `data` tells. The provider documents no name for it."""
    inner = (data.get(name) for name in _TOTALS)
    for told in (data, *(counts for counts in inner if isinstance(counts, Mapping))):
        for total in (told.get(name) for name in _TOTAL):
            if isinstance(total, int) and not isinstance(total, bool) and 0 <= total <= TOTAL_MAX:
                return total
    return None


def _channel(data: dict[str, Any]) -> str | None:
    """Return one of the provider's five channels, however it is spelled; another in lower case, if it can be a name."""
    channel = data.get("channel")
    if not isinstance(channel, str):
        return None
    if name := channel_name(channel):
        return name
    return channel.strip().lower() if _CHANNEL.fullmatch(channel.strip()) else None


class Failure(NamedTuple):
    """Why a message failed: the code and the reason that are shown, and all that the body tells besides."""

    code: str | None
    reason: str | None
    told: frozenset[str]  # as `failure_key` compares it

    def says(self, opt_out_failures: frozenset[str]) -> bool:
        """Does the carrier refuse the message because its recipient opted out? It reports a failure, and no opt-out."""
        return not opt_out_failures.isdisjoint(self.told)


NO_FAILURE = Failure(None, None, frozenset())


def _failure(data: dict[str, Any]) -> Failure:
    """`error` is a text, or an object with `code` and `message`; `errors` a list of such. All that is told counts."""
    nested = list(islice(_errors(data.get("error"), data.get("errors")), _ERRORS_MAX))
    codes = [*_proses(data, _CODE), *(code for error in nested for code in _proses(error, _CODE))]
    reasons = [*_proses(data, _REASON), *(text for error in nested for text in _proses(error, _ERROR_REASON))]
    return Failure(
        code=next((code for code in codes if failure_key(code) != "0"), codes[0] if codes else None),
        reason=reasons[0] if reasons else None,
        told=frozenset(map(failure_key, (*codes, *reasons))),
    )


def _errors(*values: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the objects that tell of errors, however they nest in lists and in each other; a text as its message."""
    for value in values:
        if isinstance(value, list):
            yield from _errors(*value)
        elif isinstance(value, dict):
            yield value
            yield from _errors(*(value.get(name) for name in ("error", "errors")))
        elif value is not None:
            yield {"message": value}


def _proses(data: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
    return (text for name in names if (text := _prose(data.get(name))))


def _prose(value: Any) -> str | None:
    """Text that is only read by people: cut to size, and cleaned of what no database takes."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(int(value) if value == int(value) else value)
    if not isinstance(value, str) or not value.strip():
        return None
    text = value.strip()[:PROSE_CHARACTERS_MAX]
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _identity(data: dict[str, Any], names: Iterable[str]) -> str | None:
    """Return the first of `names` that holds an identifier: a text that is not blank, or a whole number.

    Raises Unreadable where one is there, but none that can be stored.
    """
    unusable: Unreadable | None = None
    for name in names:
        value = data.get(name)
        if value is None:
            continue  # by far the most common, so nothing else is asked
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and value.strip():
            try:
                return _bounded(value, ID_BYTES_MAX)
            except Unreadable as error:
                unusable = unusable or error
    if unusable:
        raise unusable
    return None


def _usable_identity(data: dict[str, Any], names: Iterable[str]) -> str | None:
    try:
        return _identity(data, names)
    except Unreadable:
        return None


def _bounded(text: str, bytes_max: int) -> str:
    if text.isascii() and text.isprintable() and len(text) <= bytes_max:
        return text
    if "\0" in text:
        raise Unreadable(Reason.UNSTORABLE_TEXT, "a field that identifies something contains NUL")
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise Unreadable(
            Reason.UNSTORABLE_TEXT, "a field that identifies something contains half a surrogate pair"
        ) from None
    if size > bytes_max:
        raise Unreadable(Reason.TOO_LONG, f"a field that identifies something is over {bytes_max} bytes")
    return text


def _moment(data: dict[str, Any], names: Iterable[str], latest: datetime) -> datetime | None:
    for name in names:
        if (value := data.get(name)) is not None and (moment := _time(value)) and moment <= latest:
            return moment
    return None


def _time(value: Any) -> datetime | None:
    """Read a time in any form that `_text_time` names, or as epoch seconds or milliseconds; None if it is none."""
    try:
        if isinstance(value, str):
            moment = _text_time(value.strip())
        elif isinstance(value, int | float) and not isinstance(value, bool):
            moment = _epoch_time(value)
        else:
            return None
        return moment if EARLIEST <= moment < LATEST else None
    except (ValueError, OverflowError, OSError):
        return None


# As seconds it would be the year 5138, so a number as great as this one counts milliseconds.
_MILLISECONDS_FROM = 1e11


def _epoch_time(number: float) -> datetime:
    if number >= _MILLISECONDS_FROM:
        return _EPOCH_BEGIN + timedelta(milliseconds=number)
    return datetime.fromtimestamp(number, UTC)


_EPOCH_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_ZONE_IN_WORDS = re.compile(r"\s*(?:UTC|GMT)$", re.IGNORECASE)
_MIDNIGHT_AS_24 = re.compile(r"(\d{4}-?\d\d-?\d\d[T ])24(?=(?::?00)?(?::?00(?:[.,]0+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?$)")
_LEAP_SECOND = re.compile(r"(\d{4}-?\d\d-?\d\d[T ]\d\d(:?)\d\d\2)60(?=[.,Z+-]|$)")
_RFC_2822 = re.compile(
    r"(?:[A-Z]{3},?\s+)?\d{1,2}\s+[A-Z]{3}[A-Z]*\s+\d{4}\s+\d\d:\d\d(?::\d\d)?"
    # Of a zone that is not known by its name nobody can say which time it is.
    r"(?:\s+(?:[+-]\d{4}|UTC?|GMT|Z|[ECMP][SD]T))?(?:\s+\([^()]*\))?",
    re.IGNORECASE,
)


def _text_time(text: str) -> datetime:
    """Read ISO 8601 (no offset means UTC), also with 24:00:00, a second 60 or the zone as ` UTC`; RFC 2822; or epoch
    seconds or milliseconds. Raise ValueError if it is none."""
    if "-" not in text and _EPOCH.fullmatch(text) and len(text) != len("20260624"):
        return _epoch_time(float(text))
    text = text.upper()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = _unusual_time(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _unusual_time(text: str) -> datetime:
    if _RFC_2822.fullmatch(text):
        return email.utils.parsedate_to_datetime(text)
    text = _ZONE_IN_WORDS.sub("Z", text)
    text, days = _MIDNIGHT_AS_24.subn(r"\g<1>00", text)
    text, seconds = _LEAP_SECOND.subn(r"\g<1>59", text)
    return datetime.fromisoformat(text) + timedelta(days=days, seconds=seconds)
