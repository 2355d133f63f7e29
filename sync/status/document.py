"""Lays numbers out as JSON's types. Pure."""

from typing import Any

from sync.status.numbers import InRedis, Numbers
from sync.terminal.times import iso_text


def status_document(numbers: Numbers, lines: list[str]) -> dict[str, Any]:
    """Return `numbers` as JSON's types, with the same keys in every case; a value that is not known is null."""
    redis, database = numbers.redis, numbers.database
    latency = database and database.opt_out_latency
    return {
        "ok": not lines,
        "findings": lines,
        "as_of": iso_text(numbers.freshness.as_of),
        "held_by": numbers.freshness.held_by,
        "staleness_seconds": numbers.staleness_seconds,
        **_traffic_document(numbers, redis),
        "queue_jobs": redis and redis.queue_jobs,
        "failed_jobs": redis and redis.failed_jobs,
        "oldest_waiting_seconds": _oldest_seconds(numbers),
        "workers": redis
        and [{"name": process.name, "seen_at": iso_text(process.at)} for process in redis.workers.processes],
        **_outages_document(numbers),
        "worker_seen_at": redis and iso_text(redis.workers.latest),
        "web_processes": redis and redis.web.running(numbers.looked_at),
        "redis_clock_offset_seconds": redis and redis.clock_offset_seconds,
        "database_clock_offset_seconds": database and database.clock_offset_seconds,
        "inbox_rows": database and database.inbox_rows,
        "dead_letters": database and database.dead_letters,
        "nameless_opt_outs": database and database.nameless_opt_outs,
        "ignored_opt_outs": database and database.ignored_opt_outs,
        "opt_outs_last_day": latency and latency.opt_outs,
        "opt_out_latency_p50_seconds": latency and latency.p50_seconds,
        "opt_out_latency_p99_seconds": latency and latency.p99_seconds,
        "opt_outs_within_one_second_share": latency and latency.share_within_one_second,
    }


def _traffic_document(numbers: Numbers, redis: InRedis | None) -> dict[str, Any]:
    secrets = redis.secrets if redis else None
    return {
        "counted_since": redis and iso_text(redis.totals.since),
        "deliveries": redis and dict(redis.totals.deliveries),
        "refused": redis and dict(redis.totals.refused),
        "events": redis and dict(redis.totals.events),
        "reconciled": redis and redis.totals.reconciled,
        "last_delivery_at": redis and iso_text(redis.last_delivery_at),
        "accepted_last_hour": redis and redis.last_hour.accepted,
        "refused_last_hour": redis and {**redis.last_hour.refused, "not_stored": redis.last_hour.deliveries["503"]},
        "silence_seconds": numbers.silence_seconds,
        "usual_gap_seconds": redis and redis.usual_gap_seconds,
        "is_silent": numbers.is_silent,
        "secrets": secrets
        and [
            {
                "position": secret.position,
                "known_since": iso_text(secret.known_since),
                "matched_at": iso_text(secret.matched_at),
            }
            for secret in secrets
        ],
    }


def _outages_document(numbers: Numbers) -> dict[str, Any]:
    outages = numbers.outages
    return {
        "unreachable_since": iso_text(numbers.unreachable_since),
        "outages_unresolved": None if outages is None else sum(loss.is_unresolved for loss in outages),
    }


def _oldest_seconds(numbers: Numbers) -> float | None:
    """Return the age of the oldest event that waits in the queue or in the inbox, 0 if none does."""
    if numbers.redis is None or numbers.database is None:
        return None
    waiting = [at for at in (numbers.redis.oldest_waiting_at, numbers.database.inbox_oldest_at) if at]
    return max(0.0, (numbers.looked_at - min(waiting)).total_seconds()) if waiting else 0.0
