"""Bounds the lines of a file that somebody uploaded: reading a line holds all of it, however long it is."""

import io
from typing import Any, BinaryIO

from sync.terminal.csv_file import FileError

# Twice what a field may have.
LINE_BYTES_MAX = 256 * 1024


class BoundedLines(io.RawIOBase):
    """The bytes of `source`, at most `bytes_max` of them. Wrap it in `io.BufferedReader`.

    A line of more than LINE_BYTES_MAX raises FileError, with its number. It ends at a line feed or a carriage return.
    """

    def __init__(self, source: BinaryIO, bytes_max: int) -> None:
        self._source = source
        self._left = bytes_max
        self._position = 0
        self._line, self._line_bytes = 1, 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        target = memoryview(buffer).cast("B")
        part = self._source.read(min(len(target), self._left, LINE_BYTES_MAX))
        target[: len(part)] = part
        self._left -= len(part)
        self._position += len(part)
        self._measure(part)
        return len(part)

    def _measure(self, part: bytes) -> None:
        end = max(part.rfind(b"\n"), part.rfind(b"\r"))
        first = end if end < 0 else min(place for place in (part.find(b"\n"), part.find(b"\r")) if place >= 0)
        if self._line_bytes + (first if first >= 0 else len(part)) > LINE_BYTES_MAX:
            raise FileError(f"line {self._line:,} is longer than {LINE_BYTES_MAX:,} bytes")
        self._line += part.count(b"\n") or part.count(b"\r")
        self._line_bytes = len(part) - end - 1 if end >= 0 else self._line_bytes + len(part)
