"""Finds dead letters. It changes nothing, and reads a body only if the caller asks for it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, func, select, tuple_

from models.tables import DEAD_LETTERS

# So many digits of a digest distinguish a few million letters, and a person can still compare them.
PREFIX_DIGITS_MIN = 6
_PREFIX = re.compile(rf"[0-9a-f]{{{PREFIX_DIGITS_MIN},64}}")
_AFTER_HEX = "g"

_ORDER = (DEAD_LETTERS.c.received_at, DEAD_LETTERS.c.digest)
_COLUMNS = [column for column in DEAD_LETTERS.columns if column.name != "body"]


class State(StrEnum):
    """Which letters, by what a person or a replay decided."""

    UNRESOLVED = "unresolved"  # they still wait
    RESOLVED = "resolved"  # replayed with success, or put aside
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A row of `dead_letters`, with the length of its body in place of the body."""

    digest: str
    reason: str
    error: str
    received_at: datetime
    attempts: int
    resolved_at: datetime | None
    may_opt_out: bool
    body_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterSelection:
    """The letters a command is about: letters with these digests, else letters of a reason (None: any) in a state.

    With `received_until` the others are only those that were received by then.
    """

    digests: tuple[str, ...] = ()
    reason: str | None = None
    state: State = State.UNRESOLVED
    received_until: datetime | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        columns = DEAD_LETTERS.c
        if self.digests:
            return [columns.digest.in_(self.digests)]
        by_state: dict[State, list[ColumnElement[bool]]] = {
            State.UNRESOLVED: [columns.resolved_at.is_(None)],
            State.RESOLVED: [columns.resolved_at.is_not(None)],
            State.ANY: [],
        }
        conditions = by_state[self.state]
        if self.reason:
            conditions.append(columns.reason == self.reason)
        if self.received_until:
            conditions.append(columns.received_at <= self.received_until)
        return conditions


def is_prefix(text: str) -> bool:
    """Return whether `text` can begin a digest: at least PREFIX_DIGITS_MIN hex digits, in either case."""
    return _PREFIX.fullmatch(text.lower()) is not None


def matching_digests(connection: Connection, prefix: str) -> list[str]:
    """Return the digests that begin with `prefix`; at most two, which is enough to know that it names none alone."""
    first = prefix.lower()
    digest = DEAD_LETTERS.c.digest
    query = select(digest).where(digest >= first, digest < first + _AFTER_HEX).order_by(digest).limit(2)
    return list(connection.execute(query).scalars())


def find_letter(connection: Connection, digest: str) -> Letter:
    """Return the letter with this digest, which must exist."""
    return _letters(connection, LetterSelection(digests=(digest,)), limit=1)[0]


def find_body(connection: Connection, digest: str) -> bytes:
    """Return the exact body of the letter with this digest, which must exist."""
    query = select(DEAD_LETTERS.c.body).where(DEAD_LETTERS.c.digest == digest)
    return bytes(connection.execute(query).scalar_one())


def oldest_letters(
    connection: Connection, selection: LetterSelection, *, limit: int, after: str | None = None
) -> list[Letter]:
    """Return at most `limit` of the selected letters, in order of receipt; of those behind the letter `after`."""
    if after is None:
        return _letters(connection, selection, limit)
    last = connection.execute(select(*_ORDER).where(DEAD_LETTERS.c.digest == after)).first()
    return [] if last is None else _letters(connection, selection, limit, tuple_(*_ORDER) > tuple_(*last))


def _letters(
    connection: Connection, selection: LetterSelection, limit: int, *conditions: ColumnElement[bool]
) -> list[Letter]:
    query = select(*_COLUMNS, func.length(DEAD_LETTERS.c.body).label("body_bytes"))
    query = query.where(*selection.conditions, *conditions).order_by(*_ORDER).limit(limit)
    return [Letter(**row) for row in connection.execute(query).mappings()]


def count_by_reason(connection: Connection, selection: LetterSelection) -> dict[str, int]:
    """Return how many of the selected letters there are of each reason, by reason."""
    reason = DEAD_LETTERS.c.reason
    query = select(reason, func.count()).where(*selection.conditions).group_by(reason).order_by(reason)
    return {row[0]: row[1] for row in connection.execute(query)}


def count_letters(connection: Connection, selection: LetterSelection, *, at_most: int) -> int:
    """Return how many letters are selected, and `at_most` if there are more: no table is too long for that."""
    digests = select(DEAD_LETTERS.c.digest).where(*selection.conditions).limit(at_most).subquery()
    return connection.execute(select(func.count()).select_from(digests)).scalar_one()


def pages(engine: Engine, selection: LetterSelection, size: int, *, after: str = "") -> Iterator[list[Any]]:
    """Yield the selected rows of `dead_letters` with a digest `after` this one, bodies included, in order of digest.

    Each page has at most `size` rows and is read in a transaction of its own. No row comes twice, even if it changes in
    between.
    """
    while True:
        query = select(DEAD_LETTERS).where(DEAD_LETTERS.c.digest > after, *selection.conditions)
        with engine.begin() as connection:
            page = list(connection.execute(query.order_by(DEAD_LETTERS.c.digest).limit(size)).all())
        if not page:
            return
        yield page
        after = page[-1].digest
