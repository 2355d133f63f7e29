"""A file in parts: whatever pieces it comes in and is read by, it is the same, and no part is too large."""

import io
from itertools import repeat

from hypothesis import given
from hypothesis import strategies as st

from sync.tasks import files
from sync.tasks.files import PART_BYTES, PartsReader, PartsWriter

pieces = st.lists(st.one_of(st.binary(max_size=9), st.integers(1, 2 * PART_BYTES + 1).map(bytes)), max_size=6)


@given(pieces=pieces)
def test_parts_are_full_but_the_last_and_together_are_what_was_given(pieces: list[bytes]) -> None:
    parts = list(files.parts_of(pieces))
    assert b"".join(parts) == b"".join(pieces)
    assert all(len(part) == PART_BYTES for part in parts[:-1])
    assert all(0 < len(part) <= PART_BYTES for part in parts[-1:])


@given(pieces=pieces)
def test_what_is_written_in_pieces_is_handed_on_in_parts_in_order(pieces: list[bytes]) -> None:
    stored_parts: list[bytes] = []
    numbers: list[int] = []
    writer = PartsWriter(lambda number, part: (numbers.append(number), stored_parts.append(part))[1])
    for piece in pieces:
        assert writer.write(piece) == len(piece)
    writer.finish()
    assert stored_parts == list(files.parts_of(pieces))
    assert numbers == list(range(len(stored_parts)))


@given(parts=st.lists(st.binary(min_size=1, max_size=9)), size=st.integers(1, 20))
def test_a_reader_gives_what_the_parts_hold_whatever_is_asked_for_at_once(parts: list[bytes], size: int) -> None:
    stream = io.BufferedReader(PartsReader(iter(parts)), buffer_size=7)
    assert b"".join(iter(lambda: stream.read(size), b"")) == b"".join(parts)


def test_a_reader_takes_no_part_before_it_is_asked_for() -> None:
    taken: list[int] = []
    parts = (taken.append(number) or b"x" * 10 for number in repeat(0))
    stream = PartsReader(parts)
    assert taken == []
    assert stream.read(15) == b"x" * 10
    assert len(taken) == 1
