"""Lays numbers out for a person. Pure: nothing shown names anybody."""

from typing import Any

from sync.status.document import status_document
from sync.status.numbers import SEEN_WITHIN, InRedis, Numbers, SecretUse
from sync.status.words import ago, clocks_text, refused_text
from sync.suppression.text import as_of_text
from sync.terminal.times import duration_text, time_text


def status_text(numbers: Numbers, findings: list[str]) -> str:
    """Return `numbers` in words, what is wrong first."""
    document = status_document(numbers, findings)
    redis = numbers.redis

    def number(name: str) -> str:
        return "unknown" if document[name] is None else f"{document[name]:,}"

    oldest = document["oldest_waiting_seconds"]
    lines = [
        *(f"! {line}" for line in findings),
        as_of_text(numbers.freshness.as_of, numbers.freshness.held_by),
        f"  last delivery        {_last_delivery_text(numbers, redis)}",
        f"  last hour            {_last_hour_text(redis)}",
        f"  refused, last hour   {refused_text(redis)}",
        f"  usual gap            {_usual_gap_text(redis)}",
        f"  jobs in the queue    {number('queue_jobs')}",
        f"  oldest that waits    {'unknown' if oldest is None else duration_text(oldest) if oldest else 'none'}",
        f"  workers              {_workers_text(numbers, redis)}",
        f"  web processes        {number('web_processes')}",
        f"  outages              {_outages_text(document)}",
        f"  failed jobs          {number('failed_jobs')}",
        f"  events in the inbox  {number('inbox_rows')}",
        f"  dead letters         {number('dead_letters')}",
        f"  STOPs naming nobody  {number('nameless_opt_outs')}",
        f"  ignored opt-outs     {number('ignored_opt_outs')}{_ignored_text(document)}",
        f"  opt-outs, last day   {number('opt_outs_last_day')}{_latency_text(document)}",
        f"  repaired by asking   {number('reconciled')}{_reconciled_text(document)}",
        f"  clocks               {clocks_text(numbers)}",
        *_secret_lines(numbers, redis),
        f"  counted since        {_since_text(redis)}",
    ]
    return "\n".join(lines)


def _secret_lines(numbers: Numbers, redis: InRedis | None) -> list[str]:
    if redis is None:
        return []
    texts = ((secret.position, _secret_text(redis, numbers, secret)) for secret in redis.secrets or ())
    return [f"  secret {position}             {text}" for position, text in texts]


def _last_delivery_text(numbers: Numbers, redis: InRedis | None) -> str:
    if redis is None:
        return "unknown"
    last = redis.last_delivery_at
    return f"{time_text(last.replace(microsecond=0))}, {ago(numbers, last)}" if last else "none yet"


def _last_hour_text(redis: InRedis | None) -> str:
    return "unknown" if redis is None else f"{redis.last_hour.accepted:,} accepted, {redis.last_hour.refusals:,} not"


def _usual_gap_text(redis: InRedis | None) -> str:
    if redis is None or redis.usual_gap_seconds is None:
        return "unknown: two weeks of deliveries are needed" if redis else "unknown"
    return duration_text(redis.usual_gap_seconds)


def _workers_text(numbers: Numbers, redis: InRedis | None) -> str:
    if redis is None:
        return "unknown"
    running = redis.workers.running(numbers.looked_at)
    if not redis.workers.processes:
        seen = redis.workers.latest
        return f"none, the last one was seen {ago(numbers, seen)}" if seen else "none was ever seen"
    workers = ", ".join(f"{process.name} seen {ago(numbers, process.at)}" for process in redis.workers.processes)
    return f"{running} seen within {duration_text(SEEN_WITHIN.total_seconds())}: {workers}"


def _secret_text(redis: InRedis, numbers: Numbers, secret: SecretUse) -> str:
    """Return when `secret` matched last, and whether it can go."""
    if replaced := redis.replaced_since(secret):
        return f"matched nothing for {duration_text((numbers.looked_at - replaced).total_seconds())}: safe to remove"
    if secret.matched_at is not None:
        return f"matched {ago(numbers, secret.matched_at)}"
    if secret.known_since is None:
        return "unknown: no web process has it"
    return f"matched nothing since {time_text(secret.known_since.replace(microsecond=0))}"


def _since_text(redis: InRedis | None) -> str:
    if redis is None or redis.totals.since is None:
        return "nothing was counted yet" if redis else "unknown"
    return time_text(redis.totals.since.replace(microsecond=0))


def _outages_text(document: dict[str, Any]) -> str:
    unresolved = document["outages_unresolved"]
    if unresolved is None:
        return "unknown"
    lasting = f"unreachable since {document['unreachable_since']}, " if document["unreachable_since"] else ""
    return f"{lasting}{unresolved:,} that may have lost events and nobody resolved"


def _ignored_text(document: dict[str, Any]) -> str:
    return ": facts of an unknown event whose name looks like an opt-out" if document["ignored_opt_outs"] else ""


def _reconciled_text(document: dict[str, Any]) -> str:
    return ": messages whose events were lost; see why" if document["reconciled"] else ""


def _latency_text(document: dict[str, Any]) -> str:
    if not document["opt_outs_last_day"]:
        return ""
    p50, p99 = document["opt_out_latency_p50_seconds"], document["opt_out_latency_p99_seconds"]
    share = document["opt_outs_within_one_second_share"]
    return f", from received to effective: p50 {p50:.3f} s, p99 {p99:.3f} s, {share:.1%} within 1 s"
