"""Opt-outs out of a file. They are only ever added: no row of a file ends, clears or weakens one.

A row is a statement only if it says more than what stands: an opt-out that is not there yet, or a later opt-out. A row
without a time is a statement also if the opt-out is not in force. So a file read twice changes nothing the second
time, and adds no history.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, Engine

from sync.events.addresses import person_of
from sync.events.opt_outs import (
    OptOutKey,
    OptOutRow,
    OptOutSource,
    OptOutStatement,
    StoredStatement,
    ended_at,
    is_in_force,
)
from sync.opt_outs.add import WordEffect, outcome_of_all, time_in_force
from sync.opt_outs.forgotten import forgotten_by
from sync.opt_outs.import_rows import Defaults, InvalidRow, StatedRow, columns_of, stated_of
from sync.store.opt_outs import hold_statements, persons_of, read_rows, read_statements, state
from sync.terminal.csv_file import CsvFile
from sync.terminal.csv_records import Record, next_batch

# In one transaction: workers that apply opt-outs of the same people wait for its end.
ROWS_PER_TRANSACTION = 2_000


@dataclass(slots=True, kw_only=True)
class ImportCounts:
    """What became of the rows read."""

    new: int = 0
    later: int = 0
    unchanged: int = 0
    ended: int = 0  # the file, or a later re-subscription here, says that it is over
    invalid: int = 0

    @property
    def rows(self) -> int:
        return self.new + self.later + self.unchanged + self.ended + self.invalid

    def add(self, more: "ImportCounts") -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(more, name))


# Keeps what a transaction counts in that transaction; a transaction that only counts has no statement.
Note = Callable[[Connection, ImportCounts], None]


def import_opt_outs(
    engine: Engine,
    csv_file: CsvFile,
    defaults: Defaults,
    *,
    clock: Callable[[], datetime],
    on_invalid: Callable[[Record, str], None],
    on_batch: Callable[[ImportCounts], None],
    note: Note | None = None,
) -> ImportCounts:
    """Record every row of `csv_file`, several in one transaction; `on_batch` gets the counts after each transaction.

    Raises FileError if a column stands twice.
    """
    counts, columns = ImportCounts(), columns_of(csv_file)
    while records := next_batch(csv_file.records, ROWS_PER_TRANSACTION):
        stated, of_batch = [], ImportCounts()
        for record in records:
            try:
                row = stated_of(record, csv_file, columns, defaults, clock())
            except InvalidRow as error:
                of_batch.invalid += 1
                on_invalid(record, str(error))
                continue
            if row is None:
                of_batch.ended += 1
            else:
                stated.append(row)
        if stated or note:
            with engine.begin() as connection:
                if stated:
                    _record(connection, stated, defaults, of_batch, clock)
                if note:
                    note(connection, of_batch)
        counts.add(of_batch)
        on_batch(counts)
    return counts


def _record(
    connection: Connection,
    stated: Sequence[StatedRow],
    defaults: Defaults,
    counts: ImportCounts,
    clock: Callable[[], datetime],
) -> None:
    if people := forgotten_by(connection, defaults.forget_keys):
        stated = [row.without(people) for row in stated]
    hold_statements(connection, alone=False)
    persons = persons_of(key for row in stated for key in row.keys)
    stands = {key: _Stands.from_row(row) for key, row in read_rows(connection, persons).items()}
    ends: dict[str, list[StoredStatement]] = {}
    for end in read_statements(connection, persons):
        ends.setdefault(end["person"], []).append(end)
    now = clock()
    statements = []
    for row in stated:
        outcomes = []
        for key in row.keys:
            before, ended = stands.get(key), ended_at(key, ends.get(person_of(key[1]), ()))
            if before is not None and _says_no_more(row, before):
                outcomes.append(WordEffect.UNCHANGED if before.is_in_force else WordEffect.ENDED)
                continue
            at = row.at or time_in_force(ended, now)
            after = before.with_time(at) if before else _Stands(opted_out_at=at, received_at=at, opted_in_at=ended)
            stands[key] = after
            outcomes.append(_outcome(before, after))
            statements.append(_statement(row, key, at, defaults))
        of_all = outcome_of_all(outcomes)
        setattr(counts, of_all, getattr(counts, of_all) + 1)
    state(connection, statements, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stands:
    """The times of a row of `opt_outs`, as they are or will be once the rows before are recorded."""

    opted_out_at: datetime
    received_at: datetime
    opted_in_at: datetime | None

    @classmethod
    def from_row(cls, row: OptOutRow) -> "_Stands":
        return cls(opted_out_at=row.opted_out_at, received_at=row.received_at, opted_in_at=row.opted_in_at)

    def with_time(self, at: datetime) -> "_Stands":
        return replace(self, opted_out_at=max(self.opted_out_at, at), received_at=max(self.received_at, at))

    @property
    def is_in_force(self) -> bool:
        return is_in_force(self.opted_in_at, self.received_at)


def _says_no_more(row: StatedRow, before: _Stands) -> bool:
    if row.at is None:
        return before.is_in_force
    return row.at <= before.opted_out_at and row.at <= before.received_at


def _outcome(before: _Stands | None, after: _Stands) -> WordEffect:
    if not after.is_in_force:
        return WordEffect.ENDED
    return WordEffect.NEW if before is None else WordEffect.LATER


def _statement(row: StatedRow, key: OptOutKey, at: datetime, defaults: Defaults) -> OptOutStatement:
    channel, address, sender = key
    return OptOutStatement(
        channel=channel,
        address=address,
        sender=sender,
        occurred_at=at,
        source=OptOutSource.IMPORT,
        stated_by=defaults.by,
        reason=row.reason,
        opt_out_id=row.word_id,
    )
