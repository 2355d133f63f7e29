"""Takes people who must not be messaged out of a list: every row goes, as it is, to exactly one of three files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

from sync.suppression import Answer, Lookup, LookupStatus
from sync.terminal.csv_file import NOT_READABLE, REASON_COLUMN, CsvFile
from sync.terminal.csv_records import Record, next_batch

ROWS_PER_LOOK = 20_000


class UnknownStatusError(Exception):
    """Some address is neither known to be suppressed nor known to be allowed."""

    def __init__(self, as_of: datetime | None, held_by: str | None) -> None:
        super().__init__("the look-up cannot answer")
        self.as_of = as_of
        self.held_by = held_by


@dataclass(slots=True, kw_only=True)
class ScrubCounts:
    """How many rows went to which file, and the earliest `as_of` of an answer."""

    clean: int = 0
    removed: int = 0
    invalid: int = 0
    as_of: datetime | None = None
    held_by: str | None = None

    @property
    def rows(self) -> int:
        return self.clean + self.removed + self.invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubScope:
    """What is asked of each address: see `Lookup.check`."""

    channel: str | None
    sender: str | None
    max_staleness: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    clean: BinaryIO
    removed: BinaryIO
    invalid: BinaryIO


def scrub(
    lookup: Lookup, csv_file: CsvFile, files: Files, scope: ScrubScope, on_look: Callable[[ScrubCounts], None]
) -> ScrubCounts:
    """Write each record of `csv_file` to one of `files`; `on_look` gets the counts now and then.

    `clean` gets only addresses that are known to be allowed. Raises UnknownStatusError if that cannot be known of a
    row; what was written until then is of no use.
    """
    counts = ScrubCounts()
    require_fresh(lookup, scope, counts)
    for file, text in (
        (files.clean, csv_file.header_text),
        (files.removed, csv_file.header_text),
        (files.invalid, csv_file.with_column(csv_file.header_text, REASON_COLUMN)),
    ):
        file.write(csv_file.encoding.mark + csv_file.encoding.encode(text))
    while rows := next_batch(csv_file.records, ROWS_PER_LOOK):
        _sort_out(lookup, csv_file, files, scope, counts, rows)
        on_look(counts)
    return counts


def require_fresh(lookup: Lookup, scope: ScrubScope, counts: ScrubCounts) -> None:
    """Find out before a long file is read."""
    freshness = lookup.freshness().judged(scope.max_staleness)
    if not freshness.is_within(scope.max_staleness, datetime.now(UTC)):
        raise UnknownStatusError(freshness.as_of, freshness.held_by)
    counts.as_of, counts.held_by = freshness.as_of, freshness.held_by


def _sort_out(
    lookup: Lookup, source: CsvFile, files: Files, scope: ScrubScope, counts: ScrubCounts, rows: Sequence[Record]
) -> None:
    clean: list[str] = []
    removed: list[str] = []
    invalid: list[str] = []
    cells = [source.cell(fields) for _, _, fields in rows]
    answers = lookup.check([cell or "" for cell in cells], scope.channel, scope.sender, scope.max_staleness)
    goes_to = {LookupStatus.ALLOWED: clean, LookupStatus.SUPPRESSED: removed}
    for (_, text, _), cell, answer in zip(rows, cells, answers, strict=True):
        if answer.status is LookupStatus.UNKNOWN:
            raise UnknownStatusError(answer.as_of, answer.held_by)
        if (problem := scrub_problem(cell, answer)) is not None:
            invalid.append(source.with_column(text, problem))
        else:
            goes_to[answer.status].append(text)
    for file, texts in ((files.clean, clean), (files.removed, removed), (files.invalid, invalid)):
        file.write(source.encoding.encode("".join(texts)))
    counts.clean += len(clean)
    counts.removed += len(removed)
    counts.invalid += len(invalid)
    as_of, held_by = answers[0].as_of, answers[0].held_by
    if as_of is not None and (counts.as_of is None or as_of < counts.as_of):
        counts.as_of, counts.held_by = as_of, held_by


def scrub_problem(cell: str | None, answer: Answer) -> str | None:
    """Return why a row is no one's, None if it is somebody's; `cell` is None if it cannot be determined."""
    if answer.status is not LookupStatus.INVALID:
        return None
    return NOT_READABLE if cell is None else str(answer.problem)
