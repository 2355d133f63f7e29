"""How long it usually is, in each hour of the week, until the next delivery comes. Pure.

The usual gap of an hour is the longest of that hour of the week in the weeks before. A gap counts for every hour that
it touches. Hours are numbered from 1970, and gaps are as exact as the seconds in which deliveries were received.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

HOUR_SECONDS = 3600
HOURS_OF_WEEK = 168
# How far back hours count: long enough for the weeks to differ, short enough to forget an outage.
WEEKS_MAX = 8
WEEKS_MIN = 2
# An hour with fewer deliveries a week says little by itself.
DELIVERIES_MIN = 50
# Each hour looks at its neighbours, for traffic does not change on the hour. And the longest of many gaps varies: by
# itself, twice that of two weeks would be exceeded by chance in every third fortnight.
NEIGHBOURS_MIN = 1
# A silence this many times as long as the usual gap is one.
SILENT_FACTOR = 2
# However hours differ, a silence is noticed within this many times the usual gap of the hour in which it begins.
NOTICED_FACTOR = 3


class Hour(NamedTuple):
    """Of one hour: in how many seconds deliveries came, the first and the last of these, and the longest gap between.

    Seconds are numbered from the beginning of the hour.
    """

    deliveries: int
    first: int
    last: int
    gap_seconds: int


def hour_of(bitmap: bytes) -> Hour | None:
    """Return the hour whose seconds with deliveries are the bits that are set, as Redis numbers them; None if none."""
    bits = int.from_bytes(bitmap, "big")
    size = len(bitmap) * 8
    text = f"{bits:0{size}b}" if size else ""
    seconds = [place for place, bit in enumerate(text) if bit == "1"]
    if not seconds:
        return None
    gap = max((later - earlier for earlier, later in pairwise(seconds)), default=0)
    return Hour(len(seconds), seconds[0], seconds[-1], gap)


def usual_gaps(hours: Mapping[int, Hour], current_hour: int) -> dict[int, float]:
    """Return the usual gap of each hour of the week in seconds; nothing until two weeks are known.

    `hours` are those with deliveries, of which those before `current_hour` count. An hour with too few deliveries
    borrows its neighbours' until there are enough, beyond the two that every hour looks at.
    """
    past = {hour: counted for hour, counted in hours.items() if hour < current_hour}
    first = max(min(past, default=current_hour), current_hour - WEEKS_MAX * HOURS_OF_WEEK)
    if current_hour - first < WEEKS_MIN * HOURS_OF_WEEK:
        return {}
    longest = _longest_gaps(past)
    gaps = [0.0] * HOURS_OF_WEEK
    deliveries = [0] * HOURS_OF_WEEK
    for hour in range(first, current_hour):
        place = hour % HOURS_OF_WEEK
        gaps[place] = max(gaps[place], longest.get(hour, 0.0))
        deliveries[place] += past[hour].deliveries if hour in past else 0
    enough = DELIVERIES_MIN * (current_hour - first) / HOURS_OF_WEEK
    return {place: _borrowed(place, gaps, deliveries, enough) for place in range(HOURS_OF_WEEK)}


def usual_gap_now(gaps: Mapping[int, float], now: float, last_delivery: float | None) -> float | None:
    """Return the usual gap by which a silence at `now` is judged, both in epoch seconds; None if it is not known.

    It is the longer of this hour's gap and that of the last delivery's hour. So the end of a busy evening is not judged
    by the evening alone. But within any hour a silence counts at most three times that hour's gap.
    """
    last = now if last_delivery is None else min(last_delivery, now)
    hours = range(int(last) // HOUR_SECONDS, int(now) // HOUR_SECONDS + 1)[:HOURS_OF_WEEK]
    try:
        longer = max(gaps[hour % HOURS_OF_WEEK] for hour in (hours[0], hours[-1]))
        bounds = [max(0.0, hour * HOUR_SECONDS - last) + NOTICED_FACTOR * gaps[hour % HOURS_OF_WEEK] for hour in hours]
    except KeyError:
        return None
    return min(longer, min(bounds) / SILENT_FACTOR)


def _longest_gaps(hours: Mapping[int, Hour]) -> dict[int, float]:
    """Return the longest gap that touches each hour from the first delivery to the last one."""
    longest = {hour: float(counted.gap_seconds) for hour, counted in hours.items()}
    for earlier, later in pairwise(sorted(hours)):
        begin = earlier * HOUR_SECONDS + hours[earlier].last
        gap = float(later * HOUR_SECONDS + hours[later].first - begin)
        for hour in range(earlier, later + 1):
            longest[hour] = max(longest.get(hour, 0.0), gap)
    return longest


def _borrowed(place: int, gaps: list[float], deliveries: list[int], enough: float) -> float:
    gap, count = gaps[place], deliveries[place]
    for far in range(1, HOURS_OF_WEEK // 2):
        if far > NEIGHBOURS_MIN and count >= enough:
            break
        for neighbour in (place - far, place + far):
            gap = max(gap, gaps[neighbour % HOURS_OF_WEEK])
            count += deliveries[neighbour % HOURS_OF_WEEK]
    return gap
