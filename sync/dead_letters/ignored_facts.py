"""Applies facts that the ledger keeps as ignored because an earlier version did not know their type."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, and_, bindparam, delete, select, tuple_, update

from sync.apply import is_fault_of_events, merge_events, read
from sync.events import Event, Outcome
from sync.merge import Key
from sync.raw_events import RawEvent
from sync.reading import Reading
from sync.store import LEDGER

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
    engine: Engine, *, reading: Reading, page_size: int = FACTS_PER_PAGE
) -> Iterator[tuple[int, IgnoredTally]]:
    """Apply the ignored facts that this version understands; yield each page's number of facts, and its tally.

    Safe beside running workers: it owns its transactions, one for each page, and locks ledger rows in the order of
    their keys, as they do. Errors of a database that is away are SQLAlchemy's DBAPIError and pass through.
    """
    page: Sequence[Any] = ()
    while page := _page(engine, page[-1:], page_size):
        facts = [_fact(entry, reading) for entry in page]
        unreadable = sum(fact is None for fact in facts)
        understood = [_key(entry) for entry, fact in zip(page, facts, strict=True) if _is_understood(fact)]
        rest = IgnoredTally(unreadable=unreadable, not_understood=len(page) - unreadable - len(understood))
        yield len(page), _apply(engine, understood, reading) + rest


def _page(engine: Engine, last: Sequence[Any], size: int) -> Sequence[Any]:
    """Read without a lock: most of these rows stay as they are."""
    query = select(LEDGER).where(_IS_IGNORED).order_by(*_KEY).limit(size)
    for entry in last:
        query = query.where(tuple_(*_KEY) > tuple_(entry.subject_id, entry.event))
    with engine.begin() as connection:
        return connection.execute(query).all()


def _key(entry: Any) -> Key:
    return entry.subject_id, entry.event


def _fact(entry: Any, reading: Reading) -> Event | None:
    ((_, stated),) = read([RawEvent(body=entry.body, received_at=entry.received_at)], reading)
    return stated if isinstance(stated, Event) else None


def _is_understood(fact: Event | None) -> bool:
    return fact is not None and fact.outcome is Outcome.APPLIED


def _apply(engine: Engine, keys: Sequence[Key], reading: Reading) -> IgnoredTally:
    if not keys:
        return IgnoredTally()
    try:
        with engine.begin() as connection:
            return IgnoredTally(applied=_apply_together(connection, keys, reading, datetime.now(UTC)))
    except Exception as error:
        if not is_fault_of_events(error):
            raise
        if len(keys) == 1:
            return IgnoredTally(refused=1)
    return sum((_apply(engine, [key], reading) for key in keys), IgnoredTally())


def _apply_together(connection: Connection, keys: Sequence[Key], reading: Reading, now: datetime) -> int:
    query = select(LEDGER).where(_IS_IGNORED, tuple_(*_KEY).in_(keys)).order_by(*_KEY).with_for_update()
    facts = {_key(entry): _fact(entry, reading) for entry in connection.execute(query)}
    understood = {key: fact for key, fact in facts.items() if fact and _is_understood(fact)}
    in_place = [fact for key, fact in understood.items() if fact.key == key]
    _take_in_place(connection, in_place, now)
    # An earlier version may not have found the subject of a type that it did not know.
    elsewhere = {key: fact for key, fact in understood.items() if fact.key != key}
    _remove(connection, list(elsewhere))
    merge_events(connection, list(elsewhere.values()), reading, now, held=in_place)
    return len(understood)


def _is_entry() -> Any:
    return and_(LEDGER.c.subject_id == bindparam("subject"), LEDGER.c.event == bindparam("name"))


def _take_in_place(connection: Connection, facts: Sequence[Event], now: datetime) -> None:
    if not facts:
        return
    taken = update(LEDGER).where(_is_entry())
    # What an earlier version did not know, it may not have found the time of.
    taken = taken.values(
        outcome=Outcome.APPLIED, applied_at=now, occurred_at=bindparam("at", type_=LEDGER.c.occurred_at.type)
    )
    rows = [{"subject": fact.subject_id, "name": fact.name, "at": fact.occurred_at} for fact in facts]
    connection.execute(taken, rows)


def _remove(connection: Connection, keys: Sequence[Key]) -> None:
    if keys:
        rows = [{"subject": subject, "name": name} for subject, name in keys]
        connection.execute(delete(LEDGER).where(_is_entry()), rows)
