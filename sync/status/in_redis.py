"""What Redis knows of this system, as numbers. Reads only."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from math import inf

from sync.provider.outages.in_redis import REACHABLE
from sync.queue.connection import OpenQueue, QueueUnavailable
from sync.queue.counted import CountsInRedis, read_counts
from sync.queue.counts import (
    CODES,
    LAG_BOUNDS,
    LAG_SUM,
    OUTCOMES,
    QUICK_COPIES,
    QUICK_COPIES_SUM,
    REASONS,
    RECONCILED,
    REHEARSALS,
    SECRET_PREFIX,
    TRAFFIC,
    fingerprint,
    lag_field,
)
from sync.queue.waiting import read_waiting
from sync.rollups.usual_gaps import usual_gap_now
from sync.status.numbers import InRedis, Lag, LastHour, ProcessesSeen, ProcessSeen, SecretUse, Totals

MICROSECONDS = 1_000_000


def measure_redis(queue: OpenQueue, *, secrets: Sequence[bytes] | None = None) -> InRedis | None:
    """Return what Redis knows, None if it does not answer. `secrets` are those of `web`, if this process knows them."""
    try:
        counts, oldest = read_counts(queue), read_waiting(queue).oldest
    except (QueueUnavailable, ValueError):  # ValueError: a name that no name server would be asked for
        return None
    last = _last_traffic(counts.latest, is_waiting=oldest is not None)
    return InRedis(
        queue_jobs=counts.queue_jobs,
        failed_jobs=counts.failed_jobs,
        oldest_waiting_at=oldest,
        workers=_processes(counts.workers, counts.latest.get("worker")),
        web=_processes(counts.web, counts.latest.get("web")),
        totals=_totals(counts),
        last_hour=_last_hour(counts.last_hour),
        last_delivery_at=_time(counts.latest.get("delivery")),
        last_counted_at=_time(last),
        usual_gap_seconds=usual_gap_now(counts.usual_gaps, datetime.now(UTC).timestamp(), last),
        secrets=None if secrets is None else tuple(_secret_uses(secrets, counts)),
        clock_offset_seconds=counts.clock_offset_seconds,
        marked=counts.latest.get(REACHABLE),
    )


def _last_traffic(latest: Mapping[str, float], *, is_waiting: bool) -> float | None:
    """Return when the last delivery came that is no probe or test event, as far as that is known by now.

    Only workers know which it is. What still waits counts, whatever it is, so that a worker that stands still is not
    taken for silence.
    """
    times = [latest[name] for name in ((TRAFFIC, "delivery") if is_waiting else (TRAFFIC,)) if name in latest]
    return max(times, default=None)


def _processes(seen: Mapping[str, float], latest: float | None) -> ProcessesSeen:
    processes = tuple(
        ProcessSeen(name=name, at=datetime.fromtimestamp(at, UTC))
        for name, at in sorted(seen.items(), key=lambda item: item[1], reverse=True)
    )
    return ProcessesSeen(processes=processes, latest=_time(max([*seen.values(), latest or 0.0]) or None))


def _totals(counted: CountsInRedis) -> Totals:
    counts = counted.totals
    return Totals(
        since=counted.since,
        deliveries=_named(counts, "code", CODES),
        refused=_named(counts, "refused", REASONS),
        events=_named(counts, "events", OUTCOMES),
        conflicts=counts["conflicts"],
        late_events=counts["late"],
        reconciled=counts[RECONCILED],
        lag=Lag(
            buckets=tuple(
                zip((*LAG_BOUNDS, inf), accumulate(counts[lag_field(place)] for place in _lag_places()), strict=True)
            ),
            sum_seconds=counts[LAG_SUM] / MICROSECONDS,
        ),
    )


def _lag_places() -> range:
    return range(len(LAG_BOUNDS) + 1)


def _last_hour(counts: Counter[str]) -> LastHour:
    return LastHour(
        deliveries=_named(counts, "code", CODES),
        refused=_named(counts, "refused", REASONS),
        events=_named(counts, "events", OUTCOMES),
        probes_and_tests=counts[REHEARSALS],
        quick_copies=counts[QUICK_COPIES],
        quick_copies_seconds=counts[QUICK_COPIES_SUM] / MICROSECONDS,
    )


def _named(counts: Counter[str], kind: str, names: Sequence[str]) -> dict[str, int]:
    return {name: counts[f"{kind}:{name}"] for name in names}


def _secret_uses(secrets: Sequence[bytes], counts: CountsInRedis) -> list[SecretUse]:
    names = [fingerprint(secret) for secret in secrets]
    return [
        SecretUse(
            position=position,
            known_since=_time(counts.known_secrets.get(name)),
            matched_at=_time(counts.latest.get(f"{SECRET_PREFIX}{name}")),
        )
        for position, name in enumerate(names, 1)
    ]


def _time(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)
