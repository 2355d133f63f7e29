"""`zexa-sync status`: what comes, what is refused, what waits, and how soon a STOP takes effect."""

import json
import os
import sys
import time

import click

from sync.queue.connection import opened_queue
from sync.settings.environment import read_redis_settings
from sync.settings.webhook_secrets import read_known_secrets
from sync.settings.worker import read_default_region
from sync.status.document import status_document
from sync.status.findings import findings
from sync.status.measurement import measure
from sync.status.numbers import Numbers
from sync.status.text import status_text
from sync.suppression import MAX_STALENESS
from sync.terminal.options import DURATION, SECONDS
from sync.terminal.stores import opened
from sync.terminal.text import say

REDIS_SECONDS = 2
WATCH_SECONDS = 2
CLEAR = "\x1b[H\x1b[2J"


@click.command()
@click.option(
    "--max-staleness",
    type=SECONDS,
    default=MAX_STALENESS.total_seconds(),
    show_default=True,
    metavar="SECONDS",
    help="How old `as of` may be.",
)
@click.option(
    "--silent-after",
    type=DURATION,
    metavar="DURATION",
    help="How long no delivery may come, such as 15m or 1h. Default: twice the usual gap, once two weeks are known.",
)
@click.option("--watch", is_flag=True, help="Show it anew every two seconds, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(max_staleness: float, silent_after: float | None, watch: bool, as_json: bool) -> None:
    """Show what comes, what is refused, what waits, and how soon a STOP takes effect.

    \b
    For example:
      zexa-sync status
      zexa-sync status --watch
      zexa-sync status --json --silent-after 1h

    `As of` is the time up to which every acknowledged opt-out is in the tables, and what keeps it in the past.
    The latency of opt-outs, from received to effective, is that of the last day. `STOPs naming nobody` are opt-outs
    without an address, of messages that no other event names. `ignored opt-outs` are events that this version does
    not know, though their name looks like an opt-out. Both are counted up to 100,000. Nothing shown names a person.
    Counts are those of all processes, since `counted since`; they begin anew if Redis loses its data. Secrets are
    named by their position in ZEXA_WEBHOOK_SECRET, if that is set here. `zexa-sync outages` tells of the outages.

    Exit status: 0 if all is well, 2 on wrong use. It is 1 if one of these holds:

    \b
      a store does not answer, or no delivery can be acknowledged
      `as of` is older than --max-staleness
      jobs wait, and no worker was seen for a minute
      more deliveries were refused in the last hour than accepted
      clocks differ by over 5 s
      no delivery came for too long (--silent-after)

    Reads DATABASE_URL, REDIS_URL, ZEXA_DEFAULT_REGION and ZEXA_WEBHOOK_SECRET.
    """
    while True:
        numbers = _look()
        lines = findings(numbers, silent_after=silent_after, max_staleness=max_staleness)
        text = json.dumps(status_document(numbers, lines), indent=2) if as_json else status_text(numbers, lines)
        if not watch:
            break
        say(text if as_json or not sys.stdout.isatty() else f"{CLEAR}{text}")
        time.sleep(WATCH_SECONDS)
    say(text)
    sys.exit(1 if lines else 0)


def _look() -> Numbers:
    with (
        opened(is_read_only=True) as engine,
        opened_queue(read_redis_settings(os.environ), seconds=REDIS_SECONDS) as queue,
    ):
        return measure(
            engine, queue, default_region=read_default_region(os.environ), secrets=read_known_secrets(os.environ)
        )
