"""Applies raw events: reads them, then folds and merges a batch in one transaction; no event stops another.

The two steps stand apart so that a worker can read the next batch while the database is busy with this one.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from sync.events import Event, Outcome, Reason, Unreadable, parse
from sync.raw_events import RawEvent
from sync.reading import Reading
from sync.reports.deltas import keep_deltas
from sync.store.dead_letters import DeadLetter, keep_dead_letters
from sync.store.inbox import remove_from_inbox, take_inbox
from sync.store.ledger import merge_ledger
from sync.store.opt_outs import merge_opt_outs
from sync.store.status_rows import merge_campaigns, merge_messages


class Read(NamedTuple):
    """A raw event and what it states: a fact, or the dead letter that it becomes."""

    raw: RawEvent
    stated: Event | DeadLetter


log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of a batch, in events: `received` = `applied` + `ignored` + `unchanged` + `dead`."""

    received: int = 0
    applied: int = 0  # bodies new to the ledger
    ignored: int = 0  # likewise, of a type this version does not know
    unchanged: int = 0  # copies of bodies that it has
    dead: int = 0  # dead letters

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(**{name: count + getattr(other, name) for name, count in asdict(self).items()})


def read(raw_events: Iterable[RawEvent], reading: Reading) -> list[Read]:
    """Return what each of `raw_events` states, or the dead letter that it becomes; never raises. Needs no database."""
    return [Read(raw, _stated(raw, reading)) for raw in raw_events]


def _stated(raw: RawEvent, reading: Reading) -> Event | DeadLetter:
    try:
        return parse(raw, reading)
    except Unreadable as unreadable:
        return DeadLetter(raw, unreadable.reason, unreadable.detail)
    except Exception as error:  # a mistake of ours, which must not stop any other event
        return DeadLetter(raw, Reason.REFUSED, type(error).__name__)


def apply(engine: Engine, raw_events: Sequence[RawEvent], *, reading: Reading, now: datetime) -> Tally:
    """Read `raw_events` and merge them, as `merge` does."""
    return merge(engine, read(raw_events, reading), reading=reading, now=now)


def merge(engine: Engine, batch: Sequence[Read], *, reading: Reading, now: datetime) -> Tally:
    """Merge `batch` into the tables, in one transaction that this function owns; each ends as a row.

    Where the transaction fails because of what is in it, the events are merged one by one, and what fails
    alone becomes a dead letter. Any other error of the database (away, locked, read-only) is SQLAlchemy's
    DBAPIError and passes through: then nothing was merged, and the same batch may be given again.
    """
    try:
        with engine.begin() as connection:
            tally = _merge_in(connection, batch, reading, now)
    except Exception as error:
        if not is_fault_of_events(error):
            raise
        if len(batch) == 1:
            return _bury(engine, batch[0].raw, error, reading)
        return merge_singly(engine, batch, reading=reading, now=now)
    _log_dead_letters(batch)
    return tally


def merge_singly(engine: Engine, batch: Sequence[Read], *, reading: Reading, now: datetime) -> Tally:
    """Merge `batch` in a transaction for each."""
    tallies = [merge(engine, [one], reading=reading, now=now) for one in batch]
    return sum(tallies, Tally())


def drain(engine: Engine, limit: int, *, reading: Reading, now: datetime) -> Tally:
    """Merge what is due of the inbox, at most `limit` events, and remove it there in the same transaction.

    Any number of workers may drain at once: on PostgreSQL each takes what no other has in hand. Raises what
    `merge` raises.
    """
    batch: list[Read] = []
    try:
        with engine.begin() as connection:
            batch = read(take_inbox(connection, limit, now), reading)
            tally = _merge_in(connection, batch, reading, now)
    except Exception as error:
        if not is_fault_of_events(error):
            raise
        return merge_singly(engine, batch, reading=reading, now=now)
    _log_dead_letters(batch)
    return tally


def is_fault_of_events(error: Exception) -> bool:
    """Return whether `error` lies in what was merged, so that merging it again would fail again."""
    if not isinstance(error, DBAPIError):
        return True
    state = getattr(error.orig, "sqlstate", None) or ""
    # Class 54: a value is larger than the database can index or store.
    return isinstance(error, DataError | IntegrityError) or state.startswith("54")


def _bury(engine: Engine, raw: RawEvent, error: Exception, reading: Reading) -> Tally:
    # Only the kind of error is kept: its text may quote the event.
    kind = type(error.orig if isinstance(error, DBAPIError) else error).__name__
    letter = DeadLetter(raw, Reason.REFUSED, kind)
    with engine.begin() as connection:
        _remove_from_inbox(connection, [raw])
        keep_dead_letters(connection, [letter], reading)
    _log_dead_letters([Read(raw, letter)])
    return Tally(received=1, dead=1)


def _log_dead_letters(batch: Sequence[Read]) -> None:
    for _, letter in batch:
        if isinstance(letter, DeadLetter):
            digest = hashlib.sha256(letter.body).hexdigest()
            log.warning("dead_letter.kept", reason=letter.reason, error=letter.error, digest=digest)


def _merge_in(connection: Connection, batch: Sequence[Read], reading: Reading, now: datetime) -> Tally:
    events = [stated for _, stated in batch if isinstance(stated, Event)]
    dead = [stated for _, stated in batch if isinstance(stated, DeadLetter)]
    # First, as whoever drains the inbox begins with it too: workers wait for each other, never in a circle.
    _remove_from_inbox(connection, [raw for raw, _ in batch])
    new = merge_events(connection, events, reading, now)
    keep_dead_letters(connection, dead, reading)
    ignored = sum(event.outcome is Outcome.IGNORED for event in new)
    return Tally(
        received=len(batch),
        applied=len(new) - ignored,
        ignored=ignored,
        unchanged=len(events) - len(new),
        dead=len(dead),
    )


def _remove_from_inbox(connection: Connection, raw_events: Iterable[RawEvent]) -> None:
    remove_from_inbox(connection, sorted(raw.inbox_id for raw in raw_events if raw.inbox_id))


def merge_events(connection: Connection, events: Iterable[Event], reading: Reading, now: datetime) -> list[Event]:
    """Merge `events` in the caller's transaction; return those whose bodies are new to the ledger."""
    new, earlier = merge_ledger(connection, events, now)
    merge_rows(connection, [*new, *earlier], reading, now)
    return new


def merge_rows(connection: Connection, events: Sequence[Event], reading: Reading, now: datetime) -> None:
    """Bring every row up to date that follows from `events`, which the ledger has taken."""
    messages = merge_messages(connection, [event for event in events if event.message], reading, now)
    keep_deltas(connection, messages.inserted, messages.changes)
    merge_campaigns(connection, [event for event in events if event.campaign], reading, now)
    merge_opt_outs(connection, messages.events, now)
