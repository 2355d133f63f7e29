"""Replays dead letters: reads their bytes again, and merges each letter that this version understands.

A letter is marked in the transaction that merges it, so a replay may be stopped at any moment, and begun again.
"""

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, func, update

from models.errors import error_kind
from models.tables import DEAD_LETTERS
from sync.dead_letters.find import LetterSelection, pages
from sync.events.event import Event, Outcome, Reason
from sync.events.interpretation import ParseOptions
from sync.events.raw import RawEvent
from sync.store.apply import all_stated, merge_events, read, try_known_good
from sync.store.dead_letters import NewDeadLetter
from sync.store.known_good import type_by_look
from sync.store.singly import Singly

LETTERS_PER_PAGE = 200  # with bodies of 256 KiB at most, 50 MiB


class ReplayVerdict(StrEnum):
    """What became of a letter; all but the last are resolved."""

    APPLIED = "applied"  # the ledger took it, and the rows that follow from it are up to date
    IGNORED = "ignored"  # the ledger took it; its type is unknown to this version
    UNCHANGED = "unchanged"  # the ledger had this body already
    STILL_DEAD = "still_dead"  # it cannot be applied now either


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A letter after its replay. `reason` and `error` are the present ones of a letter still dead, else None."""

    digest: str
    verdict: ReplayVerdict
    reason: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlace:
    """Where a replay stands: all letters up to the digest `after` are replayed, and of those behind it these."""

    after: str = ""
    done: frozenset[str] = frozenset()


# Called in each transaction that replays letters, with these and the place of the page that they are of.
Note = Callable[[Connection, Sequence[Replayed], str], None]


def replay(
    engine: Engine,
    selection: LetterSelection,
    *,
    options: ParseOptions,
    page_size: int = LETTERS_PER_PAGE,
    place: ReplayPlace = ReplayPlace(),
    note: Note | None = None,
) -> Iterator[Replayed]:
    """Replay the selected letters in order of digest, each once; yield what became of it once that is committed.

    Owns its transactions, one for each page. Errors of a database that is away are SQLAlchemy's DBAPIError and
    pass through. So does ItemsHeld, if known good events fail as well. What was yielded before stays done. Begins at
    `place`, and calls `note` in each transaction.
    """
    after = place.after
    for page in pages(engine, selection, page_size, after=after):
        letters = [letter for letter in page if letter.digest not in place.done]
        for replayed in _replaying(engine, options, after, note).together(letters) if letters else ():
            yield from replayed
        after = page[-1].digest


def _replaying(engine: Engine, options: ParseOptions, after: str, note: Note | None) -> Singly[Any, list[Replayed]]:
    def mark(connection: Connection, replayed: Sequence[Replayed], now: datetime) -> None:
        _mark(connection, replayed, now)
        if note:
            note(connection, replayed, after)

    def attempt(letters: Sequence[Any]) -> list[Replayed]:
        now = datetime.now(UTC)
        with engine.begin() as connection:
            replayed = _merge(connection, letters, options, now)
            mark(connection, replayed, now)
        return replayed

    def refuse(letter: Any, error: Exception) -> list[Replayed]:
        # Only the kind of error is kept: its text may quote the event.
        dead, reason, kind = ReplayVerdict.STILL_DEAD, Reason.REFUSED, error_kind(error)
        replayed = [Replayed(digest=letter.digest, verdict=dead, reason=reason, error=kind)]
        with engine.begin() as connection:
            mark(connection, replayed, datetime.now(UTC))
        return replayed

    return Singly(
        attempt=attempt,
        refuse=refuse,
        type_of=lambda letter: type_by_look(letter.body),
        try_known_good=partial(try_known_good, engine, options),
    )


def _merge(connection: Connection, letters: Sequence[Any], options: ParseOptions, now: datetime) -> list[Replayed]:
    raw_events = [RawEvent(body=letter.body, received_at=letter.received_at) for letter in letters]
    stated = all_stated(read(raw_events, options), options)
    events = [result for result in stated if isinstance(result, Event)]
    new_facts = merge_events(connection, events, options, now)
    digests = {fact.digest for fact in new_facts}
    return [_replayed(letter.digest, result, digests) for letter, result in zip(letters, stated, strict=True)]


def _replayed(digest: str, stated: Event | NewDeadLetter, new_digests: Set[str]) -> Replayed:
    if isinstance(stated, NewDeadLetter):
        return Replayed(digest=digest, verdict=ReplayVerdict.STILL_DEAD, reason=stated.reason, error=stated.error)
    if stated.digest not in new_digests:
        return Replayed(digest=digest, verdict=ReplayVerdict.UNCHANGED)
    is_ignored = stated.outcome is Outcome.IGNORED
    return Replayed(digest=digest, verdict=ReplayVerdict.IGNORED if is_ignored else ReplayVerdict.APPLIED)


def _mark(connection: Connection, replayed: Sequence[Replayed], now: datetime) -> None:
    """Resolve what was merged; of what is still dead count the attempt and keep why. In order of digest, as workers."""
    columns = DEAD_LETTERS.c
    marks = update(DEAD_LETTERS).where(columns.digest == bindparam("of"))
    marks = marks.values(
        resolved_at=func.coalesce(bindparam("at", type_=columns.resolved_at.type), columns.resolved_at),
        attempts=columns.attempts + bindparam("more", type_=columns.attempts.type),
        reason=func.coalesce(bindparam("why", type_=columns.reason.type), columns.reason),
        error=func.coalesce(bindparam("what", type_=columns.error.type), columns.error),
    )
    rows = []
    for result in replayed:
        is_dead = result.verdict is ReplayVerdict.STILL_DEAD
        rows.append(
            {
                "of": result.digest,
                "at": None if is_dead else now,
                "more": int(is_dead),
                "why": result.reason,
                "what": result.error,
            }
        )
    connection.execute(marks, rows)
