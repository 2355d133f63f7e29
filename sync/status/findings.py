"""Says what is wrong. Pure."""

from sync.status.numbers import CLOCK_SECONDS_MAX, InRedis, Numbers
from sync.status.words import ago, clocks_text, refused_text
from sync.terminal.times import duration_text


def findings(numbers: Numbers, *, silent_after: float | None, max_staleness: float) -> list[str]:
    """Return what is wrong, in a line each: `status` ends with 1 if there is any.

    `silent_after` is how many seconds without a delivery are too many; None stands for twice the usual gap.
    """
    return [
        *_store_findings(numbers, max_staleness),
        *_outage_findings(numbers),
        *(_redis_findings(numbers, numbers.redis) if numbers.redis else ()),
        *_silence_findings(numbers, silent_after),
        *_clock_findings(numbers),
        *_task_findings(numbers),
    ]


def _store_findings(numbers: Numbers, max_staleness: float) -> list[str]:
    away = [name for name, store in (("Redis", numbers.redis), ("The database", numbers.database)) if store is None]
    lines = [f"{name} does not answer." for name in away]
    staleness = numbers.staleness_seconds
    if not away and (staleness is None or staleness > max_staleness):
        lines.append("Opt-outs are stale: look-ups answer `unknown`.")
    return lines


def _outage_findings(numbers: Numbers) -> list[str]:
    began = numbers.unreachable_since
    return [f"No delivery can be acknowledged: web left its last mark {ago(numbers, began)}."] if began else []


def _redis_findings(numbers: Numbers, redis: InRedis) -> list[str]:
    lines = []
    if redis.queue_jobs and not redis.workers.running(numbers.looked_at):
        seen = redis.workers.latest
        last = f"the last one was seen {ago(numbers, seen)}" if seen else "none was ever seen"
        waiting = "1 job waits" if redis.queue_jobs == 1 else f"{redis.queue_jobs:,} jobs wait"
        lines.append(f"{waiting} and no worker runs: {last}. Start a worker.")
    hour = redis.last_hour
    if hour.refusals > hour.accepted:
        lines.append(f"More deliveries were refused in the last hour than accepted: {refused_text(redis)}.")
    return lines


def _silence_findings(numbers: Numbers, silent_after: float | None) -> list[str]:
    silence = numbers.silence_seconds
    if silence is None:
        return []
    is_silent = numbers.is_silent if silent_after is None else silence > silent_after
    if not is_silent:
        return []
    usual = numbers.redis.usual_gap_seconds if numbers.redis else None
    limit = f"more than {duration_text(silent_after)}" if silent_after is not None else "more than twice the usual gap"
    usual_gap = "" if usual is None else f" of {duration_text(usual)}" if silent_after is None else ""
    return [f"No delivery came for {duration_text(silence)}, {limit}{usual_gap}."]


def _clock_findings(numbers: Numbers) -> list[str]:
    spread = numbers.clock_spread_seconds
    return [] if spread is None or spread <= CLOCK_SECONDS_MAX else [f"Clocks differ: {clocks_text(numbers)}."]


def _task_findings(numbers: Numbers) -> list[str]:
    waits = numbers.task_waits_seconds
    if waits is None:
        return []
    return [f"Work that somebody asked for in the console waits for {duration_text(waits)}, though a worker runs."]
