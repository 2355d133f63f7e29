"""Measurements of this system in Prometheus' text format: numbers alone, nothing of a person."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from math import inf

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from sync.status import COUNTED_MAX, InDatabase, InRedis, Latency, Numbers

METRICS_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_UP_TO = f", counted up to {COUNTED_MAX}"


def exposition(numbers: Numbers) -> bytes:
    """Return `numbers` as METRICS_TYPE. What could not be measured is left out, but staleness is +Inf then."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(numbers))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def collect(self) -> Iterable[Metric]:
        numbers = self._numbers
        yield _staleness(numbers)
        if redis := numbers.redis:
            yield from _counters(redis)
            yield from _traffic(redis)
            yield from _work(numbers.looked_at, redis)
        if database := numbers.database:
            yield from _database(database)


def _staleness(numbers: Numbers) -> Metric:
    family = GaugeMetricFamily(
        "zexa_opt_outs_staleness_seconds",
        "Seconds since the time up to which every acknowledged opt-out is reflected, +Inf if a store does not "
        "answer; held_by says where an older one waits, or which store does not answer.",
        labels=["held_by"],
    )
    staleness = numbers.staleness_seconds
    family.add_metric([numbers.freshness.held_by or ""], inf if staleness is None else staleness)
    return family


def _counters(redis: InRedis) -> Iterator[Metric]:
    totals = redis.totals
    yield _counter("zexa_deliveries", "Deliveries by the code of the answer.", "code", totals.deliveries)
    yield _counter("zexa_deliveries_refused", "Deliveries that were refused, by reason.", "reason", totals.refused)
    yield _counter("zexa_events_applied", "Events by what became of them.", "outcome", totals.events)
    yield CounterMetricFamily("zexa_conflicts", "Messages that turned `conflict`.", value=totals.conflicts)
    yield CounterMetricFamily(
        "zexa_late_events", "Events applied after a greater fact of their message.", value=totals.late_events
    )
    yield CounterMetricFamily(
        "zexa_reconciled_events",
        "Messages that got their final status by asking the provider: their events were lost.",
        value=totals.reconciled,
    )
    yield HistogramMetricFamily(
        "zexa_apply_lag_seconds",
        "From received to applied.",
        buckets=[("+Inf" if bound == inf else str(bound), float(count)) for bound, count in totals.lag.buckets],
        sum_value=totals.lag.sum_seconds,
    )


def _traffic(redis: InRedis) -> Iterator[Metric]:
    yield from _gauge(
        "zexa_last_delivery_timestamp_seconds",
        "When the last delivery was accepted that is no probe and no test event.",
        _timestamp(redis.last_counted_at),
    )
    yield from _gauge(
        "zexa_usual_gap_seconds",
        "The usual gap between deliveries at this hour; a silence of more than twice that is one.",
        redis.usual_gap_seconds,
    )
    family = GaugeMetricFamily(
        "zexa_secret_last_matched_timestamp_seconds",
        "When a delivery was signed last with this secret, by its position in ZEXA_WEBHOOK_SECRET.",
        labels=["secret"],
    )
    for secret in redis.secrets or ():
        if secret.matched_at is not None:
            family.add_metric([str(secret.position)], secret.matched_at.timestamp())
    yield family


def _work(now: datetime, redis: InRedis) -> Iterator[Metric]:
    oldest, seen = redis.oldest_waiting_at, redis.workers.latest
    yield from _gauge("zexa_queue_jobs", "Jobs that wait in the queue.", redis.queue_jobs)
    yield from _gauge(
        "zexa_queue_oldest_age_seconds",
        "How long ago the oldest event was received that waits in a job, 0 if none waits.",
        max(0.0, (now - oldest).total_seconds()) if oldest else 0.0,
    )
    yield from _gauge("zexa_failed_jobs", "Jobs that failed and wait for a person.", redis.failed_jobs)
    yield from _gauge("zexa_workers", "Workers seen within the last minute.", redis.workers.running(now))
    yield from _gauge(
        "zexa_worker_heartbeat_age_seconds",
        "How long ago any worker was seen last.",
        max(0.0, (now - seen).total_seconds()) if seen else None,
    )


def _database(database: InDatabase) -> Iterator[Metric]:
    yield from _gauge(
        "zexa_dead_letters_unresolved", f"Dead letters that wait for a person{_UP_TO}.", database.dead_letters
    )
    yield from _gauge("zexa_inbox_rows", f"Events that wait in the inbox{_UP_TO}.", database.inbox_rows)
    if database.opt_out_latency:
        yield from _latency(database.opt_out_latency)


def _latency(latency: Latency) -> Iterator[Metric]:
    yield from _gauge(
        "zexa_opt_outs_effective_last_day", "Opt-outs that took effect within the last day.", latency.opt_outs
    )
    family = GaugeMetricFamily(
        "zexa_opt_out_latency_seconds",
        "From receipt until a look-up finds it, of the opt-outs of the last day.",
        labels=["quantile"],
    )
    for quantile, seconds in (("0.5", latency.p50_seconds), ("0.99", latency.p99_seconds)):
        if seconds is not None:
            family.add_metric([quantile], seconds)
    yield family
    yield from _gauge(
        "zexa_opt_outs_within_one_second_ratio",
        "The share of the opt-outs of the last day that took effect within one second.",
        latency.share_within_one_second,
    )


def _timestamp(at: datetime | None) -> float | None:
    return at.timestamp() if at else None


def _counter(name: str, meaning: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


def _gauge(name: str, meaning: str, value: float | None) -> Iterator[Metric]:
    if value is not None:
        yield GaugeMetricFamily(name, meaning, value=value)
