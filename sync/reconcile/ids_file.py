"""Reads the ids of messages that the customer sent from a CSV file."""

from dataclasses import dataclass, field
from pathlib import Path

from sync.events.event import Unreadable
from sync.events.values import ID_BYTES_MAX, bounded
from sync.terminal.csv_file import named_one_of, opened_csv

ID_COLUMNS = ("message_id", "messageId", "id")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdsFile:
    """The ids of a file, each once, in its order; and how many rows have none that could be one."""

    ids: list[str] = field(repr=False)
    unusable: int


def read_ids(path: Path) -> IdsFile:
    """Return the ids in the column `message_id`, `messageId` or `id` of a CSV file. Raises FileError."""
    ids: dict[str, None] = {}
    unusable = 0
    with opened_csv(path, named_one_of(ID_COLUMNS), wanted=f"column {', '.join(ID_COLUMNS)}") as file:
        for _line, text, fields in file.records:
            cell = _id(file.cell(fields))
            if cell:
                ids[cell] = None
            elif text.strip():
                unusable += 1
    return IdsFile(ids=list(ids), unusable=unusable)


def _id(cell: str | None) -> str | None:
    try:
        return bounded(cell.strip(), ID_BYTES_MAX) if cell else None
    except Unreadable:
        return None
