"""The ledger: which bodies are new, which holds under each key, and every body of a subject, read back.

`events` has a row for each key, for ever. Nearly every key has one body, so its row says all about that one. The few
further bodies of a key stand in `further_bodies`, in the same words. The bytes are in `bodies`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    Integer,
    LargeBinary,
    Row,
    and_,
    bindparam,
    delete,
    literal,
    select,
    text,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects import sqlite

from models.statements import PackedArray, execute_many, is_one_of, slices
from models.tables import BODIES, FURTHER_BODIES, LEDGER
from models.types import UTCDateTime
from sync.events.event import Event, Unreadable
from sync.events.interpretation import ParseOptions
from sync.events.merge import Key, distinct, holding
from sync.events.parse import parse
from sync.events.raw import RawEvent

# Zexa redelivers after a minute. A copy that comes sooner was sent twice.
QUICK_COPY = timedelta(seconds=10)

# What the ledger knows of a body: `events` and `further_bodies` have these columns alike.
_OF_BODY = ("occurred_at", "received_at", "body_id", "is_dated", "digest")


class Taken(NamedTuple):
    """What the ledger did with some events, one for each distinct body.

    `new` are the bodies it did not have. `earlier` are bodies it had, which now have an earlier receipt than before.
    `quick_copies` says of copies that were received soon after the first one how many seconds later.
    """

    new: list[Event]
    earlier: list[Event]
    quick_copies: list[float] = []


def merge_ledger(connection: Connection, events: Iterable[Event], now: datetime) -> Taken:
    """Put every body of `events` into the ledger that it has not, and let the greatest of each key hold there."""
    events = list(events)
    bodies = distinct(events)
    quick_copies = _quick_copies_among(events, bodies) if len(bodies) < len(events) else []
    if not bodies:
        return Taken([], [])
    held = holding(bodies)
    there = _insert_missing(connection, list(held.values()), now)
    if not there and len(held) == len(bodies):
        return Taken(bodies, [], quick_copies)
    new = [event for key, event in held.items() if key not in there]
    rest = [event for event in bodies if event.key in there or held[event.key] is not event]
    further, stored_copies = _without_copies(connection, rest)
    taken = _take_further(connection, further, now) if further else Taken([], [])
    return Taken(new + taken.new, taken.earlier, quick_copies + stored_copies)


def _insert_missing(connection: Connection, events: list[Event], now: datetime) -> set[Key]:
    """Insert the facts under whose keys there is nothing yet, with their bodies; return the other keys."""
    if connection.dialect.name == "sqlite":
        return _insert_missing_on_sqlite(connection, events, now)
    parameters = {
        "subject_ids": [event.subject_id for event in events],
        "names": [event.name for event in events],
        "occurred": [event.occurred_at for event in events],
        "received": [event.received_at for event in events],
        "dated": [event.is_dated for event in events],
        "outcomes": [event.outcome for event in events],
        "digests": [event.digest for event in events],
        "contents": b"".join([event.body for event in events]),
        "ends": list(accumulate(len(event.body) for event in events)),
        "sizes": [len(event.body) for event in events],
        "now": now,
    }
    there = connection.execute(_INSERT_MISSING, parameters).scalar_one()
    return {events[place - 1].key for place in there or ()}


def _arrays(**types: Any) -> list[Any]:
    return [bindparam(name, type_=PackedArray(kind)) for name, kind in types.items()]


# Both tables in one statement, so that the bodies travel once, end to end, and only those of new facts are written.
_INSERT_MISSING = text(
    """
    WITH given AS MATERIALIZED (
        SELECT * FROM unnest(:subject_ids, :names, :occurred, :received, :dated, :outcomes, :digests, :ends, :sizes)
            WITH ORDINALITY
            AS given (subject_id, event, occurred_at, received_at, is_dated, outcome, digest, ends, size, place)
    ), taken AS (
        INSERT INTO events
            (subject_id, event, occurred_at, received_at, applied_at, body_id, is_dated, outcome, digest)
        SELECT subject_id, event, occurred_at, received_at, :now, nextval('bodies_id_seq'), is_dated, outcome, digest
        FROM given
        ON CONFLICT DO NOTHING
        RETURNING subject_id, event, body_id
    ), kept AS (
        INSERT INTO bodies (id, received_at, subject_id, event, body)
        SELECT taken.body_id, given.received_at, given.subject_id, given.event,
            substring(:contents FROM given.ends - given.size + 1 FOR given.size)
        FROM taken JOIN given ON given.subject_id = taken.subject_id AND given.event = taken.event
    )
    SELECT array_agg(given.place)
    FROM given LEFT JOIN taken ON taken.subject_id = given.subject_id AND taken.event = given.event
    WHERE taken.body_id IS NULL
    """
).bindparams(
    *_arrays(
        subject_ids=LEDGER.c.subject_id.type,
        names=LEDGER.c.event.type,
        occurred=LEDGER.c.occurred_at.type,
        received=LEDGER.c.received_at.type,
        dated=LEDGER.c.is_dated.type,
        outcomes=LEDGER.c.outcome.type,
        digests=LEDGER.c.digest.type,
        ends=Integer(),
        sizes=Integer(),
    ),
    bindparam("contents", type_=LargeBinary()),
    bindparam("now", type_=UTCDateTime()),
)


def _insert_missing_on_sqlite(connection: Connection, events: list[Event], now: datetime) -> set[Key]:
    """The same on SQLite, on which nobody else writes in this transaction, so that what is missing stays so."""
    there = {(row.subject_id, row.event) for row in _entries(connection, [event.key for event in events])}
    missing = [event for event in events if event.key not in there]
    places = _new_places(connection, len(missing))
    entries = [
        _of_body(event, place)
        | {
            "subject_id": event.subject_id,
            "event": event.name,
            "applied_at": now,
            "outcome": event.outcome,
            "origin": "signed",
        }
        for event, place in zip(missing, places, strict=True)
    ]
    execute_many(connection, LEDGER, sqlite.insert(LEDGER), entries)
    execute_many(connection, BODIES, sqlite.insert(BODIES), _contents(missing, places))
    return there


def _new_places(connection: Connection, count: int) -> list[int]:
    """Return `count` ids of `bodies` that no row has or had."""
    if connection.dialect.name == "sqlite":
        last = connection.execute(text("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'bodies'"))
        first = last.scalar_one() + 1
        return list(range(first, first + count))
    ids = text("SELECT nextval('bodies_id_seq') FROM generate_series(1, :count)")
    return list(connection.execute(ids, {"count": count}).scalars())


def _of_body(event: Event, place: int) -> dict[str, Any]:
    return {
        "occurred_at": event.occurred_at,
        "received_at": event.received_at,
        "body_id": place,
        "is_dated": event.is_dated,
        "digest": event.digest,
    }


def _contents(events: Sequence[Event], places: Sequence[int]) -> list[dict[str, Any]]:
    return [
        {
            "id": place,
            "received_at": event.received_at,
            "subject_id": event.subject_id,
            "event": event.name,
            "body": event.body,
        }
        for event, place in zip(events, places, strict=True)
    ]


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
    stored = {(row.subject_id, row.event): row for row in _entries(connection, [event.key for event in events])}
    others = []
    distances = []
    for event in events:
        row = stored.get(event.key)
        if row is None or row.digest != event.digest or row.received_at > event.received_at:
            others.append(event)
        else:
            distances.append(event.received_at - row.received_at)
    return others, _soon(distances)


def _entries(connection: Connection, keys: Iterable[Key], *, is_locked: bool = False) -> list[Row[Any]]:
    """Return the rows of the ledger under `keys`, locked in their order if asked for."""
    wanted = set(keys)
    rows: list[Row[Any]] = []
    columns = (LEDGER.c.subject_id, LEDGER.c.event, *(LEDGER.c[name] for name in _OF_BODY))
    for piece in slices(sorted({subject for subject, _ in wanted})):
        query = select(*columns).where(is_one_of(connection, LEDGER.c.subject_id, piece))
        if is_locked:
            query = query.order_by(LEDGER.c.subject_id, LEDGER.c.event).with_for_update()
        rows += connection.execute(query).all()
    return [row for row in rows if (row.subject_id, row.event) in wanted]


class _StoredBody(NamedTuple):
    """One body under a key, as the ledger has it or shall have it."""

    occurred_at: datetime
    received_at: datetime
    body_id: int
    is_dated: bool
    digest: str

    @property
    def precedence(self) -> tuple[bool, datetime, str]:
        """As `sync.events.merge.precedence` orders events."""
        return self.is_dated, self.occurred_at, self.digest


def _take_further(connection: Connection, events: list[Event], now: datetime) -> Taken:
    """Take bodies of keys that are there: each is new, or was received earlier than its copy before."""
    entries = {(row.subject_id, row.event): row for row in _entries(connection, _keys(events), is_locked=True)}
    gone = [event for event in events if event.key not in entries]  # taken out since, to be merged as read now
    events = [event for event in events if event.key in entries]
    bodies = {key: {row.digest: _stored_body(row)} for key, row in entries.items()}
    for row in _further(connection, _keys(events)):
        bodies[row.subject_id, row.event][row.digest] = _stored_body(row)
    new = [event for event in events if event.digest not in bodies[event.key]]
    earlier = [
        event
        for event in events
        if (had := bodies[event.key].get(event.digest)) is not None and event.received_at < had.received_at
    ]
    places = _new_places(connection, len(new)) if new else []
    if new:
        connection.execute(BODIES.insert(), _contents(new, places))
    for event, place in zip(new, places, strict=True):
        bodies[event.key][event.digest] = _StoredBody(**_of_body(event, place))
    for event in earlier:
        place = bodies[event.key][event.digest].body_id
        bodies[event.key][event.digest] = _StoredBody(**_of_body(event, place))
        connection.execute(update(BODIES).where(BODIES.c.id == place).values(received_at=event.received_at))
    for key in dict.fromkeys(_keys([*new, *earlier])):
        _settle(connection, key, entries[key], bodies[key], now)
    again = merge_ledger(connection, gone, now)
    return Taken(new + again.new, earlier + again.earlier)


def _keys(events: Iterable[Event]) -> list[Key]:
    return [event.key for event in events]


def _stored_body(row: Any) -> _StoredBody:
    return _StoredBody(*(getattr(row, name) for name in _OF_BODY))


def _further(connection: Connection, keys: Sequence[Key]) -> list[Row[Any]]:
    columns = (FURTHER_BODIES.c.subject_id, FURTHER_BODIES.c.event)
    query = select(FURTHER_BODIES).where(tuple_(*columns).in_(bindparam("keys", expanding=True)))
    return [row for piece in slices(sorted(set(keys))) for row in connection.execute(query, {"keys": list(piece)})]


def _settle(connection: Connection, key: Key, held: Any, bodies: Mapping[str, _StoredBody], now: datetime) -> None:
    """Write the bodies under one key, whose row the caller has locked: the greatest body holds."""
    winner = max(bodies.values(), key=lambda body: body.precedence)
    if winner != _stored_body(held):
        applied_at = {} if winner.digest == held.digest else {"applied_at": now}
        is_entry = and_(LEDGER.c.subject_id == key[0], LEDGER.c.event == key[1])
        connection.execute(update(LEDGER).where(is_entry).values(**winner._asdict(), **applied_at))
    is_of_key = and_(FURTHER_BODIES.c.subject_id == key[0], FURTHER_BODIES.c.event == key[1])
    connection.execute(delete(FURTHER_BODIES).where(is_of_key))
    others = [body._asdict() for body in bodies.values() if body.digest != winner.digest]
    if others:
        connection.execute(FURTHER_BODIES.insert(), [{"subject_id": key[0], "event": key[1]} | body for body in others])


def settle_again(connection: Connection, events: Iterable[Event], now: datetime) -> None:
    """Let the greatest body hold under the keys of `events`, as they are read now."""
    read = {(event.key, event.digest): event for event in events}
    keys = sorted({key for key, _ in read})
    entries = {(row.subject_id, row.event): row for row in _entries(connection, keys, is_locked=True)}
    stored = {key: {row.digest: _stored_body(row)} for key, row in entries.items()}
    for row in _further(connection, keys):
        stored[row.subject_id, row.event][row.digest] = _stored_body(row)
    for key, bodies in stored.items():
        for digest, body in bodies.items():
            event = read.get((key, digest))
            if event is not None and event.received_at == body.received_at:
                bodies[digest] = body._replace(occurred_at=event.occurred_at, is_dated=event.is_dated)
        _settle(connection, key, entries[key], bodies, now)


def read_events(
    connection: Connection, subjects: Sequence[str], options: ParseOptions, parsed: Iterable[Event] = ()
) -> list[Event]:
    """Return what every body of `subjects` states, with its earliest receipt.

    A body that this version refuses, or reads as a fact of another key, is left out. `parsed` are events that need not
    be parsed again.
    """
    parsed_before = {(event.digest, event.received_at): event for event in parsed}
    events: list[Event] = []
    for piece in slices(subjects):

        def is_wanted(subject: Column[str], piece: Sequence[str] = piece) -> ColumnElement[bool]:
            return is_one_of(connection, subject, piece)

        for row in connection.execute(stored_bodies(is_wanted)):
            event = parsed_before.get((row.digest, row.received_at)) or event_of(row.body, row.received_at, options)
            if event is not None and event.key == (row.subject_id, row.event):
                events.append(event)
    return events


def stored_bodies(is_wanted: Callable[[Column[str]], ColumnElement[bool]]) -> CompoundSelect[Any]:
    """Return the query of every body whose subject `is_wanted`, with what the ledger knows of it.

    Columns: subject_id, event, digest, occurred_at, is_dated, received_at, body, and whether it `holds` under its key.
    """
    parts = []
    for table in (LEDGER, FURTHER_BODIES):
        names = ("subject_id", "event", "digest", "occurred_at", "is_dated", "received_at")
        columns = (*(table.c[name] for name in names), BODIES.c.body, literal(table is LEDGER).label("holds"))
        source = table.join(BODIES, BODIES.c.id == table.c.body_id)
        parts.append(select(*columns).select_from(source).where(is_wanted(table.c.subject_id)))
    return union_all(*parts)


def event_of(body: bytes, received_at: datetime, options: ParseOptions) -> Event | None:
    """Return what a stored body states; None if an earlier version read a body that this one refuses."""
    try:
        return parse(RawEvent(body=body, received_at=received_at), options)
    except Unreadable:
        return None


def take_out(connection: Connection, keys: Sequence[Key]) -> None:
    """Remove the facts under `keys` with every body, for the caller to merge them again as they are read now."""
    for piece in slices(sorted(keys)):
        for table in (LEDGER, FURTHER_BODIES, BODIES):
            columns = (table.c.subject_id, table.c.event)
            is_of_keys = tuple_(*columns).in_(bindparam("keys", expanding=True))
            connection.execute(delete(table).where(is_of_keys), {"keys": list(piece)})
