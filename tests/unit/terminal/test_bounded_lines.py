"""A line of any length that somebody uploads is refused with its number, before more of it is held."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.terminal import bounded_lines
from sync.terminal.bounded_lines import LINE_BYTES_MAX, BoundedLines
from sync.terminal.csv_file import FileError


def read(content: bytes, bytes_max: int = 1 << 30) -> bytes:
    return io.BufferedReader(BoundedLines(io.BytesIO(content), bytes_max)).read()


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("before", [0, 2])
def test_a_line_that_is_too_long_is_named_whatever_ends_the_lines(end: bytes, before: int) -> None:
    lines = [b"short"] * before
    whole = end.join([*lines, b"x" * LINE_BYTES_MAX, b"short", b""])
    assert read(whole) == whole
    with pytest.raises(FileError, match=f"^line {before + 1} is longer than 262,144 bytes$"):
        read(end.join([*lines, b"x" * (LINE_BYTES_MAX + 1), b"short", b""]))
    with pytest.raises(FileError, match=f"^line {before + 1} is longer"):
        read(end.join([*lines, b"x" * 1024 * 1024]))


@given(st.lists(st.integers(0, 30), max_size=8), st.integers(1, 40))
def test_lines_are_measured_alike_in_whatever_pieces_they_come(lengths: list[int], piece: int) -> None:
    content = b"".join(b"x" * length + b"\n" for length in lengths)
    source = BoundedLines(io.BytesIO(content), len(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded_lines, "LINE_BYTES_MAX", 20)
        too_long = next((number for number, length in enumerate(lengths, 1) if length > 20), None)
        read_of_it, error = b"", None
        try:
            while part := source.read(piece):
                read_of_it += part
        except FileError as refusal:
            error = str(refusal)
    assert (error is None) == (too_long is None)
    assert error is None or error.startswith(f"line {too_long} ")
    assert error is not None or read_of_it == content


def test_no_more_is_read_than_was_asked_for_and_its_position_is_known() -> None:
    source = BoundedLines(io.BytesIO(b"a\nb\nc\n"), 4)
    reader = io.BufferedReader(source)
    assert (reader.read(3), reader.tell()) == (b"a\nb", 3)
    assert (reader.read(), source.tell()) == (b"\n", 4)
