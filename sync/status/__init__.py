"""What is measured, once, for all who show it: `status`, `doctor`, `/metrics`."""

from sync.status.in_database import COUNTED_MAX, latency_now, measure_database
from sync.status.in_redis import measure_redis
from sync.status.measurement import measure
from sync.status.numbers import (
    CLOCK_SECONDS_MAX,
    SEEN_WITHIN,
    InDatabase,
    InRedis,
    Lag,
    LastHour,
    Numbers,
    ProcessesSeen,
    ProcessSeen,
    SecretUse,
    Totals,
)
from sync.status.opt_out_latency import Latency, latency

__all__ = [
    "CLOCK_SECONDS_MAX",
    "COUNTED_MAX",
    "SEEN_WITHIN",
    "InDatabase",
    "InRedis",
    "Lag",
    "LastHour",
    "Latency",
    "Numbers",
    "ProcessSeen",
    "ProcessesSeen",
    "SecretUse",
    "Totals",
    "latency",
    "latency_now",
    "measure",
    "measure_database",
    "measure_redis",
]
