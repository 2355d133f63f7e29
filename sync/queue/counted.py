"""Reads what `sync.queue.counts` keeps in Redis, in two round trips and without a look at any job; adds to it."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from redis.exceptions import RedisError
from rq import Queue
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from sync.queue.clock import clock_offset, epoch_of
from sync.queue.connection import answered
from sync.queue.counts import (
    COUNTS_KEY,
    FORGET_KEYS_PREFIX,
    LATEST_KEY,
    MINUTE_SECONDS,
    MINUTES_KEPT,
    SECRETS_KEY,
    SINCE,
    USUAL_GAPS_KEY,
    WEB_KEY,
    Counts,
    minute_key,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountsInRedis:
    """Counts by name, of all time since `since` and of the last hour; when what was seen last, in epoch seconds.

    `web` and `workers` are when each process was seen last, by its name. `known_secrets` says since when `web` has a
    secret, by its fingerprint. `usual_gaps` are seconds by the hour of the week. `clock_offset_seconds` is the clock
    of Redis minus ours.
    """

    since: datetime | None
    totals: Counter[str]
    last_hour: Counter[str]
    latest: Mapping[str, float]
    web: Mapping[str, float]
    workers: Mapping[str, float]
    known_secrets: Mapping[str, float]
    usual_gaps: Mapping[int, float]
    queue_jobs: int
    failed_jobs: int
    clock_offset_seconds: float


def read_counts(queue: Queue) -> CountsInRedis:
    """Return all of it. Raises QueueUnavailable."""
    with answered():
        begun = time.time()
        with queue.connection.pipeline(transaction=False) as pipeline:
            pipeline.time()
            (redis_time,) = pipeline.execute()
        offset = clock_offset(begun, epoch_of(redis_time), time.time())
        minute = int(begun) // MINUTE_SECONDS
        with queue.connection.pipeline(transaction=False) as pipeline:
            pipeline.llen(queue.key)
            pipeline.zcard(queue.failed_job_registry.key)
            pipeline.hgetall(COUNTS_KEY)
            for key in (LATEST_KEY, WEB_KEY, SECRETS_KEY):
                pipeline.zrange(key, 0, -1, withscores=True)
            pipeline.hgetall(USUAL_GAPS_KEY)
            pipeline.smembers(WORKERS_BY_QUEUE_KEY % queue.name)
            for number in range(minute - MINUTES_KEPT + 1, minute + 1):
                pipeline.hgetall(minute_key(number))
            jobs, failed, totals, latest, web, secrets, gaps, worker_keys, *minutes = pipeline.execute()
        workers = _heartbeats(queue, sorted(worker_keys))
    return CountsInRedis(
        since=_time(totals.pop(SINCE.encode(), None)),
        totals=_counts([totals]),
        last_hour=_counts(minutes),
        latest=_scores(latest),
        web=_scores(web),
        workers=workers,
        known_secrets=_scores(secrets),
        usual_gaps={int(hour): float(seconds) for hour, seconds in gaps.items()},
        queue_jobs=jobs,
        failed_jobs=failed,
        clock_offset_seconds=offset,
    )


def read_latest(queue: Queue) -> tuple[dict[str, float], dict[str, float]]:
    """Return when what is seen was seen last, by its name, and since when `web` has each secret, by its fingerprint.

    Both are epoch seconds. Raises QueueUnavailable.
    """
    with answered(), queue.connection.pipeline(transaction=False) as pipeline:
        for key in (LATEST_KEY, SECRETS_KEY):
            pipeline.zrange(key, 0, -1, withscores=True)
        latest, secrets = pipeline.execute()
    return _scores(latest), _scores(secrets)


def processes_without(queue: Queue, key_id: str, *, seen_within_seconds: float) -> list[str]:
    """Return which kinds of processes, `web` and `worker`, have run of late without this forget key.

    Raises QueueUnavailable.
    """
    latest, _ = read_latest(queue)
    oldest = time.time() - seen_within_seconds
    key_names = [name.split(":") for name, at in latest.items() if name.startswith(FORGET_KEYS_PREFIX) and at >= oldest]
    return sorted({process for _, process, key_ids in key_names if key_id not in key_ids.split(",")})


def add_counted(queue: Queue, counts: Counts) -> bool:
    """Send what a command counted; return False if Redis does not take it, and keep it in `counts`."""
    pending = counts.take()
    try:
        with queue.connection.pipeline() as pipeline:
            for command in pending.commands(time.time()):
                pipeline.execute_command(*command)
            pipeline.execute()
    except (RedisError, ValueError):  # ValueError: a name that no name server would be asked for
        counts.restore(pending)
        return False
    return True


def _heartbeats(queue: Queue, keys: Sequence[bytes]) -> dict[str, float]:
    """Return when each of RQ's workers was seen last; those whose key has expired are gone.

    After an absence of Redis a process registers anew beside what it was registered as before: the later one counts.
    """
    if not keys:
        return {}
    with queue.connection.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.hmget(key, "last_heartbeat", "hostname", "pid")
        answers = pipeline.execute()
    heartbeats: dict[str, float] = {}
    for key, (seen, host, pid) in zip(keys, answers, strict=True):
        if seen:
            name = f"{host.decode()}:{pid.decode()}" if host and pid else key.decode().rpartition(":")[2]
            at = datetime.fromisoformat(seen.decode().replace("Z", "+00:00")).timestamp()
            heartbeats[name] = max(at, heartbeats.get(name, 0.0))
    return heartbeats


def _counts(hashes: Sequence[Mapping[bytes, bytes]]) -> Counter[str]:
    counts = Counter[str]()
    for fields in hashes:
        if isinstance(fields, RedisError):
            raise fields
        counts.update({name.decode(): int(number) for name, number in fields.items()})
    return counts


def _scores(pairs: Sequence[tuple[bytes, float]]) -> dict[str, float]:
    return {name.decode(): score for name, score in pairs}


def _time(text: bytes | None) -> datetime | None:
    return datetime.fromtimestamp(float(text), UTC) if text else None
