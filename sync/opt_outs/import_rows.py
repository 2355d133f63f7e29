"""What the rows of a file with opt-outs say. Writes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import uuid4

from sync.events.addresses import read_address
from sync.events.forget_keys import ForgetKey
from sync.events.forgotten import ForgottenPeople
from sync.events.opt_outs import OptOutKey
from sync.events.times import EARLIEST
from sync.events.written_text import is_storable
from sync.opt_outs.add import scope_of
from sync.terminal.csv_cells import as_it_was
from sync.terminal.csv_file import NOT_READABLE, CsvFile, FileError
from sync.terminal.csv_records import Record
from sync.terminal.times import read_time

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


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedRow:
    """What one row of a file says; `at` is None if it names no time."""

    keys: Sequence[OptOutKey] = field(repr=False)  # of each address that the row may mean
    word_id: str = field(default_factory=lambda: uuid4().hex)
    at: datetime | None
    reason: str | None = field(repr=False)

    def without(self, people: ForgottenPeople) -> "StatedRow":
        """Return what the tables keep of it: nothing that names one of `people`."""
        keys = [(channel, people.kept_address(address), sender) for channel, address, sender in self.keys]
        return replace(self, keys=keys, reason=self.reason and people.kept_text(self.reason))


class InvalidRow(Exception):  # noqa: N818 - it names what was found
    """A row says nothing that can be taken; the text is why, and quotes nothing of it."""


def columns_of(file: CsvFile) -> dict[str, int]:
    """Return where the columns are that say more than the address. Raises FileError if one stands twice."""
    plain = [name.strip().casefold() for name in file.header]
    for name in _OTHER_COLUMNS:
        if plain.count(name) > 1:
            raise FileError(f"the file's first row has the column {name} more than once")
    return {name: plain.index(name) for name in _OTHER_COLUMNS if name in plain}


def stated_of(
    record: Record, file: CsvFile, columns: Mapping[str, int], defaults: Defaults, now: datetime
) -> StatedRow | None:
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
    return StatedRow(keys=keys, at=at, reason=text_in("reason") or defaults.reason)


def _time_in(text: str, name: str) -> datetime | None:
    if not text:
        return None
    time = read_time(text)
    if time is None or time < EARLIEST:
        raise InvalidRow(f"{name} is no time such as 2026-06-24T10:05:00Z")
    return time
