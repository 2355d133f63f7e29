"""A list that a person uploads to be scrubbed or imported: what is asked of it, and how web and worker read it."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any, BinaryIO, Self

from sync.events.addresses import read_address
from sync.events.interpretation import ParseOptions
from sync.opt_outs.import_rows import ADDRESS_COLUMNS, Defaults, InvalidRow, columns_of, stated_of
from sync.terminal.bounded_lines import BoundedLines
from sync.terminal.csv_file import NOT_READABLE, CsvFile, named, named_one_of, read_csv
from sync.terminal.csv_records import Record
from sync.terminal.times import iso_text, read_time

# So much of a list is looked at in a page, and so many of its rows are shown.
HEAD_BYTES = 512 * 1024
HEAD_ROWS = 10


class ListPurpose(StrEnum):
    """What a list is uploaded for."""

    SCRUB = "scrub"  # to get it back without those who must not be messaged
    IMPORT = "import"  # to opt out everybody in it


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """What is asked of a list of `bytes` bytes: the options of `opt-outs scrub` and `import`, '' or None if not given.

    `at` and `reason` are of an import.
    """

    purpose: ListPurpose
    bytes: int
    column: str = ""
    channel: str = ""
    sender: str = ""
    at: datetime | None = None
    reason: str | None = field(default=None, repr=False)

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of a task that reads the list."""
        return {
            "purpose": self.purpose,
            "bytes": self.bytes,
            "column": self.column,
            "channel": self.channel,
            "sender": self.sender,
            "at": iso_text(self.at),
            "reason": self.reason,
        }

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        at = read_time(parameters["at"]) if parameters["at"] else None
        return cls(**{**parameters, "purpose": ListPurpose(parameters["purpose"]), "at": at})

    def defaults(self, by: str, options: ParseOptions) -> Defaults:
        """Return what holds of a row that does not say it itself, if `by` imports the list."""
        return Defaults(
            by=by,
            channel=self.channel,
            sender=self.sender,
            at=self.at,
            reason=self.reason,
            default_region=options.default_region,
            forget_keys=options.forget_keys,
        )


@contextmanager
def opened_list(
    binary: BinaryIO, list_options: ListOptions, region: str, *, bytes_max: int | None = None
) -> Iterator[CsvFile]:
    """Read a list, or the first `bytes_max` of it: a CSV file with a header, or an address on each line.

    Raises FileError if it cannot be read, with the line if it is a line's fault.
    """

    def is_address(text: str) -> bool:
        return read_address("", text, region).problem is None

    any_name = named_one_of(ADDRESS_COLUMNS, advice="say which one is meant")
    with read_csv(
        io.BufferedReader(BoundedLines(binary, list_options.bytes if bytes_max is None else bytes_max)),
        list_options.bytes,
        named(list_options.column) if list_options.column else any_name,
        column_text="column of that name" if list_options.column else f"column {', '.join(ADDRESS_COLUMNS)}",
        is_row=None if list_options.column else is_address,
    ) as file:
        yield file


# The addresses that a row may mean, and why it cannot be taken, None if it can.
RowReading = tuple[Sequence[str], str | None]


def row_reader(
    file: CsvFile, list_options: ListOptions, options: ParseOptions, clock: Callable[[], datetime]
) -> Callable[[Record], RowReading]:
    """Return what reads a row as `opt-outs scrub` or `import` does. Raises FileError if a column stands twice."""
    is_import = list_options.purpose is ListPurpose.IMPORT
    columns, defaults = columns_of(file) if is_import else {}, list_options.defaults("", options)

    def read_to_import(record: Record) -> RowReading:
        try:
            stated = stated_of(record, file, columns, defaults, clock())
        except InvalidRow as error:
            return (), str(error)
        return ([address for _, address, _ in stated.keys] if stated else ()), None

    def read_to_scrub(record: Record) -> RowReading:
        cell = file.cell(record[2])
        if cell is None:
            return (), NOT_READABLE
        reading = read_address(list_options.channel, cell, options.default_region)
        return [address.text for address in reading.addresses], reading.problem and str(reading.problem)

    return read_to_import if is_import else read_to_scrub


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRow:
    """How one row is read: what stands in its column, which addresses that may be, or why the row is not taken."""

    line: int
    cell: str | None = field(repr=False)
    addresses: Sequence[str] = field(repr=False)
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListHead:
    """The columns of a list, none if it has no header; which one has the addresses; and its first rows."""

    columns: Sequence[str]
    column: int
    rows: Sequence[FirstRow]


def list_head(binary: BinaryIO, list_options: ListOptions, options: ParseOptions, now: datetime) -> ListHead:
    """Read the beginning of a list. Raises FileError if it is no list, or its column cannot be found."""
    with opened_list(binary, list_options, options.default_region, bytes_max=HEAD_BYTES) as file:
        read, rows = row_reader(file, list_options, options, lambda: now), []
        for record in islice(file.records, HEAD_ROWS):
            addresses, problem = read(record)
            rows.append(FirstRow(line=record[0], cell=file.cell(record[2]), addresses=addresses, problem=problem))
        return ListHead(columns=file.header if file.header_text else (), column=file.column, rows=rows)
