"""`zexa-sync opt-outs evidence` and `sent-after`: what is proved of one address, and who was messaged all the same."""

import json
import os
import sys

import click

from models.forget_keys import require_forget_keys
from sync.events.written_text import is_storable
from sync.opt_outs.command_options import default_region
from sync.opt_outs.evidence import gather_evidence
from sync.opt_outs.evidence_text import evidence_document, evidence_text, late_document, late_text
from sync.opt_outs.sent_after import count_sent_after, latest_sent_after
from sync.settings.forget_keys import read_forget_keys
from sync.terminal.options import DURATION, JSON, SHOW_ADDRESSES, WrongUse, limit
from sync.terminal.stores import database
from sync.terminal.text import say

# The view reads the messages of everybody who opted out.
STATEMENT_SECONDS = 600


@click.command()
@click.argument("address")
@JSON
def evidence(address: str, as_json: bool) -> None:
    """Prove what was decided about ADDRESS: by whom, when, by which signed body, and what was sent since.

    \b
    For example:
      zexa-sync opt-outs evidence +244912345678
      zexa-sync opt-outs evidence +244912345678 --json > evidence.json

    Shows the opt-outs of the address, and every statement about them with its times and the body exactly as Zexa
    signed it. Shows also the facts of the messages that the statements name, and each message whose status is later
    than the first opt-out. Statements are only ever added, and nobody can change one; `person forget` alone takes
    addresses out of them. The verdict comes first: which messages were later than an opt-out, by how much, and whether
    we knew of the opt-out by then.

    All of it is personal data. ADDRESS may be given in any spelling. All times are UTC: `occurred` is when
    it happened, `received` when it reached us, `applied` when it took effect. Exit status: 0 if anything was ever
    stated about ADDRESS, 1 if nothing was, or on a failure. Reads DATABASE_URL, ZEXA_DEFAULT_REGION
    and ZEXA_FORGET_KEY.
    """
    if not is_storable(address):
        raise WrongUse("that is no address: it is blank, longer than 1,024 bytes, or no text")
    region = default_region()
    with database(is_read_only=True) as engine:
        keys = read_forget_keys(os.environ)
        require_forget_keys(engine, {key.key_id for key in keys})
        proof = gather_evidence(engine, address, default_region=region, forget_keys=keys)
    say(json.dumps(evidence_document(proof), indent=2) if as_json else evidence_text(proof))
    sys.exit(0 if proof.is_known else 1)


@click.command("sent-after")
@click.option(
    "--grace",
    type=DURATION,
    default="0",
    metavar="TIME",
    help="Leave out messages whose status came within TIME (90s, 15m, 1h, 2d) of the opt-out.  [default: 0]",
)
@limit("messages")
@SHOW_ADDRESSES
@JSON
def sent_after(grace: float, limit: int, show_addresses: bool, as_json: bool) -> None:
    """List messages whose status is later than an opt-out of their address: the list nobody wants to be on.

    \b
    For example:
      zexa-sync opt-outs sent-after --grace 1h
      zexa-sync opt-outs sent-after --grace 15m --json --show-addresses

    A message that was on its way when the STOP came is delivered a little later, so give a grace. The message that
    was answered with STOP does not count, nor does one after a re-subscription. An opt-out of any channel and sender
    counts. `known` says whether the opt-out had reached us by then, and was in force. Numbers and addresses are masked
    (+244…678) unless --show-addresses is given. The view `sent_after_opt_out` is the same in SQL.

    Exit status: 0 if there is none, 1 if there is, or on a failure; 2 on wrong use. Reads DATABASE_URL.
    """
    with database(is_read_only=True, statement_seconds=STATEMENT_SECONDS) as engine, engine.begin() as connection:
        rows = latest_sent_after(connection, grace_seconds=grace, limit=limit)
        count = len(rows) if len(rows) < limit else count_sent_after(connection, grace_seconds=grace)
    if as_json:
        messages = [late_document(row, shows_addresses=show_addresses) for row in rows]
        say(json.dumps({"messages": messages, "count": count}, indent=2))
    else:
        say(late_text(rows, count, shows_addresses=show_addresses))
    sys.exit(1 if count else 0)
