"""One typed, immutable fact, and why a body states none. Pure.

Events and their details are structs, which msgspec makes in C: one of each is made for every event. They hold no
references in a circle, so the garbage collector need not look at them (`gc=False`).
"""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class EventType(StrEnum):
    """The events that the provider documents."""

    DELIVERED = "message.delivered"  # reached the recipient, or the carrier accepted it
    FAILED = "message.failed"  # failed after all attempts
    UNDELIVERABLE = "message.undeliverable"  # could not be delivered, for example an invalid number
    OPT_OUT = "message.optout"  # the recipient replied STOP or clicked an unsubscribe link
    CAMPAIGN_SENT = "campaign.sent"  # every message of the campaign was handed to carriers
    CAMPAIGN_COMPLETED = "campaign.completed"  # every message of the campaign reached a final status


KNOWN_EVENTS = frozenset(EventType)
FAILURES = frozenset({EventType.FAILED, EventType.UNDELIVERABLE})


class Outcome(StrEnum):
    """What became of a fact."""

    APPLIED = "applied"  # merged into the tables as far as it goes
    IGNORED = "ignored"  # its type is unknown to this version; only the ledger has it


class Origin(StrEnum):
    """How a body came to us."""

    SIGNED = "signed"  # the provider sent it, with a signature
    POLLED = "polled"  # the provider answered it when it was asked what became of a message


_POLLED = Origin.POLLED  # to look it up in the enumeration takes longer than to compare it


def outcome_of(name: str, origin: str) -> Outcome:
    """Return the outcome of a fact of this name: some names are known only as polled."""
    return Outcome.APPLIED if origin == Origin.POLLED or name in KNOWN_EVENTS else Outcome.IGNORED


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


class MessageDetails(Struct, frozen=True, kw_only=True, gc=False):
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
    status_at: datetime | None = None  # the time `data` names for the status itself
    failure_code: str | None = None
    failure_reason: str | None = None
    is_opt_out: bool = False  # the event says that the recipient has opted out: a STOP, or a failure for that reason


class CampaignDetails(Struct, frozen=True, kw_only=True, gc=False):
    """What a `campaign.*` event tells of its campaign; `details` is its `data` as JSON text.

    `message_total` is how many messages the campaign has.
    """

    campaign_id: str | None = None
    status_at: datetime | None = None
    name: str | None = None
    channel: str | None = None
    message_total: int | None = None
    details: str = "{}"


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """What one body states: a fact, whose key in the ledger is (`subject_id`, `name`).

    `is_dated` says whether the body names the time it occurred at, and can be believed; otherwise that is when it was
    received. `claimed_at` is the first time that the body names, believed or not. What is polled was received when
    it was asked for.
    """

    subject_id: str
    name: str
    occurred_at: datetime
    is_dated: bool
    claimed_at: datetime | None
    received_at: datetime
    outcome: Outcome
    body: bytes
    digest: str
    message: MessageDetails | None = None
    campaign: CampaignDetails | None = None
    origin: Origin = Origin.SIGNED

    def __repr__(self) -> str:
        """Name the fact by its digest: body and details hold addresses."""
        return f"Event(name={self.name!r}, digest={self.digest!r}, received_at={self.received_at!r})"

    @property
    def key(self) -> tuple[str, str]:
        return self.subject_id, self.name

    @property
    def is_polled(self) -> bool:
        return self.origin is _POLLED
