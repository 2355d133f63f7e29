"""How far a campaign had come when: no message is left out of its steps, and there are few of them."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.reports.progress import STEPS_MAX, CampaignProgress, Counts, progress_of

LUANDA = ZoneInfo("Africa/Luanda")
TEN = datetime(2026, 6, 24, 10, tzinfo=UTC)
SECONDS = st.integers(0, 10**9) | st.integers(0, 10_000)
COUNT = st.integers(0, 1000)
ENDED = st.lists(st.tuples(SECONDS, st.tuples(COUNT, COUNT, COUNT)), max_size=30)


@given(ended=ENDED, least=st.sampled_from([timedelta(seconds=10), timedelta(minutes=15)]))
def test_every_message_is_in_one_step_and_all_are_in_the_last(
    ended: list[tuple[int, Counts]], least: timedelta
) -> None:
    ended_at = [(TEN + timedelta(seconds=seconds), counts) for seconds, counts in ended]
    progress = progress_of(ended_at, since=TEN, least=least, zone=LUANDA)
    total = tuple(sum(counts[place] for _, counts in ended_at) for place in range(3))
    assert len(progress.steps) <= STEPS_MAX
    assert progress.interval >= least
    if not any(total):
        assert progress.steps == ()
        return
    assert progress.steps[-1].so_far == total
    assert progress.steps[0].begins_at <= TEN
    each_is_in_its_step(progress, ended_at)


def each_is_in_its_step(progress: CampaignProgress, ended_at: list[tuple[datetime, Counts]]) -> None:
    for earlier, later in pairwise(progress.steps):
        assert earlier.begins_at < earlier.ends_at == later.begins_at
    for step in progress.steps:
        within = [counts for at, counts in ended_at if step.begins_at <= at < step.ends_at]
        assert step.counts == tuple(sum(counts[place] for counts in within) for place in range(3))


@pytest.mark.parametrize("minutes", [4, 50, 90, 300, 600, 1800, 6000])
@pytest.mark.parametrize("turn", [datetime(2026, 10, 25, 1, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)])
def test_every_message_is_in_its_step_when_clocks_change(turn: datetime, minutes: int) -> None:
    begin = turn - timedelta(minutes=minutes / 3)
    ended_at: list[tuple[datetime, Counts]] = [
        (begin + timedelta(minutes=minutes * place / 60), (1, 0, 0)) for place in range(61)
    ]
    progress = progress_of(ended_at, since=begin, least=timedelta(seconds=10), zone=ZoneInfo("Europe/Lisbon"))
    assert len(progress.steps) <= STEPS_MAX
    each_is_in_its_step(progress, ended_at)


@pytest.mark.parametrize(
    ("length", "interval"),
    [
        (timedelta(minutes=4), timedelta(seconds=10)),
        (timedelta(minutes=50), timedelta(minutes=5)),
        (timedelta(hours=30), timedelta(hours=1)),
        (timedelta(days=5), timedelta(hours=6)),
        (timedelta(days=20), timedelta(days=1)),
    ],
)
def test_the_interval_is_chosen_by_the_length(length: timedelta, interval: timedelta) -> None:
    ended_at = [(TEN, (1, 0, 0)), (TEN + length, (0, 1, 0))]
    assert progress_of(ended_at, since=None, least=timedelta(seconds=10), zone=LUANDA).interval == interval


def test_steps_of_a_day_begin_at_midnight_of_the_zone_and_nine_of_ten_are_reached_in_time() -> None:
    ended_at = [(TEN + timedelta(days=day), (3, 0, 0)) for day in range(30)]
    progress = progress_of(ended_at, since=TEN, least=timedelta(minutes=15), zone=LUANDA)
    assert {step.begins_at.astimezone(LUANDA).hour for step in progress.steps} == {0}
    reached = progress.reached(0.9)
    assert reached is not None
    assert sum(reached.so_far) == 81
