"""The rule of opt-outs: whom an opt-out stops, and what `opt_outs` says after all that was stated. Pure.

A statement is one opt-out of one address, or the end of opt-outs, by an event, a person or a file. The rows follow from
the set of statements, each with the time it occurred at and its earliest receipt, in whatever order they came.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from msgspec import Struct

from sync.events.addresses import CHANNELS, person_of, sender_key
from sync.events.event import Event, EventType
from sync.events.merge import MESSAGE_EVENTS

# An opt-out that names nobody is expected to be named by what was received up to this long after it.
NAMELESS_FOR = timedelta(hours=1)

OptOutKey = tuple[str, str, str]
# A row of the view `opt_out_statements`, by column.
StoredStatement = Mapping[str, Any]


class OptOutSource(StrEnum):
    """By whose word somebody has opted out."""

    EVENT = "event"  # the provider's: a STOP, or an unsubscribe link
    FAILURE = "failure"  # a carrier's, which refused a message for that reason (`ParseOptions.opt_out_failures`)
    MANUAL = "manual"  # a person's, by command
    IMPORT = "import"  # a file's


class StatementKind(StrEnum):
    """What a statement says."""

    OPTED_OUT = "opted_out"
    OPTED_IN = "opted_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOutStatement:
    """One statement, as the history keeps it.

    An opt-out has a `channel` and a `sender`, '' if it holds for any. The end of opt-outs holds for one channel or
    sender, or for all if these are None. What an event states has its name and digest; what people state, who and
    why. `occurred_at` is the time stated, which the ledger may know better; None if a body names none. `opt_out_id` is
    the same for all addresses that one opt-out counts for.
    """

    kind: StatementKind = StatementKind.OPTED_OUT
    channel: str | None
    address: str = field(repr=False)
    sender: str | None
    occurred_at: datetime | None
    source: OptOutSource
    message_id: str | None = None
    event: str | None = None
    digest: str | None = None
    stated_by: str | None = field(default=None, repr=False)
    reason: str | None = field(default=None, repr=False)
    opt_out_id: str | None = field(default=None, repr=False)

    @property
    def key(self) -> OptOutKey:
        """The row of `opt_outs` that an opt-out is about."""
        return self.channel or "", self.address, self.sender or ""


class OptOutRow(Struct, frozen=True, kw_only=True, gc=False):
    """A row of `opt_outs`, but for `updated_at`."""

    channel: str
    address: str
    sender: str
    opted_out_at: datetime
    opted_in_at: datetime | None
    received_at: datetime
    source: str
    message_id: str | None
    note: str | None
    opt_out_id: str | None

    @property
    def key(self) -> OptOutKey:
        return self.channel, self.address, self.sender

    @property
    def is_in_force(self) -> bool:
        return is_in_force(self.opted_in_at, self.received_at)


def is_in_force(opted_in_at: datetime | None, received_at: datetime) -> bool:
    """Return whether an opt-out is in force; `models.in_force.in_force` says the same in SQL."""
    return opted_in_at is None or opted_in_at <= received_at


def opt_outs_of(events: Iterable[Event]) -> list[OptOutStatement]:
    """Return what the opt-outs among every body of one subject state.

    Each holds for its own address, and for every address that any body of its message names.
    """
    events = list(events)
    opt_outs = [event for event in events if event.message and event.message.is_opt_out]
    if not opt_outs:
        return []
    named = [event.message for event in events if event.name in MESSAGE_EVENTS and event.message]
    statements: dict[tuple[OptOutKey, str], OptOutStatement] = {}
    for event in opt_outs:
        own_details = event.message
        assert own_details is not None
        for details in named:
            for address in details.addresses:
                statement = OptOutStatement(
                    channel=scope_channel(own_details.channel) or scope_channel(details.channel),
                    address=address,
                    sender=own_details.scope_sender or "",
                    occurred_at=event.claimed_at,
                    source=OptOutSource.EVENT if event.name == EventType.OPT_OUT else OptOutSource.FAILURE,
                    message_id=own_details.message_id,
                    event=event.name,
                    digest=event.digest,
                    opt_out_id=event.digest,
                )
                statements[statement.key, event.digest] = statement
    return list(statements.values())


def scope_channel(channel: str | None) -> str:
    """Return the channel that an opt-out holds for: a name that is none of the provider's five names none."""
    return channel if channel in CHANNELS else ""


def nameless_opt_outs(events: Iterable[Event]) -> list[Event]:
    """Return the opt-outs among every body of one subject, if none of these bodies surely names the recipient.

    Of one that only has a sender, which may be a person, nobody can tell whether somebody else was meant.
    """
    events = list(events)
    if any(event.message and event.message.is_recipient_named for event in events if event.name in MESSAGE_EVENTS):
        return []
    return [event for event in events if event.message and event.message.is_opt_out]


def opt_out_rows(statements: Iterable[StoredStatement]) -> dict[OptOutKey, OptOutRow]:
    """Return the rows of `opt_outs` that follow from all statements about some addresses, sorted by key.

    Of one row's opt-outs the latest times count; the greatest tells the source, the message and the note.
    """
    greatest: dict[OptOutKey, StoredStatement] = {}
    received: dict[OptOutKey, datetime] = {}
    endings: dict[str, list[StoredStatement]] = {}
    for statement in statements:
        if statement["kind"] == StatementKind.OPTED_IN:
            endings.setdefault(statement["person"], []).append(statement)
            continue
        key = statement["channel"], statement["address"], statement["sender"]
        received_at = statement["received_at"] or statement["occurred_at"]
        received[key] = max(received.get(key, received_at), received_at)
        greatest[key] = max(greatest.get(key, statement), statement, key=_strength)
    return {
        key: OptOutRow(
            channel=key[0],
            address=key[1],
            sender=key[2],
            opted_out_at=statement["occurred_at"],
            opted_in_at=ended_at(key, endings.get(statement["person"], ())),
            received_at=received[key],
            source=statement["source"],
            message_id=statement["message_id"],
            note=statement["reason"],
            opt_out_id=statement["opt_out_id"],
        )
        for key, statement in sorted(greatest.items())
    }


def _strength(statement: StoredStatement) -> tuple[datetime, str, bool, str, str, str, str]:
    # The last three only tell apart what people state of one moment, which has neither message nor digest.
    return (
        statement["occurred_at"],
        statement["message_id"] or "",
        statement["source"] != OptOutSource.FAILURE,
        statement["digest"] or "",
        statement["source"],
        statement["reason"] or "",
        statement["opt_out_id"] or "",
    )


def ended_at(key: OptOutKey, statements: Iterable[StoredStatement]) -> datetime | None:
    """Return when the opt-outs of a person under `key` were last ended, by any of `statements`; None if never.

    The address of `key` may be another spelling than that of the statement: people end the opt-outs of a person.
    """
    channel, address, sender = key
    person, sender = person_of(address), sender_key(sender)
    return max(
        (
            end["occurred_at"]
            for end in statements
            if end["kind"] == StatementKind.OPTED_IN
            and end["person"] == person
            and end["channel"] in (None, channel)
            and (end["sender"] is None or sender_key(end["sender"]) == sender)
        ),
        default=None,
    )
