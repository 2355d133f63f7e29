"""Applies facts that the ledger keeps as ignored because an earlier version did not know their type."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import Connection, Engine, select, tuple_

from models.statements import is_one_of
from models.tables import LEDGER
from sync.events.event import Event, Outcome
from sync.events.interpretation import ParseOptions
from sync.events.merge import Key
from sync.store.apply import merge_events, try_known_good
from sync.store.known_good import type_named
from sync.store.ledger import take_out
from sync.store.ledger_read import event_of, stored_bodies
from sync.store.singly import Singly

FACTS_PER_PAGE = 200  # with bodies of 256 KiB at most, 50 MiB

_KEY = (LEDGER.c.subject_id, LEDGER.c.event)
_IS_IGNORED = LEDGER.c.outcome == Outcome.IGNORED


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoredTally:
    """What became of the ledger's ignored facts; all but the first stay as they are."""

    applied: int = 0
    not_understood: int = 0  # their type is unknown to this version too
    unreadable: int = 0  # this version cannot read their bodies
    refused: int = 0  # the database refused what follows from them, or merging failed

    def __add__(self, other: "IgnoredTally") -> "IgnoredTally":
        return IgnoredTally(**{name: count + getattr(other, name) for name, count in asdict(self).items()})


def apply_ignored(
    engine: Engine, *, options: ParseOptions, page_size: int = FACTS_PER_PAGE
) -> Iterator[tuple[int, IgnoredTally]]:
    """Apply the ignored facts that this version understands; yield each page's number of facts, and its tally.

    Safe beside running workers: it owns its transactions, one for each page, and locks ledger rows in the order of
    their keys, as they do. Errors of a database that is away are SQLAlchemy's DBAPIError and pass through, as does
    ItemsHeld if known good events fail as well.
    """
    page: list[Key] = []
    while page := _page(engine, page[-1:], page_size):
        with engine.begin() as connection:
            events = _events(connection, page, options)
        unreadable = sum(None in events[key] for key in page)
        understood = [key for key in page if _is_understood(events[key])]
        unapplied = IgnoredTally(unreadable=unreadable, not_understood=len(page) - unreadable - len(understood))
        yield len(page), _apply(engine, understood, options) + unapplied


def _page(engine: Engine, last: Sequence[Key], size: int) -> list[Key]:
    """Read without a lock: most of these rows stay as they are."""
    query = select(*_KEY).where(_IS_IGNORED).order_by(*_KEY).limit(size)
    for subject, name in last:
        query = query.where(tuple_(*_KEY) > tuple_(subject, name))
    with engine.begin() as connection:
        return [(row.subject_id, row.event) for row in connection.execute(query)]


def _events(connection: Connection, keys: Sequence[Key], options: ParseOptions) -> dict[Key, list[Event | None]]:
    """Return what every body under `keys` states, None for one that cannot be read."""
    events: dict[Key, list[Event | None]] = {key: [] for key in keys}
    subjects = sorted({subject for subject, _ in keys})
    for row in connection.execute(stored_bodies(lambda subject: is_one_of(connection, subject, subjects))):
        if (row.subject_id, row.event) in events:
            events[row.subject_id, row.event].append(event_of(row, options))
    return events


def _is_understood(events: Sequence[Event | None]) -> bool:
    """A fact is taken with all its bodies or not at all, so that none is lost. Polled ones were always understood."""
    signed = [event for event in events if event and not event.is_polled]
    return None not in events and any(event.outcome is Outcome.APPLIED for event in signed)


def _apply(engine: Engine, keys: Sequence[Key], options: ParseOptions) -> IgnoredTally:
    if not keys:
        return IgnoredTally()

    def attempt(several: Sequence[Key]) -> IgnoredTally:
        with engine.begin() as connection:
            return IgnoredTally(applied=_apply_together(connection, several, options, datetime.now(UTC)))

    singly = Singly(
        attempt=attempt,
        refuse=lambda _key, _error: IgnoredTally(refused=1),
        type_of=lambda key: type_named(key[1]),
        try_known_good=partial(try_known_good, engine, options),
    )
    return sum(singly.together(keys), IgnoredTally())


def _apply_together(connection: Connection, keys: Sequence[Key], options: ParseOptions, now: datetime) -> int:
    """Take the facts out of the ledger and merge their bodies anew.

    An earlier version may have found neither the time nor the subject of a type that it did not know.
    """
    query = select(*_KEY).where(_IS_IGNORED, tuple_(*_KEY).in_(keys)).order_by(*_KEY).with_for_update()
    locked = [(row.subject_id, row.event) for row in connection.execute(query)]
    events = {key: bodies for key, bodies in _events(connection, locked, options).items() if _is_understood(bodies)}
    take_out(connection, list(events))
    merge_events(connection, [event for bodies in events.values() for event in bodies if event], options, now)
    return len(events)
