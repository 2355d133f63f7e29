"""How long a worker lets events gather."""

import pytest

from sync.pace import PACE_SECONDS, pause_seconds


def test_under_load_batches_begin_a_fixed_time_apart() -> None:
    for events in (200, 500, 999):
        pause = pause_seconds(events, 1000, gathered_seconds=0.1, taken_seconds=0.03)
        assert pause == pytest.approx(PACE_SECONDS - 0.03)


def test_a_batch_that_took_longer_than_that_is_followed_at_once() -> None:
    assert pause_seconds(500, 1000, gathered_seconds=0.1, taken_seconds=PACE_SECONDS + 1) == 0


@pytest.mark.parametrize(
    ("events", "gathered_seconds"), [(1, 0.0), (19, 0.0), (19, 0.01), (39, 0.02), (100, 0.1), (199, 0.1), (999, 3600)]
)
def test_below_two_thousand_events_a_second_nothing_waits(events: int, gathered_seconds: float) -> None:
    assert pause_seconds(events, 1000, gathered_seconds=gathered_seconds, taken_seconds=0) == 0


@pytest.mark.parametrize("events", [1000, 1199])
def test_nothing_waits_behind_a_full_batch(events: int) -> None:
    assert pause_seconds(events, 1000, gathered_seconds=0.1, taken_seconds=0) == 0


def test_a_batch_that_is_full_with_few_events_makes_nothing_wait() -> None:
    assert pause_seconds(50, 50, gathered_seconds=0.01, taken_seconds=0) == 0
