"""The simulator's figures: percentiles within 1%, in a size that does not grow."""

import math
from random import Random

import pytest

from sync.devtools.simulate.counts import Latencies


@pytest.mark.parametrize("percent", [50, 90, 99])
def test_a_percentile_is_never_too_low_and_at_most_one_percent_too_high(percent: int):
    random = Random(1)
    seconds = sorted(random.lognormvariate(-5, 1) for _ in range(10_001))
    latencies = Latencies()
    for value in seconds:
        latencies.add(value)
    exact = seconds[math.ceil(len(seconds) * percent / 100) - 1]
    assert exact <= latencies.percentile_seconds(percent) <= exact * 1.0101
    assert latencies.seconds_max == seconds[-1]


def test_no_percentile_exceeds_the_longest_latency():
    latencies = Latencies()
    latencies.add(0.0123)
    assert latencies.percentile_seconds(99) == 0.0123


def test_there_is_no_percentile_of_nothing():
    assert Latencies().percentile_seconds(50) is None
