"""Applies raw events: reads them, then folds and merges a batch in one transaction; no event stops another.

The two steps stand apart so that a worker can read the next batch while the database is busy with this one.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from sync.events import Event, Outcome, Reason, Unreadable, parse
from sync.merge import fold, fold_opt_outs, opt_out_rows
from sync.raw_events import RawEvent
from sync.store import DeadLetter, keep_dead_letters, merge_campaigns, merge_ledger, merge_messages, merge_opt_outs

Parsed = Event | DeadLetter

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of a batch, in events: `received` = `applied` + `ignored` + `unchanged` + `dead`."""

    received: int = 0
    applied: int = 0  # facts new to the ledger, or kept in place of another body
    ignored: int = 0  # likewise, of a type this version does not know
    unchanged: int = 0  # copies, and bodies that give way to the one that is kept
    dead: int = 0  # dead letters

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(**{name: count + getattr(other, name) for name, count in asdict(self).items()})


def read(raw_events: Iterable[RawEvent], default_region: str) -> list[Parsed]:
    """Return what each of `raw_events` states, or the dead letter that it becomes; never raises. Needs no database."""
    return [_read(raw, default_region) for raw in raw_events]


def _read(raw: RawEvent, default_region: str) -> Parsed:
    try:
        return parse(raw, default_region)
    except Unreadable as unreadable:
        return DeadLetter(raw, unreadable.reason, unreadable.detail)
    except Exception as error:  # a mistake of ours, which must not stop any other event
        return DeadLetter(raw, Reason.REFUSED, type(error).__name__)


def apply(engine: Engine, raw_events: Sequence[RawEvent], *, default_region: str, now: datetime) -> Tally:
    """Read `raw_events` and merge them, as `merge` does."""
    return merge(engine, read(raw_events, default_region), default_region=default_region, now=now)


def merge(engine: Engine, batch: Sequence[Parsed], *, default_region: str, now: datetime) -> Tally:
    """Merge `batch` into the tables, in one transaction that this function owns; each ends as a row.

    Where the transaction fails because of what is in it, the events are merged one by one, and what fails
    alone becomes a dead letter. Any other error of the database (away, locked, read-only) is SQLAlchemy's
    DBAPIError and passes through: then nothing was merged, and the same batch may be given again.
    """
    try:
        return _merge_together(engine, batch, default_region, now)
    except Exception as error:
        if not _is_fault_of_events(error):
            raise
        if len(batch) == 1:
            return _bury(engine, batch[0], error)
    tallies = [merge(engine, [one], default_region=default_region, now=now) for one in batch]
    return sum(tallies, Tally())


def _is_fault_of_events(error: Exception) -> bool:
    if not isinstance(error, DBAPIError):
        return True
    state = getattr(error.orig, "sqlstate", None) or ""
    # Class 54: a value is larger than the database can index or store.
    return isinstance(error, DataError | IntegrityError) or state.startswith("54")


def _bury(engine: Engine, refused: Parsed, error: Exception) -> Tally:
    # Only the kind of error is kept: its text may quote the event.
    kind = type(error.orig if isinstance(error, DBAPIError) else error).__name__
    raw = RawEvent(body=refused.body, received_at=refused.received_at)
    letters = [DeadLetter(raw, Reason.REFUSED, kind)]
    with engine.begin() as connection:
        keep_dead_letters(connection, letters)
    _log_dead_letters(letters)
    return Tally(received=1, dead=1)


def _log_dead_letters(letters: Sequence[DeadLetter]) -> None:
    for letter in letters:
        digest = hashlib.sha256(letter.body).hexdigest()
        log.warning("dead_letter.kept", reason=letter.reason, error=letter.error, digest=digest)


def _merge_together(engine: Engine, batch: Sequence[Parsed], default_region: str, now: datetime) -> Tally:
    events = [one for one in batch if isinstance(one, Event)]
    dead = [one for one in batch if isinstance(one, DeadLetter)]
    with engine.begin() as connection:
        changed = _merge(connection, events, default_region, now)
        keep_dead_letters(connection, dead)
    _log_dead_letters(dead)
    ignored = sum(fact.outcome is Outcome.IGNORED for fact in changed)
    return Tally(
        received=len(batch),
        applied=len(changed) - ignored,
        ignored=ignored,
        unchanged=len(events) - len(changed),
        dead=len(dead),
    )


def _merge(connection: Connection, events: Sequence[Event], default_region: str, now: datetime) -> list[Event]:
    """Merge `events` and return the facts that the ledger took."""
    taken, kept = merge_ledger(connection, fold(events), default_region, now)
    gave_way = [event for event in events if kept[event.key] != event.digest and event.outcome is Outcome.APPLIED]
    merge_taken(connection, taken, gave_way, default_region, now)
    return taken


def merge_taken(
    connection: Connection, taken: list[Event], gave_way: list[Event], default_region: str, now: datetime
) -> None:
    """Bring every row up to date that follows from facts the ledger has just taken, and from bodies that gave way."""
    of_messages = [fact for fact in taken if fact.message]
    messages = merge_messages(connection, of_messages, gave_way, default_region, now)
    merge_campaigns(connection, [fact for fact in taken if fact.campaign], default_region, now)
    # Opt-outs only grow: one counts even where another body is kept under its key. A copy claims nothing
    # new, and if it names no time it must not pass for a later opt-out.
    claims = [claim for facts, hints in messages for claim in opt_out_rows(facts, hints)]
    claims += [claim for event in (*taken, *gave_way) for claim in opt_out_rows([event])]
    merge_opt_outs(connection, fold_opt_outs(claims).values(), now)
