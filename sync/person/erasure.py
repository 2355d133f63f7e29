"""What is common to erasing one person: who it is, and the transactions in which rows may be erased."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Select, text, update

from models.statements import Value
from models.tables import FORGOTTEN_PEOPLE
from sync.events.addresses import spellings_of
from sync.events.forgotten import ForgottenPeople
from sync.events.interpretation import ParseOptions
from sync.events.naming import names_any, texts_within
from sync.store.forgotten import forgotten_people
from sync.store.retry import patiently

ROWS_PER_FETCH = 1_000
ROWS_PER_TRANSACTION = 100
# How long workers may have to wait behind us for a batch that is under way.
LOCK_SECONDS = 2

Done = TypeVar("Done")


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """The erasing of one person who was recorded as forgotten.

    `reader` may be read-only; what names the person is looked for there, so that no writer waits meanwhile.
    """

    engine: Engine
    reader: Engine
    options: ParseOptions
    person: str = field(repr=False)
    pseudonym: str
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def finder(self) -> Callable[[bytes], bool]:
        """Return the question whether a body may name the person: quick, as the number is known here."""
        names = names_any([self.person], self.options.default_region)
        if any(character in "@0123456789" for character in self.person):
            return names
        # An id of Slack's that is a mere word: only reading the body tells whether it stands for the person.
        return lambda body: names(body) or any(self.person in text for text in texts_within(body))

    @property
    def spellings(self) -> tuple[str, ...]:
        return spellings_of(self.person)

    def search(self, query: Select[Any]) -> Iterator[Any]:
        """Yield the rows of `query`, some at a time."""
        with self.reader.begin() as connection:
            streamed = connection.execution_options(stream_results=True, max_row_buffer=ROWS_PER_FETCH)
            for rows in streamed.execute(query).partitions(ROWS_PER_FETCH):
                yield from rows

    def transact(self, erase: Callable[[Connection, ForgottenPeople], Done]) -> Done:
        """Return what `erase` returns, in a transaction of its own in which the history may be rewritten.

        It is given who was forgotten. No worker writes meanwhile: all begin with the ledger. Tried again if one is in
        the way for long: it is we who step back.
        """
        return patiently(lambda: self._transact(erase))

    def _transact(self, erase: Callable[[Connection, ForgottenPeople], Done]) -> Done:
        is_person = FORGOTTEN_PEOPLE.c.pseudonym == self.pseudonym
        with self.engine.begin() as connection:
            people = forgotten_people(connection, self.options)
            assert people is not None
            _hold_ledger_still(connection)
            connection.execute(update(FORGOTTEN_PEOPLE).where(is_person).values(is_erasing=True))
            outcome = erase(connection, people)
            connection.execute(update(FORGOTTEN_PEOPLE).where(is_person).values(is_erasing=False))
        return outcome


def _hold_ledger_still(connection: Connection) -> None:
    """Wait until every transaction that wrote to the ledger has ended. On SQLite this one is the only one anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
        connection.execute(text("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE"))


def several(values: list[Value]) -> Iterator[list[Value]]:
    """Yield `values` in as many pieces as there shall be transactions."""
    return (values[start : start + ROWS_PER_TRANSACTION] for start in range(0, len(values), ROWS_PER_TRANSACTION))
