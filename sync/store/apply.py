"""Applies raw events: reads them, then folds and merges a batch in one transaction; no event stops another.

The two steps stand apart so that a worker can read the next batch while the database is busy with this one.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from msgspec import Struct
from sqlalchemy import Connection, Engine, text

from models.errors import Fault, error_kind, fault_of
from sync.events.event import Event, EventType, Outcome, Reason, Unreadable
from sync.events.interpretation import ParseOptions
from sync.events.parse import parse
from sync.events.raw import RawEvent, is_probe, is_rehearsal
from sync.events.remains import without_forgotten
from sync.rollups.deltas import keep_deltas
from sync.settings.sentry_client import report
from sync.store.dead_letters import KeptLetter, NewDeadLetter, keep_dead_letters, log_dead_letters
from sync.store.forgotten import forgotten_people
from sync.store.inbox import remove_from_inbox, take_inbox
from sync.store.known_good import known_good, type_by_look, type_named
from sync.store.ledger import merge_ledger
from sync.store.opt_outs import merge_opt_outs
from sync.store.singly import Singly, may_lie_in_one
from sync.store.status_rows import MergedRows, late_events, merge_campaigns, merge_messages
from sync.store.tally import Tally


class Read(Struct, frozen=True, gc=False):
    """A raw event and what it states: a fact, or the dead letter that it becomes.

    None stands for a body that could not be parsed for a reason that says nothing of it: a bug of zexa-sync.
    """

    raw: RawEvent
    stated: Event | NewDeadLetter | None


def read(raw_events: Iterable[RawEvent], options: ParseOptions) -> list[Read]:
    """Return what each of `raw_events` states, or the dead letter that it becomes; never raises. Needs no database."""
    batch = []
    for raw in raw_events:
        try:
            batch.append(Read(raw, _stated(raw, options)))
        except Exception:  # a bug of zexa-sync, which must not stop any other event
            batch.append(Read(raw, None))
    return batch


def _stated(raw: RawEvent, options: ParseOptions) -> Event | NewDeadLetter:
    try:
        return parse(raw, options)
    except Unreadable as unreadable:
        return NewDeadLetter(raw, unreadable.reason, unreadable.detail)


def all_stated(batch: Iterable[Read], options: ParseOptions) -> list[Event | NewDeadLetter]:
    """Return what each of `batch` states; raise what parsing raises for a reason that says nothing of the body."""
    return [item.stated or _stated(item.raw, options) for item in batch]


def apply(engine: Engine, raw_events: Sequence[RawEvent], *, options: ParseOptions, now: datetime) -> Tally:
    """Read `raw_events` and merge them, as `merge` does."""
    return merge(engine, read(raw_events, options), options=options, now=now)


def merge(
    engine: Engine, batch: Sequence[Read], *, options: ParseOptions, now: datetime, is_patient: bool = False
) -> Tally:
    """Merge `batch` into the tables, in one transaction that this function owns; each ends as a row.

    If the transaction fails because of what is in it, the events are merged one by one. An event that fails alone,
    while a known good event succeeds, becomes a dead letter. Any error of the database (away, locked, read-only) is
    SQLAlchemy's and passes through. So does ItemsHeld, if a known good event fails too. The same batch may be given
    again.
    """
    return sum(_merging(engine, options, now).together(batch, is_patient=is_patient), Tally())


def drain(
    engine: Engine,
    limit: int,
    *,
    options: ParseOptions,
    now: datetime,
    bytes_max: int | None = None,
    is_patient: bool = False,
) -> Tally:
    """Merge what is due of the inbox, at most `limit` events, and remove it there in the same transaction.

    Of more than one event their bodies have at most `bytes_max` together. Any number of workers may drain at once: on
    PostgreSQL each takes what no other has in hand. Raises what `merge` raises.
    """
    batch: list[Read] = []
    try:
        with engine.begin() as connection:
            batch = read(take_inbox(connection, limit, now, bytes_max=bytes_max), options)
            tally, letters = _merge_in(connection, batch, options, now)
    except Exception as error:
        if not batch or not may_lie_in_one(error, is_patient=is_patient):
            raise
    else:
        log_dead_letters(letters)
        return tally
    return sum(_merging(engine, options, now).one_by_one(batch), Tally())


def _merging(engine: Engine, options: ParseOptions, now: datetime) -> Singly[Read, Tally]:
    def attempt(batch: Sequence[Read]) -> Tally:
        with engine.begin() as connection:
            tally, letters = _merge_in(connection, batch, options, now)
        log_dead_letters(letters)
        return tally

    return Singly(
        attempt=attempt,
        refuse=lambda item, error: _bury(engine, item.raw, error, options),
        type_of=_type_of,
        try_known_good=partial(try_known_good, engine, options),
    )


def _type_of(item: Read) -> EventType:
    return type_named(item.stated.name) if isinstance(item.stated, Event) else type_by_look(item.raw.body)


def try_known_good(engine: Engine, options: ParseOptions, event_type: EventType) -> Exception | None:
    """Merge a known good event and roll it back; return what that raised, None if it went well.

    Raises errors of a database that is away.
    """
    try:
        event = parse(known_good(event_type), options)
        with engine.connect() as connection, connection.begin() as transaction:
            merge_events(connection, [event], options, event.received_at)
            if connection.dialect.name == "postgresql":
                # What would only be checked by a commit is checked now.
                connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
            transaction.rollback()
    except Exception as error:
        if fault_of(error) is Fault.ABSENCE:
            raise
        return error
    return None


def _bury(engine: Engine, raw: RawEvent, error: Exception, options: ParseOptions) -> Tally:
    # Only the kind of error is kept: its text may quote the event.
    letter = NewDeadLetter(raw, Reason.REFUSED, error_kind(error))
    with engine.begin() as connection:
        _remove_from_inbox(connection, [raw])
        letters = keep_dead_letters(connection, [letter], options)
    log_dead_letters(letters)
    report("dead_letter.kept", error_kind(error), error)
    return Tally(received=1, dead=1, body_bytes=len(raw.body), receipts=(raw.received_at.timestamp(),))


def _merge_in(
    connection: Connection, batch: Sequence[Read], options: ParseOptions, now: datetime
) -> tuple[Tally, list[KeptLetter]]:
    stated = all_stated(batch, options)
    events = [item for item in stated if isinstance(item, Event)]
    dead = [item for item in stated if isinstance(item, NewDeadLetter)]
    # First, as a worker that drains the inbox begins with it too: workers wait for each other, never in a circle.
    _remove_from_inbox(connection, [item.raw for item in batch])
    merged = merge_all(connection, events, options, now)
    letters = keep_dead_letters(connection, dead, options)
    ignored = sum(event.outcome is Outcome.IGNORED for event in merged.new)
    receipts, rehearsals, tests = _receipts(batch)
    tally = Tally(
        received=len(batch),
        applied=len(merged.new) - ignored,
        ignored=ignored,
        unchanged=len(events) - len(merged.new),
        dead=len(dead),
        body_bytes=sum(len(item.raw.body) for item in batch),
        conflicts=merged.messages.conflicts,
        late=merged.late,
        quick_copies=merged.quick_copies,
        receipts=receipts,
        rehearsals=rehearsals,
        tests=tests,
    )
    return tally, letters


def _receipts(batch: Iterable[Read]) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Return when each of `batch` was received, apart what is no traffic, and of that once more the test events."""
    receipts, rehearsals, tests = list[float](), list[float](), list[float]()
    for item in batch:
        stated = item.stated
        # What the provider may say of its messages is nearly all: only what is ignored may be a probe or a test.
        is_traffic = not isinstance(stated, Event) or stated.outcome is Outcome.APPLIED or not is_rehearsal(stated.name)
        (receipts if is_traffic else rehearsals).append(item.raw.received_at.timestamp())
        if not is_traffic and not is_probe(item.raw.body):
            tests.append(item.raw.received_at.timestamp())
    return tuple(receipts), tuple(rehearsals), tuple(tests)


def _remove_from_inbox(connection: Connection, raw_events: Iterable[RawEvent]) -> None:
    remove_from_inbox(connection, sorted(raw.inbox_id for raw in raw_events if raw.inbox_id))


def merge_events(connection: Connection, events: Iterable[Event], options: ParseOptions, now: datetime) -> list[Event]:
    """Merge `events` in the caller's transaction; return those whose bodies are new to the ledger."""
    return merge_all(connection, events, options, now).new


class MergedEvents(NamedTuple):
    """What merging did: `new` bodies, how many of them came `late`, copies as `merge_ledger` tells, and the rows."""

    new: list[Event]
    late: int
    quick_copies: tuple[float, ...]
    messages: MergedRows


def merge_all(connection: Connection, events: Iterable[Event], options: ParseOptions, now: datetime) -> MergedEvents:
    """Merge `events` in the caller's transaction, with all that follows from them."""
    people = forgotten_people(connection, options)
    if people:
        events = [without_forgotten(event, people) for event in events]
    new, earlier, quick_copies = merge_ledger(connection, events, now)
    messages = merge_rows(connection, [*new, *earlier], options, now)
    return MergedEvents(new, late_events(messages.stored, new), tuple(quick_copies), messages)


def merge_rows(connection: Connection, events: Sequence[Event], options: ParseOptions, now: datetime) -> MergedRows:
    """Bring every row up to date that follows from `events`, which the ledger has taken; return those of messages."""
    messages = merge_messages(connection, [event for event in events if event.message], options, now)
    keep_deltas(connection, messages.inserted, messages.changes)
    merge_campaigns(connection, [event for event in events if event.campaign], options, now)
    merge_opt_outs(connection, messages.events, now)
    return messages
