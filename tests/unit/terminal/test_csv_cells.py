"""Cells of CSV files: no spreadsheet runs one, each comes back as it was, and no message quotes somebody's data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.terminal.csv_cells import as_it_was, columns_text, defused


@pytest.mark.parametrize(
    "cell",
    ['=HYPERLINK("http://x")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\tx", "\rx", "\nx", "\uff1d1", "@U12345"],
)
def test_what_a_spreadsheet_takes_for_a_formula_begins_with_an_apostrophe(cell: str) -> None:
    assert defused(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell", ["+244912345678", "", "ZEXA", "ana@example.com", "2026-06-24T10:05:00Z", "'", "it's", "a=b"]
)
def test_any_other_cell_stays_as_it_is(cell: str) -> None:
    assert defused(cell) == as_it_was(cell) == cell


@given(st.text(st.sampled_from("'=+-@\t\r\n1a \uff1d")) | st.text())
def test_a_cell_comes_back_as_it_was(cell: str) -> None:
    assert as_it_was(defused(cell)) == cell


def test_the_columns_of_a_header_are_named_and_escaped_and_cut() -> None:
    assert columns_text([" name ", "\x1b[2Jphone", "a" * 50]) == f"; it has name, \\x1b[2Jphone, {'a' * 40}"
    assert columns_text(list("abcdefghijklmnopqrstuvw")).endswith("s, t and 3 more")
    assert columns_text([]) == columns_text(["", " "]) == ""


@pytest.mark.parametrize("row", [["Ana", "912345678"], ["Ana", "912 345 678"], ["ana@example.com"], ["(1) 2-3/4.5"]])
def test_a_first_row_of_data_is_not_quoted(row: list[str]) -> None:
    assert columns_text(row) == ": it seems to hold data, not the names of columns"
