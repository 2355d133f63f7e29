"""How long a worker lets events gather."""

import pytest

from sync.worker.pace import PACE_SECONDS, pause_seconds


@pytest.mark.parametrize("events", [200, 500, 999])
def test_under_full_load_batches_begin_a_fixed_time_apart(events: int) -> None:
    pause = pause_seconds(events, 1000, gathered_seconds=0.1, taken_seconds=0.03)
    assert pause == pytest.approx(PACE_SECONDS - 0.03)


@pytest.mark.parametrize("gathered_seconds", [0.02, 0.1, 3600])
@pytest.mark.parametrize(("events_per_second", "share"), [(1000, 1 / 2), (200, 1 / 10), (1, 1 / 2000)])
def test_with_fewer_events_they_begin_proportionally_sooner(
    events_per_second: int, share: float, gathered_seconds: float
) -> None:
    events = round(events_per_second * gathered_seconds)
    pause = pause_seconds(events, 10**9, gathered_seconds=gathered_seconds, taken_seconds=0)
    expected = share if events else 0
    assert pause == pytest.approx(PACE_SECONDS * expected)


def test_the_rate_stays_what_it_is_however_long_events_gathered() -> None:
    """Or a worker that pauses once would find more the next time, and pause for ever."""
    gathered = 0.001
    for _ in range(20):
        gathered = max(0.004, pause_seconds(int(300 * gathered), 1000, gathered_seconds=gathered, taken_seconds=0))
    assert gathered <= PACE_SECONDS * 300 / 2000


@pytest.mark.parametrize("gathered_seconds", [0.0, 0.001, 0.01])
def test_a_few_events_at_one_moment_are_no_load(gathered_seconds: float) -> None:
    assert pause_seconds(1, 1000, gathered_seconds=gathered_seconds, taken_seconds=0.006) == 0


def test_a_batch_that_took_longer_than_that_is_followed_at_once() -> None:
    assert pause_seconds(500, 1000, gathered_seconds=0.1, taken_seconds=PACE_SECONDS + 1) == 0


@pytest.mark.parametrize("events", [1000, 1199])
def test_nothing_waits_behind_a_full_batch(events: int) -> None:
    assert pause_seconds(events, 1000, gathered_seconds=0.1, taken_seconds=0) == 0


def test_a_batch_that_is_full_with_few_events_makes_nothing_wait() -> None:
    assert pause_seconds(50, 50, gathered_seconds=0.01, taken_seconds=0) == 0
