"""Splits the lines of a CSV file into records, each with its exact text. Pure.

A record that cannot be read costs its first line only: reading goes on with the next line. So a stray quote takes no
other rows with it, and every record that is given out as readable can be read by itself.
"""

import csv
from collections import deque
from collections.abc import Iterator, Sequence

# The number of its first line, counted from 1; the text; its fields, None if it cannot be read.
Record = tuple[int, str, Sequence[str] | None]


class _Lines:
    """Hands lines to the reader, and remembers the lines that the current record has taken."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._put_back: deque[str] = deque()
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._put_back.popleft() if self._put_back else next(self._lines)
        self.taken.append(line)
        # Two exports put together have a byte order mark between them, which would hide the quote behind it.
        return line.removeprefix("\ufeff")

    def keep_first(self) -> None:
        """Put back all that the record has taken but its first line."""
        self._put_back.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def read_records(lines: Iterator[str], delimiter: str, *, line: int = 1) -> Iterator[Record]:
    """Yield each record of `lines`, which keep their line ends; `line` is the number of the first one.

    Quotes must stand as RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180) has them: if programs guessed, this program
    and the next might read the same row differently. A blank line is a record without fields. A field of more than
    128 KiB cannot be read, which bounds the memory that a stray quote can take.
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
        yield line, taken[0] if len(taken) == 1 else "".join(taken), fields
        line += len(taken)
        taken.clear()
