"""Charts are true to their numbers: bars are as long as what they stand for, and axes have round numbers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.console.charts import HEIGHT, TICKS_MAX, WIDTH, axis_ticks, share_bar, stacked_bars

NUMBERS = st.integers(0, 10**9)


@given(most=NUMBERS)
def test_an_axis_reaches_over_the_greatest_number_in_few_even_steps_from_zero(most: int) -> None:
    ticks = axis_ticks(most)
    steps = {upper - lower for upper, lower in pairwise(ticks)}
    assert ticks[0] >= max(most, 1)
    assert ticks[-1] == 0
    assert len(steps) == 1
    assert 2 <= len(ticks) <= TICKS_MAX + 1


@pytest.mark.parametrize(
    ("most", "ticks"),
    [(0, (1, 0)), (3, (3, 2, 1, 0)), (7, (8, 6, 4, 2, 0)), (374, (400, 300, 200, 100, 0))],
)
def test_the_numbers_of_an_axis_are_round(most: int, ticks: tuple[int, ...]) -> None:
    assert axis_ticks(most) == ticks


@given(rows=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=40))
def test_a_bar_is_as_high_as_its_number_and_stands_on_the_one_beneath(rows: list[tuple[int, int, int]]) -> None:
    chart = stacked_bars([[("delivered", a), ("failed", b), ("undeliverable", c)] for a, b, c in rows])
    for row, bar in zip(rows, chart.bars, strict=True):
        assert sum(part.height for part in bar) == pytest.approx(HEIGHT * sum(row) / chart.ticks[0], abs=0.1)
        assert [part.kind for part in bar] == [
            kind for kind, number in zip(("delivered", "failed", "undeliverable"), row, strict=True) if number
        ]
        for lower, upper in pairwise(bar):
            assert upper.y + upper.height == pytest.approx(lower.y, abs=0.2)
        assert all(part.x >= 0 and part.x + part.width <= WIDTH for part in bar)
        assert all(part.y >= -0.1 for part in bar)


def test_a_small_number_is_seen_beside_a_great_one() -> None:
    (great, small) = share_bar([("delivered", 999_999), ("failed", 1)], 1_000_000)
    assert great.width == pytest.approx(WIDTH, abs=0.1)
    assert small.width > 1
    assert share_bar([("delivered", 0)], 0) == ()
