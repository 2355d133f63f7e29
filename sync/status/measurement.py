"""Measures everything, once for all who show it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Engine

from sync.queue.connection import OpenQueue
from sync.status.in_database import ReadLatency, latency_now, measure_database
from sync.status.in_redis import measure_redis
from sync.status.numbers import Numbers
from sync.suppression import Lookup


def measure(
    engine: Engine,
    queue: OpenQueue,
    *,
    default_region: str,
    secrets: Sequence[bytes] | None = None,
    read_latency: ReadLatency = latency_now,
    has_opt_outs: bool = True,
    has_outages: bool = True,
) -> Numbers:
    """Return all numbers now, as `measure_database` takes its part. Raises nothing for a store that is away."""
    freshness = Lookup(engine, queue, default_region=default_region).freshness()
    redis = measure_redis(queue, secrets=secrets)
    database = measure_database(engine, read_latency=read_latency, has_opt_outs=has_opt_outs, has_outages=has_outages)
    return Numbers(looked_at=datetime.now(UTC), freshness=freshness, redis=redis, database=database)
