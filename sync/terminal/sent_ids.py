"""Reads the ids of messages that the customer sent, with the time of each if the file has it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sync.events.event import Unreadable
from sync.events.values import ID_BYTES_MAX, bounded
from sync.terminal.csv_file import CsvFile, named, opened_csv
from sync.terminal.times import read_time

ID_COLUMNS = ("message_id", "messageId", "id")
TIME_COLUMNS = ("sent_at", "created_at", "time", "timestamp")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """A message that the customer sent; `sent_at` is None if the file does not say when."""

    message_id: str
    sent_at: datetime | None


def read_sent(path: Path) -> Iterator[SentMessage | None]:
    """Yield what each row of the CSV file says, None if it has no id that can be one; blank rows are left out.

    Raises FileError. If the file has several columns of that kind, the first of ID_COLUMNS is meant.
    """
    column_text = f"column named {' or '.join(ID_COLUMNS)}"
    with opened_csv(path, _id_column, column_text=column_text) as file:
        place = _time_column(file.header)
        for _, _, fields in file.records:
            if fields is None or any(map(str.strip, fields)):
                yield _sent(file, fields, place)


def _sent(file: CsvFile, fields: Sequence[str] | None, time_column: int | None) -> SentMessage | None:
    try:
        message_id = bounded((file.cell(fields) or "").strip(), ID_BYTES_MAX)
    except Unreadable:
        return None
    if not message_id or fields is None:
        return None
    written = fields[time_column] if time_column is not None and time_column < len(fields) else ""
    return SentMessage(message_id=message_id, sent_at=read_time(written))


def _id_column(header: Sequence[str]) -> int | None:
    return next((column for name in ID_COLUMNS if (column := named(name)(header)) is not None), None)


def _time_column(header: Sequence[str]) -> int | None:
    names = [name.strip().casefold() for name in header]
    return next((names.index(name) for name in TIME_COLUMNS if name in names), None)
