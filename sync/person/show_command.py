"""`zexa-sync person show`: what happened to one person, the verdict first."""

import json
import sys

import click

from sync.person.command_options import held_about
from sync.person.documents import person_document
from sync.person.text import nothing_text, person_text
from sync.terminal.options import JSON, SHOW_ADDRESSES, limit
from sync.terminal.text import say


@click.command()
@click.argument("address")
@limit("messages")
@SHOW_ADDRESSES
@JSON
def show(address: str, limit: int, show_addresses: bool, as_json: bool) -> None:
    """Show what is held about the person with this ADDRESS, in any spelling, on every channel.

    \b
    For example:
      zexa-sync person show 912345678
      zexa-sync person show ana@example.com --limit 10 --json

    The verdict comes first: which messages have a status later than an opt-out, by how much, and whether we knew of the
    opt-out by then. Then come the messages, the latest first, each with the reason for its status. Opt-outs follow, in
    force or ended, with every statement about them; then dead letters that name the person, and what waits.

    At most 2,000 bodies of each place that no row links to a person are looked at. `person export` looks at all, and
    prints the bodies. A body names a person if a text in it, digits only, holds the national number. Numbers and
    addresses are masked (+244…678) unless --show-addresses is given.

    Exit status: 0 if anything is held, 1 if nothing is, or on a failure, 2 on wrong use. Without Redis, what waits in
    the queue is unknown. Reads DATABASE_URL, REDIS_URL, ZEXA_FORGET_KEY, ZEXA_DEFAULT_REGION and
    ZEXA_OPT_OUT_FAILURES.
    """
    holdings = held_about(address, limit=limit)
    if as_json:
        say(json.dumps(person_document(holdings, shows_addresses=show_addresses, with_bodies=False), indent=2))
    else:
        say(person_text(holdings, shows_addresses=show_addresses) if holdings.is_anything else nothing_text(holdings))
    sys.exit(0 if holdings.is_anything else 1)
