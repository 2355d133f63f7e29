"""Opens CSV files as people have them: from Excel and databases, with any of four delimiters, with and without BOM.

Excel's own first line `sep=;` is understood, and goes with the header wherever that goes.
"""

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, TextIOWrapper
from itertools import chain, islice
from pathlib import Path

from sync.terminal.csv_cells import columns_text
from sync.terminal.csv_records import Record, TooManyBrokenRows, read_records

DELIMITERS = (",", ";", "\t", "|")
HEADER_LINES_MAX = 100
_DELIMITER_LINE = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE | re.DOTALL)

# The column that a file of invalid rows has beside its own, and what it says of a row without a cell.
REASON_COLUMN = "invalid_reason"
NOT_READABLE = "the row cannot be read or has not the columns of the header"

# Given a header's fields, which of them is meant; None if none is.
Choice = Callable[[Sequence[str]], int | None]


class FileError(Exception):
    """A file cannot be read or written as asked; the text is one line for a person, and quotes no row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How text and bytes become each other, without loss in either direction."""

    mark: bytes
    codec: str
    errors: str

    def encode(self, text: str) -> bytes:
        return text.encode(self.codec, self.errors)


# What is no UTF-8, such as names in the code page of an old system, comes out as it went in.
_UTF8 = Encoding(mark=b"", codec="utf-8", errors="surrogateescape")
_MARKED = (
    Encoding(mark=codecs.BOM_UTF8, codec="utf-8", errors="surrogateescape"),
    Encoding(mark=codecs.BOM_UTF16_LE, codec="utf-16-le", errors="surrogatepass"),
    Encoding(mark=codecs.BOM_UTF16_BE, codec="utf-16-be", errors="surrogatepass"),
)
# What a person may take for a list by its name: Excel's workbooks, archives, and PDF.
_OTHER_FORMATS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"7z\xbc\xaf", b"BZh", b"\xfd7zXZ", b"%PDF")
_START_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFile:
    """An open CSV file behind its header. `column` is the index of the chosen column."""

    encoding: Encoding
    delimiter: str
    header_text: str
    header: Sequence[str]
    column: int
    records: Iterator[Record]
    position: Callable[[], int]  # of the bytes read so far
    bytes: int

    def with_column(self, text: str, value: str) -> str:
        """Return the text of a record with one column more at its end; `value` needs no quotes with any delimiter."""
        if not text:  # the header of a file that has none
            return ""
        content = text.rstrip("\r\n")
        return f"{content}{self.delimiter}{value}{text[len(content) :] or chr(10)}"

    def cell(self, fields: Sequence[str] | None) -> str | None:
        """Return the chosen column of a record, or None if it cannot be determined.

        With more fields than the header has, something such as a delimiter without quotes has moved them.
        """
        if fields is None or len(fields) <= self.column:
            return None
        if len(fields) > len(self.header) and any(map(str.strip, fields[len(self.header) :])):
            return None
        return fields[self.column]


@contextmanager
def opened_csv(path: Path, choose: Choice, *, column_text: str, delimiter: str | None = None) -> Iterator[CsvFile]:
    """Open `path`; raise FileError if it cannot be read, or has no header with the column that `choose` takes.

    `column_text` says which column is looked for. Without a given delimiter, a first line such as `sep=;` decides.
    Without such a line, it is the delimiter with which the header has that column.
    """
    with (
        path.open("rb") as binary,
        read_csv(binary, path.stat().st_size, choose, column_text=column_text, delimiter=delimiter) as file,
    ):
        yield file


@contextmanager
def read_csv(
    binary: BufferedReader,
    size: int,
    choose: Choice,
    *,
    column_text: str,
    delimiter: str | None = None,
    is_row: Callable[[str], bool] | None = None,
) -> Iterator[CsvFile]:
    """Read `binary`, of `size` bytes, as `opened_csv` does a file.

    If `is_row` holds for the first line, and no column is found, the file is taken for one without a header. Then each
    line is a row with the one column that is meant.
    """
    start = binary.peek(_START_BYTES)
    if start.startswith(_OTHER_FORMATS):
        raise FileError("the file is a workbook, an archive or a document: save the sheet as CSV in UTF-8 instead")
    encoding = next((candidate for candidate in _MARKED if start.startswith(candidate.mark)), _UTF8)
    binary.read(len(encoding.mark))
    lines = TextIOWrapper(binary, encoding.codec, encoding.errors, newline="")
    try:
        head = list(islice(lines, HEADER_LINES_MAX))
        delimiter, text, header, column = _header(head, choose, column_text, delimiter, is_row)
        lines_taken = _lines_taken(head, text)
        yield CsvFile(
            encoding=encoding,
            delimiter=delimiter,
            header_text=text,
            header=header,
            column=column,
            records=read_records(chain(head[lines_taken:], lines), delimiter, line=lines_taken + 1),
            position=binary.tell,
            bytes=size,
        )
    except UnicodeDecodeError:
        raise FileError("the file begins as UTF-16 and goes on as something else") from None
    except TooManyBrokenRows as error:
        raise FileError(str(error)) from None
    finally:
        lines.detach()  # it is its owner's to close


def _lines_taken(head: list[str], header_text: str) -> int:
    lines_taken = characters = 0
    while characters < len(header_text):
        characters += len(head[lines_taken])
        lines_taken += 1
    return lines_taken


def _header(
    head: list[str], choose: Choice, column_text: str, delimiter: str | None, is_row: Callable[[str], bool] | None
) -> tuple[str, str, Sequence[str], int]:
    """Return the delimiter, the header's text and fields, and the index of the column."""
    named_line, named_delimiter = _delimiter_line(head)
    rows, matches = [], []
    certain = delimiter or named_delimiter
    for candidate in (certain,) if certain else DELIMITERS:
        _, text, fields = next(read_records(iter(head[len(named_line) :]), candidate), (1, "", None))
        rows.append(fields or ())
        if fields and (column := choose(fields)) is not None:
            matches.append((candidate, "".join(named_line) + text, fields, column))
    if not matches and head and is_row and is_row(head[0].strip()):
        return certain or DELIMITERS[0], "", ("",), 0
    if not matches:
        if head and "\0" in head[0]:
            raise FileError("the file's first line holds NUL characters: save the list as CSV in UTF-8")
        raise FileError(f"the file's first row has no {column_text}{columns_text(max(rows, key=len))}")
    # A file of one column looks alike with any delimiter.
    return max(matches, key=lambda match: len(match[2]))


def _delimiter_line(head: Sequence[str]) -> tuple[Sequence[str], str | None]:
    """Return the line that names the delimiter for Excel, if the file begins with one, and the delimiter."""
    named = _DELIMITER_LINE.fullmatch(head[0]) if head else None
    if named is None:
        return [], None
    if named[1] not in DELIMITERS:
        raise FileError("the file's first line names a delimiter that is none of , ; tab |")
    return head[:1], named[1]


def named(name: str) -> Choice:
    """Return the choice of the column `name`; if none is spelled exactly so, in upper or lower case.

    It raises FileError if several columns are.
    """
    return lambda fields: _only_index(fields, [name])


def named_one_of(names: Sequence[str], *, advice: str = "name one with --column, one import for each") -> Choice:
    """Return the choice of the column with one of `names`, in any case; it raises FileError if several are columns.

    The error gives `advice`. To take one of them in silence would leave out the people who stand in the others only.
    """

    def choose(fields: Sequence[str]) -> int | None:
        matches = {name: index for name in names if (index := _only_index(fields, [name])) is not None}
        if len(matches) > 1:
            raise FileError(f"the file has the columns {', '.join(matches)}: {advice}")
        return next(iter(matches.values()), None)

    return choose


def _only_index(fields: Sequence[str], names: Sequence[str]) -> int | None:
    plain = [field.strip() for field in fields]
    exact = [index for index, field in enumerate(plain) if field in names]
    folded = {name.casefold() for name in names}
    matches = exact or [index for index, field in enumerate(plain) if field.casefold() in folded]
    if len(matches) > 1:
        raise FileError("the file's first row has this column more than once")
    return matches[0] if matches else None
