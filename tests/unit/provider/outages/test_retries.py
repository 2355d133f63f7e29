"""Which events are lost: tried by hand, minute by minute, beside what the intervals say."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sync.provider.outages.losses import KnownOutage, Loss, losses
from sync.provider.outages.retries import Interval, RetrySchedule

START = datetime(2026, 6, 24, 10, tzinfo=UTC)
LATER = START + timedelta(days=1)
SCHEDULE = RetrySchedule()


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def outage(began: float, ended: float | None) -> KnownOutage:
    ended_at = None if ended is None else at(ended)
    return KnownOutage(number=1, began_at=at(began), ended_at=ended_at, kind="no_process")


def last_loss(*outages: KnownOutage, now: datetime = LATER) -> Loss:
    return losses(outages, now, SCHEDULE)[-1]


def apart(numbers: list[float]) -> list[KnownOutage]:
    """Outages between every second pair of these minutes."""
    ordered = sorted(numbers)
    return [outage(began, ended) for began, ended in zip(ordered[::2], ordered[1::2], strict=False)]


outages_of_an_evening = st.lists(st.floats(0, 200), min_size=2, max_size=12, unique=True).map(apart)


def is_inside(time: datetime, intervals: list[Interval]) -> bool:
    return any(began < time < ended for began, ended in intervals)


def is_near_a_bound(time: datetime, intervals: list[Interval]) -> bool:
    return any(abs(time - bound) < timedelta(seconds=1) for interval in intervals for bound in interval)


@given(outages_of_an_evening, st.floats(-10, 250))
def test_an_event_is_lost_if_each_of_its_tries_falls_into_an_outage(outages: list[KnownOutage], minute: float) -> None:
    down = [(outage.began_at, outage.ended_at or LATER) for outage in outages]
    tries = [at(minute + after) for after in (0, 1, 6, 36)]
    surely = [window for loss in losses(outages, LATER, SCHEDULE) for window in loss.surely]
    if not any(is_near_a_bound(time, [*down, *surely]) for time in tries):
        assert is_inside(at(minute), surely) == all(is_inside(time, down) for time in tries)


@given(outages_of_an_evening, st.floats(-10, 250), st.tuples(*[st.floats(-0.05, 0.05)] * 3), st.floats(0, 10))
def test_an_event_that_zexa_tried_somewhat_sooner_or_later_is_lost_within_what_is_said(
    outages: list[KnownOutage], minute: float, shares: tuple[float, ...], waited_seconds: float
) -> None:
    down = [(outage.began_at, outage.ended_at or LATER) for outage in outages]
    waits = [number * waited_seconds / 60 for number in (1, 2, 3)]
    offsets = [after * (1 + share) + wait for after, share, wait in zip((1, 6, 36), shares, waits, strict=True)]
    tries = [at(minute), *(at(minute + offset) for offset in offsets)]
    perhaps = [window for loss in losses(outages, LATER, SCHEDULE) for window in loss.perhaps]
    if all(is_inside(time, down) for time in tries):
        assert any(began <= at(minute) <= ended for began, ended in perhaps)


def test_the_last_try_comes_36_minutes_after_the_first() -> None:
    assert last_loss(outage(2, 51)).surely == [(at(2), at(15))]
    assert last_loss(outage(2, 37)).surely == []
    assert last_loss(outage(2, 30)).perhaps == []


def test_the_set_that_may_be_lost_is_less_than_twice_the_set_that_is() -> None:
    loss = last_loss(outage(0, 40))
    ((_, surely),), ((_, perhaps),) = loss.surely, loss.perhaps
    assert timedelta() < perhaps - surely < surely - at(0)


def test_what_an_outage_that_lasts_has_cost_grows_with_it() -> None:
    assert last_loss(outage(0, None), now=at(30)).perhaps == []
    assert last_loss(outage(0, None), now=at(40)).surely == [(at(0), at(4))]


def test_two_short_outages_may_lose_together_what_neither_loses_alone() -> None:
    early, late = outage(0, 20), outage(30, 50)
    assert last_loss(early).perhaps == last_loss(late).perhaps == []
    assert [loss.surely for loss in losses([late, early], LATER, SCHEDULE)] == [[], [(at(0), at(14))]]


def test_another_schedule_is_taken_as_it_is_given() -> None:
    scaled = RetrySchedule(pauses=(timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=30)))
    ((began, ended),) = losses([outage(0, 1)], LATER, scaled)[0].surely
    assert (began, ended) == (at(0), at(1) - timedelta(seconds=36))
