"""`zexa-sync simulate`: a load generator that behaves as the provider does, for one's own machine."""

import asyncio
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

import click
from yarl import URL

from sync.devtools.simulate.counts import SendCounts
from sync.devtools.simulate.listening import listens, wait_until_listening
from sync.devtools.simulate.options import (
    read_kinds,
    read_number,
    read_share,
    read_start,
    read_url,
    require_own_machine,
    signing_secret,
)
from sync.devtools.simulate.report import Run, as_text, progress, summarise
from sync.devtools.simulate.sender import RETRY_SECONDS, Plan, Sender
from sync.devtools.simulate.traffic import KINDS, SHUFFLE_WINDOW, count_copies, generate
from sync.events.event import EventType
from sync.terminal.program import program

EVENTS_MAX = 10_000_000
CONCURRENCY_MAX = 500
WAIT_SECONDS = 60


@click.command()
@click.argument("url", required=False, callback=read_url)
@click.option(
    "--events",
    default=1000,
    show_default=True,
    type=click.IntRange(1, EVENTS_MAX),
    metavar="N",
    help="How many different events.",
)
@click.option(
    "--rate",
    default=0.0,
    show_default=True,
    callback=read_number,
    metavar="R",
    help="Deliveries per second, evenly paced, independent of the answers; 0 sends as fast as they are answered.",
)
@click.option(
    "--concurrency",
    default=16,
    show_default=True,
    type=click.IntRange(1, CONCURRENCY_MAX),
    metavar="C",
    help="Connections, and so the most deliveries at one moment.",
)
@click.option(
    "--kinds",
    callback=read_kinds,
    metavar="LIST",
    help=f"Only these events: {', '.join(KINDS)}, or full names.  [default: a realistic mix of all]",
)
@click.option(
    "--duplicates",
    default="0%",
    show_default=True,
    callback=read_share,
    metavar="SHARE",
    help="Exact copies to send on top, for example 10% or 0.1.",
)
@click.option(
    "--shuffle", is_flag=True, help=f"Send in random order, within a moving window of {SHUFFLE_WINDOW:,} deliveries."
)
@click.option(
    "--seed", default=1, show_default=True, metavar="S", help="The same seed, start and kinds give the same events."
)
@click.option(
    "--start",
    callback=read_start,
    metavar="TIME",
    help="When the first event occurred; the last did within two hours after.  [default: two hours ago]",
)
@click.option(
    "--retry-scale",
    default=1.0,
    show_default=True,
    callback=read_number,
    metavar="X",
    help="Multiplies the provider's delays between retries, which are 1, 5 and 30 minutes.",
)
@click.option(
    "--secret",
    envvar="ZEXA_WEBHOOK_SECRET",
    default="",
    metavar="TEXT",
    help="Signs the deliveries; better set ZEXA_WEBHOOK_SECRET, of which the first is taken.",
)
@click.option("--allow-remote", is_flag=True, help="Send to a machine other than this one. Be sure that it is yours.")
@click.option("--json", "is_json", is_flag=True, help="Print the summary as one JSON object.")
def simulate(
    url: URL,
    events: int,
    rate: float,
    concurrency: int,
    kinds: frozenset[EventType],
    duplicates: float,
    shuffle: bool,
    seed: int,
    start: datetime,
    retry_scale: float,
    secret: str,
    allow_remote: bool,
    is_json: bool,
) -> None:
    """Send signed, realistic events to URL, as Zexa would.

    Without a URL they go to the receiver on this machine, to PORT. Beside a running `zexa-sync dev` they go to its
    port, signed with its secret. If nothing listens there, it says so and waits for a minute.

    Each delivery has 10 seconds to be answered with a 2xx. If it is not, it is sent again after 1, 5 and 30
    minutes, and then it is lost for good. Ctrl-C stops and shows what was done. Exit status: 0 if every
    delivery was accepted, 1 if not, 2 on wrong use.

    \b
    Examples:
      A thousand events to the receiver on this machine:
        zexa-sync simulate
      What a bad day looks like, with retries in seconds instead of minutes:
        zexa-sync simulate --events 20000 --duplicates 10% --shuffle --retry-scale 0.02
      Can it take 2,000 events a second for a minute?
        zexa-sync simulate --events 120000 --rate 2000 --concurrency 64
      Opt-outs only, to another port:
        zexa-sync simulate --kinds optout --events 50 http://127.0.0.1:9000
    """
    require_own_machine(url, allow_remote=allow_remote)
    plan = Plan(
        url=url,
        secret=signing_secret(secret),
        concurrency=concurrency,
        rate_per_second=rate,
        retry_seconds=tuple(seconds * retry_scale for seconds in RETRY_SECONDS),
    )
    run = Run(
        url=f"{url.origin()}{url.path}",
        events=events,
        copies=count_copies(events, duplicates),
        seed=seed,
        start=start,
        rate_per_second=rate,
    )
    deliveries = generate(events=events, kinds=kinds, duplicates=duplicates, shuffle=shuffle, seed=seed, start=start)
    counts = SendCounts()
    _wait_for_receiver(url)
    try:
        asyncio.run(_send(plan, run, (delivery.body for delivery in deliveries), counts))
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
    summary = summarise(run, counts)
    click.echo(json.dumps(asdict(summary)) if is_json else as_text(summary))
    if not summary.is_all_accepted:
        sys.exit(1)


def _wait_for_receiver(url: URL) -> None:
    """Return once something listens at `url`; say that we wait, and fail in a line if nothing comes."""
    if listens(url):
        return
    click.echo(
        f"nothing listens at {url.origin()}: waiting for it for up to {WAIT_SECONDS} s, Ctrl-C stops; "
        f"`{program()} dev` runs the whole system on this machine",
        err=True,
    )
    if not wait_until_listening(url, seconds=WAIT_SECONDS):
        raise click.ClickException(f"nothing listens at {url.origin()}: nothing was sent")


async def _send(plan: Plan, run: Run, bodies: Iterator[bytes], counts: SendCounts) -> None:
    with progress(run, counts):
        await Sender(plan, bodies, counts).send()
