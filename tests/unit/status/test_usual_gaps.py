"""How long it usually is between deliveries, by the hour of the week, and when a silence is one."""

import math
from bisect import bisect
from functools import cache
from itertools import pairwise
from random import Random

import pytest

from sync.rollups.usual_gaps import (
    HOUR_SECONDS,
    HOURS_OF_WEEK,
    NOTICED_FACTOR,
    SILENT_FACTOR,
    Hour,
    hour_of,
    usual_gap_now,
    usual_gaps,
)

FIRST_HOUR = 2900 * HOURS_OF_WEEK
BUSY = Hour(100, 0, 3599, 60)


def hours_with(deliveries: list[float]) -> dict[int, Hour]:
    """What Redis' bitmaps say of deliveries at these epoch seconds."""
    bitmaps: dict[int, bytearray] = {}
    for at in deliveries:
        hour, second = divmod(int(at), HOUR_SECONDS)
        bitmaps.setdefault(hour, bytearray(HOUR_SECONDS // 8))[second // 8] |= 0x80 >> second % 8
    return {hour: usual for hour, bitmap in bitmaps.items() if (usual := hour_of(bytes(bitmap)))}


def rate(hour: int) -> float:
    """Deliveries an hour: many by day, fewer at weekends, 30 at night."""
    day, time = hour // 24 % 7, hour % 24
    by_day = 400 * max(0.0, math.sin((time - 6) / 14 * math.pi)) if 6 <= time < 20 else 0.0
    return 30 + by_day * (0.4 if day >= 5 else 1)


def traffic(seed: int, weeks: int) -> list[float]:
    random = Random(seed)
    deliveries: list[float] = []
    for hour in range(FIRST_HOUR, FIRST_HOUR + weeks * HOURS_OF_WEEK):
        count = max(20, round(random.gauss(rate(hour), math.sqrt(rate(hour)))))
        deliveries += sorted((hour + random.random()) * HOUR_SECONDS for _ in range(count))
    return deliveries


@pytest.fixture(scope="module")
def month() -> list[float]:
    return traffic(seed=1, weeks=4)


def is_silent(gaps: dict[int, float], now: float, last: float) -> bool:
    usual = usual_gap_now(gaps, now, last)
    assert usual is not None
    return now - last > SILENT_FACTOR * usual


def test_traffic_that_goes_on_is_never_silent(month: list[float]) -> None:
    hours = hours_with(month)
    gaps_at = cache(lambda hour: usual_gaps(hours, hour))
    begin = (FIRST_HOUR + 2 * HOURS_OF_WEEK) * HOUR_SECONDS
    judged = month[bisect(month, begin) :]
    assert len(judged) > 20 * 2 * HOURS_OF_WEEK
    assert not any(
        is_silent(gaps_at(int(later) // HOUR_SECONDS), later, earlier)
        for earlier, later in pairwise(judged)
        if later - earlier > 5
    )


def test_a_cut_is_noticed_within_three_times_the_usual_gap_of_its_hour(month: list[float]) -> None:
    hours, random = hours_with(month), Random(2)
    gaps_at = cache(lambda hour: usual_gaps(hours, hour))
    for _ in range(500):
        cut = (FIRST_HOUR + random.uniform(2, 4) * HOURS_OF_WEEK) * HOUR_SECONDS
        last, hour = month[bisect(month, cut) - 1], int(cut) // HOUR_SECONDS
        gaps = gaps_at(hour)
        assert is_silent(gaps, cut + NOTICED_FACTOR * gaps[hour % HOURS_OF_WEEK] + 1, last)


def test_nothing_is_known_before_two_weeks_are_over() -> None:
    hours = {FIRST_HOUR + hour: BUSY for hour in range(2 * HOURS_OF_WEEK)}
    assert usual_gaps({}, FIRST_HOUR) == {}
    assert usual_gaps(hours, FIRST_HOUR + 2 * HOURS_OF_WEEK - 1) == {}
    assert usual_gaps(hours, FIRST_HOUR + 2 * HOURS_OF_WEEK)[0] == 60
    assert usual_gap_now({}, 0.0, None) is None


def test_the_longest_gap_of_the_hour_counts_and_a_gap_counts_for_every_hour_that_it_touches() -> None:
    hours = {FIRST_HOUR + hour: BUSY for hour in range(2 * HOURS_OF_WEEK)}
    del hours[FIRST_HOUR + 101]
    gaps = usual_gaps(hours, FIRST_HOUR + 2 * HOURS_OF_WEEK)
    silence = HOUR_SECONDS + 1  # from the last second of the hour before to the first of the hour after
    # Each hour looks at its neighbours too.
    assert [gaps[hour] for hour in range(98, 105)] == [60, silence, silence, silence, silence, silence, 60]


def test_an_hour_with_few_deliveries_borrows_its_neighbours_until_there_are_enough() -> None:
    few = Hour(9, 0, 3599, 500)
    hours = {FIRST_HOUR + hour: few for hour in range(2 * HOURS_OF_WEEK)}
    for week in range(2):
        hours[FIRST_HOUR + week * HOURS_OF_WEEK + 103] = Hour(40, 0, 3599, 900)
    gaps = usual_gaps(hours, FIRST_HOUR + 2 * HOURS_OF_WEEK)
    # Hour 100 needs two on each side to have 45, and a third for 50: the one with the longer gap.
    assert (gaps[100], gaps[99]) == (900, 500)


def test_a_long_silence_that_is_not_over_counts_for_no_hour() -> None:
    hours = {FIRST_HOUR + hour: BUSY for hour in range(2 * HOURS_OF_WEEK)}
    gaps = usual_gaps(hours, FIRST_HOUR + 2 * HOURS_OF_WEEK + 5)
    assert max(gaps.values()) == 60


def test_the_end_of_a_busy_evening_is_judged_by_the_night_that_follows() -> None:
    gaps = {22: 60.0, 23: 120.0}
    last = 23 * HOUR_SECONDS - 10.0
    assert usual_gap_now(gaps, last + 5, last) == 60
    assert usual_gap_now(gaps, last + 20, last) == 90  # at most three times the gap of its own hour, for twice this
    assert usual_gap_now({22: 100.0, 23: 120.0}, last + 20, last) == 120


def test_an_hour_is_read_from_its_bitmap() -> None:
    assert hour_of(b"") is None
    assert hour_of(bytes(450)) is None
    assert hour_of(b"\x80") == Hour(1, 0, 0, 0)
    assert hour_of(b"\x01\x00\x01") == Hour(2, 7, 23, 16)
