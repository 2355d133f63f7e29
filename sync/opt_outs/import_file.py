"""Opt-outs out of a file. They are only ever added: no row of a file ends, clears or weakens one.

A row is a statement only if it says more than what stands: an opt-out that is not there yet, or a later opt-out. A row
without a time is a statement also if the opt-out is not in force. So a file read twice changes nothing the second
time, and adds no history.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Engine

from sync.events.addresses import person_of, read_address
from sync.events.forget_keys import ForgetKey
from sync.events.forgotten import ForgottenPeople
from sync.events.opt_outs import (
    OptOutKey,
    OptOutRow,
    OptOutSource,
    OptOutStatement,
    StoredStatement,
    ended_at,
    is_in_force,
)
from sync.events.times import EARLIEST
from sync.events.written_text import is_storable
from sync.opt_outs.add import WordEffect, outcome_of_all, scope_of, time_in_force
from sync.opt_outs.forgotten import forgotten_by
from sync.store.opt_outs import hold_statements, persons_of, read_rows, read_statements, state
from sync.terminal.csv_cells import as_it_was
from sync.terminal.csv_file import NOT_READABLE, CsvFile, FileError
from sync.terminal.csv_records import Record, next_batch
from sync.terminal.times import read_time

# In one transaction: workers that apply opt-outs of the same people wait for its end.
ROWS_PER_TRANSACTION = 2_000

ADDRESS_COLUMNS = ("address", "phone", "email", "recipient", "to")
_OTHER_COLUMNS = ("channel", "sender", "opted_out_at", "opted_in_at", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What holds of a row that does not say it itself, and who says all of it."""

    by: str
    channel: str
    sender: str
    at: datetime | None
    reason: str | None = field(default=None, repr=False)
    default_region: str
    forget_keys: tuple[ForgetKey, ...] = field(default=(), repr=False)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What one row of a file says; `at` is None if it names no time."""

    keys: Sequence[OptOutKey] = field(repr=False)  # of each address that the row may mean
    word_id: str = field(default_factory=lambda: uuid4().hex)
    at: datetime | None
    reason: str | None = field(repr=False)

    def without(self, people: ForgottenPeople) -> "Stated":
        """Return what the tables keep of it: nothing that names one of `people`."""
        keys = [(channel, people.kept_address(address), sender) for channel, address, sender in self.keys]
        return replace(self, keys=keys, reason=self.reason and people.kept_text(self.reason))


class InvalidRow(Exception):  # noqa: N818 - it names what was found
    """A row says nothing that can be taken; the text is why, and quotes nothing of it."""


def import_opt_outs(
    engine: Engine,
    csv_file: CsvFile,
    defaults: Defaults,
    *,
    clock: Callable[[], datetime],
    on_invalid: Callable[[Record, str], None],
    on_batch: Callable[[ImportCounts], None],
) -> ImportCounts:
    """Record every row of `csv_file`, several in one transaction; `on_batch` gets the counts after each transaction.

    Raises FileError if a column stands twice.
    """
    counts, columns = ImportCounts(), _columns(csv_file)
    while records := next_batch(csv_file.records, ROWS_PER_TRANSACTION):
        stated = []
        for record in records:
            try:
                row = _stated(record, csv_file, columns, defaults, clock())
            except InvalidRow as error:
                counts.invalid += 1
                on_invalid(record, str(error))
                continue
            if row is None:
                counts.ended += 1
            else:
                stated.append(row)
        _record(engine, stated, defaults, counts, clock)
        on_batch(counts)
    return counts


def _columns(file: CsvFile) -> dict[str, int]:
    plain = [name.strip().casefold() for name in file.header]
    for name in _OTHER_COLUMNS:
        if plain.count(name) > 1:
            raise FileError(f"the file's first row has the column {name} more than once")
    return {name: plain.index(name) for name in _OTHER_COLUMNS if name in plain}


def _stated(
    record: Record, file: CsvFile, columns: Mapping[str, int], defaults: Defaults, now: datetime
) -> Stated | None:
    """Return what a record states, None if it says itself that the opt-out is over. Raises InvalidRow."""
    fields = record[2]
    cell = file.cell(fields)
    if fields is None or cell is None:
        raise InvalidRow(NOT_READABLE)

    def text_in(name: str) -> str:
        index = columns.get(name)
        text = as_it_was(fields[index].strip()).strip() if index is not None and index < len(fields) else ""
        if text and not is_storable(text):
            raise InvalidRow(f"{name} is no text that can be kept")
        return text

    channel, sender = scope_of(
        text_in("channel") or defaults.channel, text_in("sender") or defaults.sender, defaults.default_region
    )
    reading = read_address(channel, as_it_was(cell.strip()), defaults.default_region)
    if reading.problem is not None:
        raise InvalidRow(f"the address is none: {reading.problem}")
    at = _time_in(text_in("opted_out_at"), "opted_out_at")
    ended_at = _time_in(text_in("opted_in_at"), "opted_in_at")
    if ended_at is not None and (at is None or ended_at > at):
        return None
    at = at or defaults.at
    # A time that lies ahead would outrank every true one: then they have opted out, as of now.
    at = at if at is None or at <= now else None
    keys = [(channel, address.text, sender) for address in reading.addresses]
    return Stated(keys=keys, at=at, reason=text_in("reason") or defaults.reason)


def _time_in(text: str, name: str) -> datetime | None:
    if not text:
        return None
    time = read_time(text)
    if time is None or time < EARLIEST:
        raise InvalidRow(f"{name} is no time such as 2026-06-24T10:05:00Z")
    return time


def _record(
    engine: Engine, stated: Sequence[Stated], defaults: Defaults, counts: ImportCounts, clock: Callable[[], datetime]
) -> None:
    if not stated:
        return
    with engine.begin() as connection:
        if people := forgotten_by(connection, defaults.forget_keys):
            stated = [row.without(people) for row in stated]
        hold_statements(connection, alone=False)
        persons = persons_of(key for row in stated for key in row.keys)
        stands = {key: _Stands.of(row) for key, row in read_rows(connection, persons).items()}
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
    def of(cls, row: OptOutRow) -> "_Stands":
        return cls(opted_out_at=row.opted_out_at, received_at=row.received_at, opted_in_at=row.opted_in_at)

    def with_time(self, at: datetime) -> "_Stands":
        return replace(self, opted_out_at=max(self.opted_out_at, at), received_at=max(self.received_at, at))

    @property
    def is_in_force(self) -> bool:
        return is_in_force(self.opted_in_at, self.received_at)


def _says_no_more(row: Stated, before: _Stands) -> bool:
    if row.at is None:
        return before.is_in_force
    return row.at <= before.opted_out_at and row.at <= before.received_at


def _outcome(before: _Stands | None, after: _Stands) -> WordEffect:
    if not after.is_in_force:
        return WordEffect.ENDED
    return WordEffect.NEW if before is None else WordEffect.LATER


def _statement(row: Stated, key: OptOutKey, at: datetime, defaults: Defaults) -> OptOutStatement:
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
