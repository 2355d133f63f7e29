"""`zexa-sync status`: what waits, how fresh the tables are, and how soon a STOP takes effect."""

import json
import os
import sys
from typing import Any

import click

from sync.queue.connection import opened_queue
from sync.settings.environment import read_redis_settings
from sync.settings.worker import read_default_region
from sync.status.measure import Condition, condition
from sync.suppression import MAX_STALENESS
from sync.suppression.text import as_of_text
from sync.terminal.options import SECONDS
from sync.terminal.stores import opened
from sync.terminal.text import say
from sync.terminal.times import iso_text

REDIS_SECONDS = 2


@click.command()
@click.option(
    "--max-staleness",
    type=SECONDS,
    default=MAX_STALENESS.total_seconds(),
    show_default=True,
    metavar="SECONDS",
    help="How old `as of` may be.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(max_staleness: float, as_json: bool) -> None:
    """Show what waits, how fresh the tables are, and how soon a STOP takes effect.

    \b
    For example:
      zexa-sync status
      zexa-sync status --json --max-staleness 5

    `As of` is the time up to which every acknowledged opt-out is in the tables, and what keeps it in the past.
    The latency of opt-outs, from received to effective, is that of the last day. `STOPs naming nobody` are opt-outs
    without an address, of messages that no other event names. `ignored opt-outs` are events that this version does
    not know, though their name looks like an opt-out. Both are counted up to 100,000. Nothing shown names a person.

    Exit status: 0 if both stores answer and `as of` is younger than --max-staleness; 1 if not: then look-ups
    answer `unknown`; 2 on wrong use. Reads DATABASE_URL, REDIS_URL and ZEXA_DEFAULT_REGION.
    """
    state = _look()
    staleness = state.staleness_seconds
    is_well = state.redis is not None and state.database is not None
    is_well = is_well and staleness is not None and staleness <= max_staleness
    say(json.dumps(_document(state), indent=2) if as_json else _text(state))
    sys.exit(0 if is_well else 1)


def _look() -> Condition:
    with (
        opened(is_read_only=True) as engine,
        opened_queue(read_redis_settings(os.environ), seconds=REDIS_SECONDS) as queue,
    ):
        return condition(engine, queue, default_region=read_default_region(os.environ))


def _document(state: Condition) -> dict[str, Any]:
    """Return `state` as JSON's types, with the same keys in every case; a value that is not known is null."""
    redis, database = state.redis, state.database
    latency = database and database.opt_out_latency
    return {
        "as_of": iso_text(state.freshness.as_of),
        "held_by": state.freshness.held_by,
        "staleness_seconds": state.staleness_seconds,
        "queue_jobs": redis and redis.queue_jobs,
        "failed_jobs": redis and redis.failed_jobs,
        "inbox_rows": database and database.inbox_rows,
        "dead_letters": database and database.dead_letters,
        "nameless_opt_outs": database and database.nameless_opt_outs,
        "ignored_opt_outs": database and database.ignored_opt_outs,
        "opt_outs_last_day": latency and latency.opt_outs,
        "opt_out_latency_p50_seconds": latency and latency.p50_seconds,
        "opt_out_latency_p99_seconds": latency and latency.p99_seconds,
        "opt_outs_within_one_second_share": latency and latency.share_within_one_second,
    }


def _text(state: Condition) -> str:
    said = _document(state)

    def number(name: str) -> str:
        return "unknown" if said[name] is None else f"{said[name]:,}"

    lines = [
        as_of_text(state.freshness.as_of, state.freshness.held_by),
        f"  jobs in the queue    {number('queue_jobs')}",
        f"  failed jobs          {number('failed_jobs')}",
        f"  events in the inbox  {number('inbox_rows')}",
        f"  dead letters         {number('dead_letters')}",
        f"  STOPs naming nobody  {number('nameless_opt_outs')}",
        f"  ignored opt-outs     {number('ignored_opt_outs')}{_ignored_text(said)}",
        f"  opt-outs, last day   {number('opt_outs_last_day')}{_latency_text(said)}",
    ]
    return "\n".join(lines)


def _ignored_text(said: dict[str, Any]) -> str:
    return ": facts of an unknown event whose name looks like an opt-out" if said["ignored_opt_outs"] else ""


def _latency_text(said: dict[str, Any]) -> str:
    if not said["opt_outs_last_day"]:
        return ""
    p50, p99 = said["opt_out_latency_p50_seconds"], said["opt_out_latency_p99_seconds"]
    share = said["opt_outs_within_one_second_share"]
    return f", from received to effective: p50 {p50:.3f} s, p99 {p99:.3f} s, {share:.1%} within 1 s"
