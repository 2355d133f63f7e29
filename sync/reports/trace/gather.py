"""Gathers everything the database knows of one message, as frozen data. It changes nothing and prints nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Connection, Engine, Table, or_, select

from models.in_force import in_force
from models.statements import hold_snapshot
from models.tables import CAMPAIGNS, LEDGER, MESSAGES, OPT_OUTS
from sync.events.addresses import person_of
from sync.events.event import Event, Origin
from sync.events.interpretation import ParseOptions
from sync.events.merge import by_subject
from sync.events.parse import disbelieved_times
from sync.events.raw import RawEvent
from sync.reports.trace.explain import explain, status_sentence
from sync.store.ledger_read import event_of, read_events, stored_bodies

Row = Mapping[str, Any]


class FoundBy(StrEnum):
    """Why an opt-out concerns a message."""

    MESSAGE_ID = "message_id"  # it came with this message
    ADDRESS = "address"  # it is of a person whom the message names, with whichever message it came


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One body of a fact. `event` is what this version reads in the body, None if it cannot read the body.

    Of several bodies of one fact, one `holds`: the others add only what that body leaves out. `applied_at` and
    `outcome` are the fact's. What is polled was received when it was asked
    for. `disbelieved` are the times that the body claims and that do not count, with the reasons.
    """

    name: str
    digest: str
    holds: bool
    occurred_at: datetime
    received_at: datetime
    applied_at: datetime
    outcome: str
    body: bytes = field(repr=False)
    event: Event | None
    origin: str
    disbelieved: tuple[tuple[str, str], ...] = ()

    @property
    def is_polled(self) -> bool:
        return self.origin == Origin.POLLED

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


def trace_message(engine: Engine, message_id: str, *, options: ParseOptions) -> Trace:
    """Return what is known of `message_id`, as it stood at one moment.

    Reads in one short transaction, which keeps no other process from writing if `engine` is read-only. Errors of
    the database are SQLAlchemy's DBAPIError and pass through.
    """
    if not _can_be_stored(message_id):
        return Trace(message_id=message_id)
    with engine.begin() as connection:
        hold_snapshot(connection)
        facts = _facts(connection, message_id, options)
        message = _row(connection, MESSAGES, MESSAGES.c.message_id, message_id)
        campaign_id = message and message["campaign_id"]
        campaign = _row(connection, CAMPAIGNS, CAMPAIGNS.c.campaign_id, campaign_id) if campaign_id else None
        opt_outs = _opt_outs(connection, message_id, _persons(facts, message))
    trace = Trace(message_id=message_id, facts=facts, message=message, campaign=campaign, opt_outs=opt_outs)
    return replace(trace, why=_why(trace))


def status_reasons(connection: Connection, message_ids: Sequence[str], *, options: ParseOptions) -> dict[str, str]:
    """Return of each of these messages the sentence that says why it has its status; none if the ledger has no body.

    Reads within the caller's transaction.
    """
    events = by_subject(read_events(connection, message_ids, options))
    return {message_id: status_sentence(bodies) for message_id, bodies in events.items()}


def _can_be_stored(message_id: str) -> bool:
    """No database holds NUL or half a surrogate pair, so such an id is known to be unknown."""
    try:
        return b"\0" not in message_id.encode("utf-8")
    except UnicodeEncodeError:
        return False


def _facts(connection: Connection, message_id: str, options: ParseOptions) -> tuple[Fact, ...]:
    query = select(LEDGER.c.event, LEDGER.c.applied_at, LEDGER.c.outcome).where(LEDGER.c.subject_id == message_id)
    entries = {row.event: row for row in connection.execute(query)}
    facts = [
        Fact(
            name=row.event,
            digest=row.digest,
            holds=bool(row.holds),
            occurred_at=row.occurred_at,
            received_at=row.received_at,
            applied_at=entries[row.event].applied_at,
            outcome=entries[row.event].outcome,
            body=row.body,
            event=event_of(row, options),
            origin=row.origin,
            disbelieved=tuple(disbelieved_times(RawEvent(body=row.body, received_at=row.received_at))),
        )
        for row in connection.execute(stored_bodies(lambda subject: subject == message_id))
    ]
    return tuple(sorted(facts, key=lambda fact: (fact.occurred_at, fact.name, not fact.holds, fact.digest)))


def _row(connection: Connection, table: Table, key: Column[Any], value: str) -> Row | None:
    row = connection.execute(select(table).where(key == value)).mappings().one_or_none()
    return None if row is None else dict(row)


def _persons(facts: Sequence[Fact], message: Row | None) -> set[str]:
    """Return everybody whom any body of the message names: an opt-out holds for all of them."""
    bodies = [fact.event.message for fact in facts if fact.event and fact.event.message]
    named = [address for body in bodies for address in (*body.addresses, body.recipient)]
    return {person_of(address) for address in (*named, message and message["recipient"]) if address}


def _opt_outs(connection: Connection, message_id: str, persons: set[str]) -> tuple[OptOutFound, ...]:
    is_of_message = or_(OPT_OUTS.c.message_id == message_id, OPT_OUTS.c.person.in_(persons))
    query = select(OPT_OUTS, in_force(OPT_OUTS).label("is_active")).where(is_of_message).order_by(*OPT_OUTS.primary_key)
    opt_outs = []
    for row in connection.execute(query).mappings():
        by_message = [FoundBy.MESSAGE_ID] if row["message_id"] == message_id else []
        by_address = [FoundBy.ADDRESS] if row["person"] in persons else []
        columns = {key.name: row[key.name] for key in OPT_OUTS.columns}
        opt_outs.append(OptOutFound(row=columns, is_active=bool(row["is_active"]), found_by=(*by_message, *by_address)))
    return tuple(opt_outs)


def _why(trace: Trace) -> tuple[str, ...]:
    if not trace.is_known:
        return ()
    unreadable = [fact.name for fact in trace.facts if fact.event is None]
    if unreadable:
        return tuple(f"The body of {name} cannot be read, so nothing can be explained." for name in unreadable)
    events = [fact.event for fact in trace.facts if fact.event]
    times = [(fact.name, *claim) for fact in trace.facts for claim in fact.disbelieved]
    return (*explain(events, trace.message), *(f"{name}: {field} does not count, {why}." for name, field, why in times))
