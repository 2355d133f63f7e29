"""Gathers everything the database knows of one message, as frozen data. It changes nothing and prints nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Connection, Engine, String, Table, column, exists, or_, select, table

from sync.events import Event, Unreadable, parse
from sync.raw_events import RawEvent
from sync.reading import Reading
from sync.statements import hold_one_moment
from sync.store import CAMPAIGNS, LEDGER, MESSAGES, OPT_OUTS
from sync.tracing.explaining import explain

# The rule of when an opt-out is in force stands in the view, and nowhere else.
_ACTIVE = table("active_opt_outs", *(column(key.name, String) for key in OPT_OUTS.primary_key))

Row = Mapping[str, Any]


class FoundBy(StrEnum):
    """Why an opt-out concerns a message."""

    MESSAGE_ID = "message_id"  # it came with this message
    ADDRESS = "address"  # it is of the address the message went to, whatever it came with


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact of the ledger. `event` is what this version reads in its body, None where it cannot."""

    name: str
    occurred_at: datetime
    received_at: datetime
    applied_at: datetime
    outcome: str
    body: bytes = field(repr=False)
    event: Event | None

    @property
    def is_dated(self) -> bool:
        """Does the body name the time it occurred at? Otherwise that is when it was received."""
        return self.event is not None and self.event.is_dated


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOutFound:
    """A row of `opt_outs` that concerns the message."""

    row: Row = field(repr=False)
    is_active: bool
    found_by: tuple[FoundBy, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Everything known of one message: facts in the order they occurred, rows by the columns of their tables."""

    message_id: str
    facts: tuple[Fact, ...] = ()
    message: Row | None = field(default=None, repr=False)
    campaign: Row | None = field(default=None, repr=False)
    opt_outs: tuple[OptOutFound, ...] = ()
    why: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        return bool(self.facts or self.message or self.opt_outs)


def trace_message(engine: Engine, message_id: str, *, reading: Reading) -> Trace:
    """Return what is known of `message_id`, as it stood at one moment.

    Reads in one short transaction, which keeps nobody from writing if `engine` is read-only. Errors of the
    database are SQLAlchemy's DBAPIError and pass through.
    """
    if not _can_be_stored(message_id):
        return Trace(message_id=message_id)
    with engine.begin() as connection:
        hold_one_moment(connection)
        facts = _facts(connection, message_id, reading)
        message = _row(connection, MESSAGES, MESSAGES.c.message_id, message_id)
        campaign_id = message and message["campaign_id"]
        campaign = _row(connection, CAMPAIGNS, CAMPAIGNS.c.campaign_id, campaign_id) if campaign_id else None
        opt_outs = _opt_outs(connection, message_id, _addresses(facts, message))
    trace = Trace(message_id=message_id, facts=facts, message=message, campaign=campaign, opt_outs=opt_outs)
    return replace(trace, why=_why(trace))


def _can_be_stored(message_id: str) -> bool:
    """No database holds NUL or half a surrogate pair, so such an id is known to be unknown."""
    try:
        return b"\0" not in message_id.encode("utf-8")
    except UnicodeEncodeError:
        return False


def _facts(connection: Connection, message_id: str, reading: Reading) -> tuple[Fact, ...]:
    query = select(LEDGER).where(LEDGER.c.subject_id == message_id).order_by(LEDGER.c.occurred_at, LEDGER.c.event)
    return tuple(
        Fact(
            name=entry.event,
            occurred_at=entry.occurred_at,
            received_at=entry.received_at,
            applied_at=entry.applied_at,
            outcome=entry.outcome,
            body=entry.body,
            event=_event(RawEvent(body=entry.body, received_at=entry.received_at), reading),
        )
        for entry in connection.execute(query)
    )


def _event(raw: RawEvent, reading: Reading) -> Event | None:
    try:
        return parse(raw, reading)
    except Unreadable:
        return None


def _row(connection: Connection, of: Table, key: Column[Any], value: str) -> Row | None:
    row = connection.execute(select(of).where(key == value)).mappings().one_or_none()
    return None if row is None else dict(row)


def _addresses(facts: Sequence[Fact], message: Row | None) -> set[str]:
    """Every address the message was ever said to have gone to: an opt-out without one holds for all of them."""
    named = {fact.event.message.recipient for fact in facts if fact.event and fact.event.message}
    return {address for address in (*named, message and message["recipient"]) if address}


def _opt_outs(connection: Connection, message_id: str, addresses: set[str]) -> tuple[OptOutFound, ...]:
    is_active = exists().where(*(_ACTIVE.c[key.name] == key for key in OPT_OUTS.primary_key)).label("is_active")
    is_of_message = or_(OPT_OUTS.c.message_id == message_id, OPT_OUTS.c.address.in_(addresses))
    query = select(OPT_OUTS, is_active).where(is_of_message).order_by(*OPT_OUTS.primary_key)
    found = []
    for row in connection.execute(query).mappings():
        by_message = [FoundBy.MESSAGE_ID] if row["message_id"] == message_id else []
        by_address = [FoundBy.ADDRESS] if row["address"] in addresses else []
        columns = {key.name: row[key.name] for key in OPT_OUTS.columns}
        found.append(OptOutFound(row=columns, is_active=bool(row["is_active"]), found_by=(*by_message, *by_address)))
    return tuple(found)


def _why(trace: Trace) -> tuple[str, ...]:
    if not trace.is_known:
        return ()
    unreadable = [fact.name for fact in trace.facts if fact.event is None]
    if unreadable:
        return tuple(f"The body of {name} cannot be read, so nothing can be explained." for name in unreadable)
    return tuple(explain([fact.event for fact in trace.facts if fact.event], trace.message))
