"""The first step into the ledger: facts under whose keys there is nothing yet, with their bodies."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection, Integer, LargeBinary, Row, bindparam, select, text
from sqlalchemy.dialects import sqlite

from models.statements import PackedArray, execute_many, is_one_of, slices
from models.tables import BODIES, LEDGER
from models.types import UTCDateTime
from sync.events.event import Event, Origin
from sync.events.merge import Key

# What the ledger knows of a body: `events` and `further_bodies` have these columns alike.
BODY_COLUMNS = ("occurred_at", "received_at", "body_id", "is_dated", "digest", "origin")


def insert_missing(connection: Connection, events: list[Event], now: datetime) -> set[Key]:
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
    origins = [event.origin for event in events]
    if Origin.POLLED in origins:
        parameters["origins"] = origins
        stored_places = connection.execute(_INSERT_MISSING_OF_ANY_ORIGIN, parameters).scalar_one()
    else:
        stored_places = connection.execute(_INSERT_MISSING, parameters).scalar_one()
    return {events[place - 1].key for place in stored_places or ()}


def _arrays(**types: Any) -> list[Any]:
    return [bindparam(name, type_=PackedArray(kind)) for name, kind in types.items()]


# Both tables in one statement, so that the bodies travel once, end to end, and only those of new facts are written.
_STATEMENT = """
    WITH given AS MATERIALIZED (
        SELECT * FROM unnest(
            :subject_ids, :names, :occurred, :received, :dated, :outcomes, :digests, :ends, :sizes{array}
        )
            WITH ORDINALITY
            AS given (
                subject_id, event, occurred_at, received_at, is_dated, outcome, digest, ends, size{column}, place
            )
    ), taken AS (
        INSERT INTO events
            (subject_id, event, occurred_at, received_at, applied_at, body_id, is_dated, outcome, digest{column})
        SELECT subject_id, event, occurred_at, received_at, :now, nextval('bodies_id_seq'), is_dated, outcome, digest
            {column}
        FROM given
        ON CONFLICT DO NOTHING
        RETURNING subject_id, event, body_id
    ), kept AS (
        INSERT INTO bodies (id, received_at, subject_id, event, body{column})
        SELECT taken.body_id, given.received_at, given.subject_id, given.event,
            substring(:contents FROM given.ends - given.size + 1 FOR given.size){column}
        FROM taken JOIN given ON given.subject_id = taken.subject_id AND given.event = taken.event
    )
    SELECT array_agg(given.place)
    FROM given LEFT JOIN taken ON taken.subject_id = given.subject_id AND taken.event = given.event
    WHERE taken.body_id IS NULL
    """
_PARAMETERS = (
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
# What is signed, nearly all, has the origin that the columns have anyway, so that no row bears the price of another.
_INSERT_MISSING = text(_STATEMENT.format(array="", column="")).bindparams(*_PARAMETERS)
_INSERT_MISSING_OF_ANY_ORIGIN = text(_STATEMENT.format(array=", :origins", column=", origin")).bindparams(
    *_PARAMETERS, *_arrays(origins=LEDGER.c.origin.type)
)


def _insert_missing_on_sqlite(connection: Connection, events: list[Event], now: datetime) -> set[Key]:
    """The same on SQLite, on which nobody else writes in this transaction, so that what is missing stays so."""
    stored_keys = {(row.subject_id, row.event) for row in entries_of(connection, [event.key for event in events])}
    missing = [event for event in events if event.key not in stored_keys]
    places = new_body_ids(connection, len(missing))
    entries = [
        body_columns(event, place)
        | {
            "subject_id": event.subject_id,
            "event": event.name,
            "applied_at": now,
            "outcome": event.outcome,
        }
        for event, place in zip(missing, places, strict=True)
    ]
    execute_many(connection, LEDGER, sqlite.insert(LEDGER), entries)
    execute_many(connection, BODIES, sqlite.insert(BODIES), body_rows(missing, places))
    return stored_keys


def new_body_ids(connection: Connection, count: int) -> list[int]:
    """Return `count` ids of `bodies` that no row has or had."""
    if connection.dialect.name == "sqlite":
        last = connection.execute(text("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'bodies'"))
        first = last.scalar_one() + 1
        return list(range(first, first + count))
    ids = text("SELECT nextval('bodies_id_seq') FROM generate_series(1, :count)")
    return list(connection.execute(ids, {"count": count}).scalars())


def body_columns(event: Event, place: int) -> dict[str, Any]:
    return {
        "occurred_at": event.occurred_at,
        "received_at": event.received_at,
        "body_id": place,
        "is_dated": event.is_dated,
        "digest": event.digest,
        "origin": event.origin,
    }


def body_rows(events: Sequence[Event], places: Sequence[int]) -> list[dict[str, Any]]:
    return [
        {
            "id": place,
            "received_at": event.received_at,
            "subject_id": event.subject_id,
            "event": event.name,
            "body": event.body,
            "origin": event.origin,
        }
        for event, place in zip(events, places, strict=True)
    ]


def entries_of(connection: Connection, keys: Iterable[Key], *, is_locked: bool = False) -> list[Row[Any]]:
    """Return the rows of the ledger under `keys`, locked in their order if asked for."""
    wanted = set(keys)
    rows: list[Row[Any]] = []
    columns = (LEDGER.c.subject_id, LEDGER.c.event, *(LEDGER.c[name] for name in BODY_COLUMNS))
    for piece in slices(sorted({subject for subject, _ in wanted})):
        query = select(*columns).where(is_one_of(connection, LEDGER.c.subject_id, piece))
        if is_locked:
            query = query.order_by(LEDGER.c.subject_id, LEDGER.c.event).with_for_update()
        rows += connection.execute(query).all()
    return [row for row in rows if (row.subject_id, row.event) in wanted]
