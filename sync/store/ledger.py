"""The ledger: which bodies are new, which holds under each key, and how a body that is new takes its place.

`events` has a row for each key, for ever. Nearly every key has one body, so its row says all about that one. The few
further bodies of a key stand in `further_bodies`, in the same words. The bytes are in `bodies`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, bindparam, delete, select, tuple_, update

from models.statements import is_one_of, slices
from models.tables import BODIES, FURTHER_BODIES, LEDGER
from sync.events.event import Event, Origin, outcome_of
from sync.events.merge import Key, distinct, holding
from sync.store.ledger_insert import BODY_COLUMNS, body_columns, body_rows, entries_of, insert_missing, new_body_ids

# Zexa redelivers after a minute. A copy that comes sooner was sent twice.
QUICK_COPY = timedelta(seconds=10)


class LedgerOutcome(NamedTuple):
    """What the ledger did with some events, one for each distinct body.

    `new` are the bodies it did not have. `earlier` are bodies it had, which now have an earlier receipt than before.
    `quick_copies` says of copies that were received soon after the first one how many seconds later.
    """

    new: list[Event]
    earlier: list[Event]
    quick_copies: list[float] = []


def merge_ledger(connection: Connection, events: Iterable[Event], now: datetime) -> LedgerOutcome:
    """Put every body of `events` into the ledger that it has not, and let the greatest of each key hold there."""
    events = list(events)
    bodies = distinct(events)
    quick_copies = _quick_copies_among(events, bodies) if len(bodies) < len(events) else []
    if not bodies:
        return LedgerOutcome([], [])
    holding_events = holding(bodies)
    stored_keys = insert_missing(connection, list(holding_events.values()), now)
    if not stored_keys and len(holding_events) == len(bodies):
        return LedgerOutcome(bodies, [], quick_copies)
    new = [event for key, event in holding_events.items() if key not in stored_keys]
    rest = [event for event in bodies if event.key in stored_keys or holding_events[event.key] is not event]
    further, stored_copies = _without_copies(connection, rest)
    outcome = _take_further(connection, further, now) if further else LedgerOutcome([], [])
    return LedgerOutcome(new + outcome.new, outcome.earlier, quick_copies + stored_copies)


def _quick_copies_among(events: Iterable[Event], bodies: Iterable[Event]) -> list[float]:
    """Return how long after the first of `bodies` each copy of it among `events` was received, if soon."""
    first = {(event.key, event.digest): event.received_at for event in bodies}
    return _soon(event.received_at - first[event.key, event.digest] for event in events)


def _soon(distances: Iterable[timedelta]) -> list[float]:
    return [distance.total_seconds() for distance in distances if timedelta() < distance <= QUICK_COPY]


def _without_copies(connection: Connection, events: list[Event]) -> tuple[list[Event], list[float]]:
    """Return those of `events` that are no copies of what holds: by far the most are, and cost this one look.

    Return of the copies that were received soon after the first how many seconds later.
    """
    stored: dict[Key, tuple[str, datetime]] = {}
    columns = (LEDGER.c.subject_id, LEDGER.c.event, LEDGER.c.digest, LEDGER.c.received_at)
    for piece in slices(sorted({event.subject_id for event in events})):
        query = select(*columns).where(is_one_of(connection, LEDGER.c.subject_id, piece))
        for subject, name, digest, received_at in connection.execute(query):
            stored[subject, name] = digest, received_at
    others = []
    distances = []
    for event in events:
        digest, received_at = stored.get(event.key, (None, event.received_at))
        if digest != event.digest or received_at > event.received_at:
            others.append(event)
        else:
            distances.append(event.received_at - received_at)
    return others, _soon(distances)


class _StoredBody(NamedTuple):
    """One body under a key, as the ledger has it or shall have it."""

    occurred_at: datetime
    received_at: datetime
    body_id: int
    is_dated: bool
    digest: str
    origin: str

    @property
    def precedence(self) -> tuple[bool, bool, datetime, str]:
        """As `sync.events.merge.precedence` orders events."""
        return self.origin == Origin.SIGNED, self.is_dated, self.occurred_at, self.digest


def _take_further(connection: Connection, events: list[Event], now: datetime) -> LedgerOutcome:
    """Take bodies of keys that are there: each is new, or was received earlier than its copy before."""
    entries = {(row.subject_id, row.event): row for row in entries_of(connection, _keys(events), is_locked=True)}
    gone = [event for event in events if event.key not in entries]  # taken out since, to be merged as read now
    events = [event for event in events if event.key in entries]
    bodies = {key: {row.digest: _stored_body(row)} for key, row in entries.items()}
    for row in _further(connection, _keys(events)):
        bodies[row.subject_id, row.event][row.digest] = _stored_body(row)
    new = [event for event in events if event.digest not in bodies[event.key]]
    earlier = [
        event
        for event in events
        if (stored_copy := bodies[event.key].get(event.digest)) is not None
        and event.received_at < stored_copy.received_at
    ]
    places = new_body_ids(connection, len(new)) if new else []
    if new:
        connection.execute(BODIES.insert(), body_rows(new, places))
    for event, place in zip(new, places, strict=True):
        bodies[event.key][event.digest] = _StoredBody(**body_columns(event, place))
    for event in earlier:
        place = bodies[event.key][event.digest].body_id
        bodies[event.key][event.digest] = _StoredBody(**body_columns(event, place))
        connection.execute(update(BODIES).where(BODIES.c.id == place).values(received_at=event.received_at))
    for key in dict.fromkeys(_keys([*new, *earlier])):
        _settle(connection, key, entries[key], bodies[key], now)
    again = merge_ledger(connection, gone, now)
    return LedgerOutcome(new + again.new, earlier + again.earlier)


def _keys(events: Iterable[Event]) -> list[Key]:
    return [event.key for event in events]


def _stored_body(row: Any) -> _StoredBody:
    return _StoredBody(*(getattr(row, name) for name in BODY_COLUMNS))


def _further(connection: Connection, keys: Sequence[Key]) -> list[Row[Any]]:
    columns = (FURTHER_BODIES.c.subject_id, FURTHER_BODIES.c.event)
    query = select(FURTHER_BODIES).where(tuple_(*columns).in_(bindparam("keys", expanding=True)))
    return [row for piece in slices(sorted(set(keys))) for row in connection.execute(query, {"keys": list(piece)})]


def _settle(connection: Connection, key: Key, entry: Any, bodies: Mapping[str, _StoredBody], now: datetime) -> None:
    """Write the bodies under one key, whose row the caller has locked: the greatest body holds."""
    winner = max(bodies.values(), key=lambda body: body.precedence)
    if winner != _stored_body(entry):
        values = winner._asdict()
        if winner.digest != entry.digest:
            values["applied_at"] = now
        if winner.origin != entry.origin:
            values["outcome"] = outcome_of(key[1], winner.origin)
        is_entry = and_(LEDGER.c.subject_id == key[0], LEDGER.c.event == key[1])
        connection.execute(update(LEDGER).where(is_entry).values(**values))
    is_of_key = and_(FURTHER_BODIES.c.subject_id == key[0], FURTHER_BODIES.c.event == key[1])
    connection.execute(delete(FURTHER_BODIES).where(is_of_key))
    others = [body._asdict() for body in bodies.values() if body.digest != winner.digest]
    if others:
        connection.execute(FURTHER_BODIES.insert(), [{"subject_id": key[0], "event": key[1]} | body for body in others])


def settle_again(connection: Connection, events: Iterable[Event], now: datetime) -> None:
    """Let the greatest body hold under the keys of `events`, as they are read now."""
    read = {(event.key, event.digest): event for event in events}
    keys = sorted({key for key, _ in read})
    entries = {(row.subject_id, row.event): row for row in entries_of(connection, keys, is_locked=True)}
    bodies_of_key = {key: {row.digest: _stored_body(row)} for key, row in entries.items()}
    for row in _further(connection, keys):
        bodies_of_key[row.subject_id, row.event][row.digest] = _stored_body(row)
    for key, bodies in bodies_of_key.items():
        for digest, body in bodies.items():
            event = read.get((key, digest))
            if event is not None and event.received_at == body.received_at:
                bodies[digest] = body._replace(
                    occurred_at=event.occurred_at, is_dated=event.is_dated, origin=event.origin
                )
        _settle(connection, key, entries[key], bodies, now)


def remove_bodies(connection: Connection, digests: Mapping[Key, Collection[str]], now: datetime) -> None:
    """Remove the bodies with these digests; of the others under a key the greatest holds. A key without any goes."""
    keys = sorted(digests)
    entries = {(row.subject_id, row.event): row for row in entries_of(connection, keys, is_locked=True)}
    bodies_of_key = {key: {row.digest: _stored_body(row)} for key, row in entries.items()}
    for row in _further(connection, keys):
        bodies_of_key[row.subject_id, row.event][row.digest] = _stored_body(row)
    for key, bodies in bodies_of_key.items():
        places = [bodies.pop(digest).body_id for digest in digests[key] if digest in bodies]
        connection.execute(delete(BODIES).where(BODIES.c.id.in_(places)))
        if bodies:
            _settle(connection, key, entries[key], bodies, now)
            continue
        for table in (LEDGER, FURTHER_BODIES):
            connection.execute(delete(table).where(table.c.subject_id == key[0], table.c.event == key[1]))


def take_out(connection: Connection, keys: Sequence[Key]) -> None:
    """Remove the facts under `keys` with every body, for the caller to merge them again as they are read now."""
    for piece in slices(sorted(keys)):
        for table in (LEDGER, FURTHER_BODIES, BODIES):
            columns = (table.c.subject_id, table.c.event)
            is_of_keys = tuple_(*columns).in_(bindparam("keys", expanding=True))
            connection.execute(delete(table).where(is_of_keys), {"keys": list(piece)})
