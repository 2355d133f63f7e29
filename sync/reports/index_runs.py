"""Messages in the order of one index, read from the place of a key on: by the index, never by a count of all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, literal, not_, select, tuple_
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from models.tables import MESSAGES
from sync.reports.page_keys import Key

Columns = ReadOnlyColumnCollection[str, Any]
Condition = Callable[[Columns], ColumnElement[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRun:
    """Messages in the order of one index. `within` is what the index finds, `matching` what is meant of that.

    Runs are in the order of their names, which stay the same if one is added between two pages. A run in the order of
    time has the latest first.
    """

    name: str
    within: tuple[Any, ...]
    order: tuple[Column[Any], ...]
    matching: tuple[Condition, ...] = ()

    def place_of(self, row: Row[Any]) -> Key:
        return tuple(getattr(row, column.name) for column in self.order)

    def last_looked_at(self, connection: Connection, begin: Key, looked_at: int) -> Key | None:
        """Return the place of the last of so many messages after `begin`, None if there are no more than these."""
        query = select(*self.order).where(*self.within, *self._from(begin)).order_by(*self._sorted())
        last = connection.execute(query.offset(looked_at - 1).limit(1)).one_or_none()
        return None if last is None else self.place_of(last)

    def read(self, connection: Connection, begin: Key, end: Key | None, limit: int) -> Sequence[Row[Any]]:
        """Return those that are meant after `begin`, with `end` as the last if it is given."""
        matching = (condition(MESSAGES.c) for condition in self.matching)
        until = () if end is None else (not_(self._is_beyond(end)),)
        query = select(MESSAGES).where(*self.within, *self._from(begin), *until, *matching)
        return connection.execute(query.order_by(*self._sorted()).limit(limit)).all()

    def _from(self, begin: Key) -> tuple[ColumnElement[bool], ...]:
        return (self._is_beyond(begin),) if len(begin) == len(self.order) else ()

    def _is_beyond(self, key: Key) -> ColumnElement[bool]:
        # A row of values, so that the index leads to it, on either database.
        place = tuple_(*self.order)
        values = tuple_(*(literal(value, column.type) for value, column in zip(key, self.order, strict=True)))
        return place < values if self._is_latest_first else place > values

    def _sorted(self) -> list[ColumnElement[Any]]:
        return [column.desc() if self._is_latest_first else column.asc() for column in self.order]

    @property
    def _is_latest_first(self) -> bool:
        return self.order[0] is MESSAGES.c.status_at
