"""What a file of any content can cost is bounded: no stray quote takes the memory, or the time, of the whole file."""

import csv
import io

import pytest

from sync.terminal import csv_records
from sync.terminal.csv_file import CsvFile, FileError, named, read_csv
from sync.terminal.csv_records import TooManyBrokenRows, next_batch, read_records

# Wherever reading begins, the quote at the end of the line is open at its end.
NEVER_ENDS = 'a","\n'


def test_a_record_of_more_lines_than_may_be_held_costs_its_first_line_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_records, "RECORD_CHARACTERS_MAX", 20)
    lines = ['x,"open\n', *(f"{number}\n" for number in range(12)), '"last line"\n']
    read = [fields for _, _, fields in read_records(iter(lines), ",")]
    assert read == [None, *([str(number)] for number in range(12)), ["last line"]]


def test_a_file_whose_every_row_has_a_stray_quote_is_refused_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_records, "REREAD_CHARACTERS_MAX", 50_000)
    with pytest.raises(TooManyBrokenRows, match="on quotes are so broken"):
        list(read_records(iter([NEVER_ENDS] * 1_000), ","))


def test_many_rows_with_stray_quotes_are_read_if_little_of_the_file_is_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(csv_records, "REREAD_CHARACTERS_MAX", 100)
    lines = ['"Ana,912345678\n', "Rui,923000111\n", "Eva,923000112\n", '"Ana",1\n'] * 500
    read = [fields for _, _, fields in read_records(iter(lines), ",")]
    assert read == [None, ["Rui", "923000111"], ["Eva", "923000112"], ["Ana", "1"]] * 500


def test_a_batch_has_so_many_rows_or_fewer_long_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_records, "BATCH_CHARACTERS_MAX", 20)
    records = read_records(iter(["short\n"] * 3 + ["long " * 10 + "\n"] + ["short\n"] * 2), ",")
    assert [len(next_batch(records, 3)) for _ in range(4)] == [3, 1, 2, 0]


def opened(content: bytes) -> list[list[str]]:
    """The rows of a list in a file that may have no header, the header first, if there is one."""

    def is_number(text: str) -> bool:
        return text.isdigit()

    def rows(file: CsvFile) -> list[list[str]]:
        header = [list(file.header)] if file.header_text else []
        return header + [list(fields or ()) for _, _, fields in file.records]

    with read_csv(
        io.BufferedReader(io.BytesIO(content)),  # type: ignore[arg-type] - it is read in order only
        len(content),
        named("phone"),
        column_text="column of that name",
        is_row=is_number,
    ) as file:
        return rows(file)


def test_a_list_without_a_header_has_a_row_on_each_line() -> None:
    assert opened(b"912345678\r\n923000111\r\n") == [["912345678"], ["923000111"]]
    assert opened(b"\xef\xbb\xbf912345678") == [["912345678"]]
    assert opened("912345678\n923000111\n".encode("utf-16")) == [["912345678"], ["923000111"]]
    assert opened(b"phone\n912345678\n") == [["phone"], ["912345678"]]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"PK\x03\x04\x14\x00", "a workbook, an archive or a document"),
        (b"\x1f\x8b\x08\x00", "a workbook, an archive or a document"),
        (b"\xd0\xcf\x11\xe0\xa1", "a workbook, an archive or a document"),
        ("phone\n912345678\n".encode("utf-16-le"), "NUL characters"),
        (b"\xff\xfep\x00h\x00o\x00n\x00e\x00\n\x00\x00\xd8\x00", "begins as UTF-16 and goes on as something else"),
        (b"", "no column of that name"),
        (b"Ana\n912345678\n", "it has Ana"),
        (b"912345678;Ana\n", "it seems to hold data"),
    ],
)
def test_what_is_no_list_is_refused_in_words(content: bytes, why: str) -> None:
    with pytest.raises(FileError, match=why):
        opened(content)


def test_csvs_own_bound_is_the_one_that_is_documented() -> None:
    assert csv.field_size_limit() == 128 * 1024
