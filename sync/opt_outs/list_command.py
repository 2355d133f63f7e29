"""`zexa-sync opt-outs list`: opt-outs and their numbers."""

import json
from datetime import datetime

import click

from sync.events.addresses import sender_text
from sync.events.opt_outs import OptOutSource
from sync.opt_outs.command_options import default_region, scope
from sync.opt_outs.find import OptOutSelection, count_by_channel, latest_opt_outs
from sync.opt_outs.text import opt_out_document, opt_outs_text
from sync.terminal.options import JSON, SHOW_ADDRESSES, limit, past_time
from sync.terminal.stores import database
from sync.terminal.text import rows_shown_text, say, visible


@click.command("list")
@scope("Only opt-outs that name it: those")
@click.option("--source", type=click.Choice([str(source) for source in OptOutSource]), help="Only by this word.")
@click.option(
    "--since", type=past_time, metavar="TIME", help="Only those that opted out then or later (ISO 8601, UTC)."
)
@click.option("--all", "is_any", is_flag=True, help="Those that a re-subscription ended too.")
@limit("opt-outs")
@SHOW_ADDRESSES
@JSON
def list_(
    channel: str | None,
    sender: str | None,
    source: str | None,
    since: datetime | None,
    is_any: bool,
    limit: int,
    show_addresses: bool,
    as_json: bool,
) -> None:
    """List opt-outs in force, the latest first.

    \b
    For example:
      zexa-sync opt-outs list
      zexa-sync opt-outs list --since 2026-06-24 --source manual
      zexa-sync opt-outs list --channel sms --all --json --show-addresses

    Numbers and addresses are personal data, so they are masked (+244…678) unless --show-addresses is given. The last
    lines count all opt-outs of each channel, beyond the limit too; `zexa-sync opt-outs export` writes all.
    Exit status: 0, or 1 on a failure. Reads DATABASE_URL.
    """
    selection = OptOutSelection(
        channel=channel,
        sender=sender and sender_text(sender, default_region()),
        source=source,
        since=since,
        is_any=is_any,
    )
    with database(is_read_only=True) as engine, engine.begin() as connection:
        rows = latest_opt_outs(connection, selection, limit=limit)
        counts = count_by_channel(connection, selection)
    if as_json:
        documents = [opt_out_document(row, shows_addresses=show_addresses) for row in rows]
        say(json.dumps({"opt_outs": documents, "count": sum(counts.values()), "channels": counts}, indent=2))
        return
    total = sum(counts.values())
    if rows:
        number = rows_shown_text(len(rows), total, "latest")
        say(f"Opt-outs{'' if is_any else ' in force'}: {number}\n{opt_outs_text(rows, shows_addresses=show_addresses)}")
    numbers = ", ".join(f"{visible(name) or 'any'} {count:,}" for name, count in counts.items())
    say(f"By channel: {numbers}" if rows else "No opt-outs.")
