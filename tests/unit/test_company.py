"""How long look-ups wait for each other."""

import pytest

from receiver.company import COUNTED_SECONDS_MIN, FULL_LOAD_DELIVERIES_PER_SECOND, WAIT_SECONDS, Company


class Process:
    """A clock, and deliveries that come by it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.deliveries = 5
        self.company = Company(lambda: self.deliveries, lambda: self.now)

    def passes(self, seconds: float, deliveries: float) -> float:
        self.now += seconds
        self.deliveries += round(deliveries)
        return self.company.wait_seconds()


@pytest.fixture
def process() -> Process:
    return Process()


def test_where_no_delivery_comes_nobody_waits(process: Process) -> None:
    assert [process.passes(seconds, 0) for seconds in (0, 0.001, 1, 3600)] == [0] * 4


@pytest.mark.parametrize("share", [0.1, 0.5, 1])
@pytest.mark.parametrize("seconds", [1, 60])
def test_the_more_deliveries_come_the_longer_they_wait(process: Process, share: float, seconds: float) -> None:
    waited = process.passes(seconds, share * FULL_LOAD_DELIVERIES_PER_SECOND * seconds)
    assert waited == pytest.approx(WAIT_SECONDS * share)


def test_no_load_makes_them_wait_longer_than_full_load(process: Process) -> None:
    assert process.passes(1, 100 * FULL_LOAD_DELIVERIES_PER_SECOND) == WAIT_SECONDS


def test_a_few_that_come_together_are_no_load(process: Process) -> None:
    assert process.passes(COUNTED_SECONDS_MIN / 2, 50) == 0
    # They count once enough time has passed.
    per_second = 50 / (1.5 * COUNTED_SECONDS_MIN)
    expected = WAIT_SECONDS * per_second / FULL_LOAD_DELIVERIES_PER_SECOND
    assert process.passes(COUNTED_SECONDS_MIN, 0) == pytest.approx(expected)


def test_when_deliveries_end_so_does_the_waiting(process: Process) -> None:
    assert process.passes(1, FULL_LOAD_DELIVERIES_PER_SECOND) == WAIT_SECONDS
    assert process.passes(COUNTED_SECONDS_MIN / 2, 0) == WAIT_SECONDS
    assert process.passes(COUNTED_SECONDS_MIN, 0) < WAIT_SECONDS
    assert process.passes(1, 0) == 0
