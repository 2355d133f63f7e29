"""Measurements of this system in Prometheus' text format: numbers alone, nothing of a person."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

METRICS_TYPE = CONTENT_TYPE_PLAIN_0_0_4

# What is counted is counted no further, so that no count holds up a delivery.
COUNTED_MAX = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOutLatency:
    """Of the opt-outs that took effect in the last day: how many, and seconds from received to effective."""

    opt_outs: int
    p50_seconds: float | None
    p99_seconds: float | None
    share_within_one_second: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What could be measured; None where the store that knows did not answer.

    `staleness_seconds` is the time since `as_of`, infinite where that is not known; `held_by` says what holds it.
    """

    staleness_seconds: float
    held_by: str | None
    queue_length: int | None
    unresolved_dead_letters: int | None
    inbox_rows: int | None
    latency: OptOutLatency | None


def exposition(measured: Measured) -> bytes:
    """Return `measured` as METRICS_TYPE. What could not be measured is left out, but staleness is +Inf then."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(measured))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, measured: Measured) -> None:
        self._measured = measured

    def collect(self) -> Iterable[Metric]:
        yield self._staleness()
        counts = self._measured
        upto = f", counted up to {COUNTED_MAX}"
        yield from _gauge("zexa_queue_jobs", "Jobs that wait in the queue.", counts.queue_length)
        yield from _gauge(
            "zexa_dead_letters_unresolved",
            f"Dead letters that wait for a person{upto}.",
            counts.unresolved_dead_letters,
        )
        yield from _gauge("zexa_inbox_rows", f"Events that wait in the inbox{upto}.", counts.inbox_rows)
        if counts.latency:
            yield from _latency(counts.latency)

    def _staleness(self) -> Metric:
        measured = self._measured
        family = GaugeMetricFamily(
            "zexa_opt_outs_staleness_seconds",
            "Seconds since the time up to which every acknowledged opt-out is reflected, +Inf where a store does not "
            "answer; held_by says where an older one waits, or which store does not answer.",
            labels=["held_by"],
        )
        family.add_metric([measured.held_by or ""], measured.staleness_seconds)
        return family


def _latency(latency: OptOutLatency) -> Iterator[Metric]:
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


def _gauge(name: str, meaning: str, value: float | None) -> Iterator[Metric]:
    if value is not None:
        yield GaugeMetricFamily(name, meaning, value=value)
