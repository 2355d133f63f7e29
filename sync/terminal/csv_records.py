"""Splits the lines of a CSV file into records, each with its exact text. Pure.

A record that cannot be read costs its first line only: reading goes on with the next line. So a stray quote takes no
other rows with it, and every record that is given out as readable can be read by itself.
"""

import csv
from collections import deque
from collections.abc import Iterator, Sequence

# The number of its first line, counted from 1; the text; its fields, None if it cannot be read.
Record = tuple[int, str, Sequence[str] | None]

# A record of more lines than these hold cannot be read, which bounds the memory that a stray quote can take.
RECORD_CHARACTERS_MAX = 1024 * 1024
# What rows with stray quotes make us read again: so much, or so many times the file, else it would never end.
REREAD_CHARACTERS_MAX = 256 * 1024 * 1024
REREAD_TIMES_MAX = 8
# What is held at once of a file's rows, each of which takes some times as much once it is split into fields.
BATCH_CHARACTERS_MAX = 1024 * 1024


class TooManyBrokenRows(Exception):  # noqa: N818 - it says what the file has
    """So many rows have stray quotes that reading would take for ever; `line` is as far as it came."""

    def __init__(self, line: int) -> None:
        super().__init__(f"from line {line:,} on quotes are so broken that rows cannot be told apart")
        self.line = line


class _Lines:
    """Hands lines to the reader, and remembers the lines that the current record has taken."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._put_back: deque[str] = deque()
        self._characters = 0
        self._read = self._reread = 0
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._put_back.popleft() if self._put_back else next(self._lines)
        self.taken.append(line)
        self._characters += len(line)
        if self._characters > RECORD_CHARACTERS_MAX:
            raise csv.Error("the record is too long")
        # Two exports put together have a byte order mark between them, which would hide the quote behind it.
        return line.removeprefix("\ufeff")

    def keep_first(self) -> None:
        """Put back all that the record has taken but its first line."""
        self._put_back.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]
        first = len(self.taken[0])
        self._reread += self._characters - first
        self._characters = first

    def begin(self) -> None:
        """Begin the next record."""
        self._read += self._characters
        self._characters = 0
        self.taken.clear()

    @property
    def is_too_broken(self) -> bool:
        return self._reread > max(REREAD_CHARACTERS_MAX, REREAD_TIMES_MAX * self._read)


def read_records(lines: Iterator[str], delimiter: str, *, line: int = 1) -> Iterator[Record]:
    """Yield each record of `lines`, which keep their line ends; `line` is the number of the first one.

    Quotes must stand as RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180) has them: if programs guessed, this program
    and the next might read the same row differently. A blank line is a record without fields. A field of more than
    128 KiB cannot be read, nor a record of more than RECORD_CHARACTERS_MAX. Raises TooManyBrokenRows.
    """
    source = _Lines(lines)
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    taken = source.taken
    while True:
        fields: Sequence[str] | None
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            source.keep_first()
            fields = None
            if source.is_too_broken:
                raise TooManyBrokenRows(line) from None
        yield line, taken[0] if len(taken) == 1 else "".join(taken), fields
        line += len(taken)
        source.begin()


def next_batch(records: Iterator[Record], rows_max: int) -> list[Record]:
    """Return the next of `records`, at most `rows_max`, and fewer if they are long; none at the end."""
    batch: list[Record] = []
    characters = 0
    for record in records:
        batch.append(record)
        characters += len(record[1])
        if len(batch) >= rows_max or characters > BATCH_CHARACTERS_MAX:
            break
    return batch
