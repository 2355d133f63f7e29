"""`zexa-sync trace`: shows one message's facts, row, opt-outs and reasons. It changes nothing."""

import json
import os
import sys
from typing import Any

import click

from sync.reports.trace.gather import Fact, Trace, trace_message
from sync.reports.trace.text import trace_text
from sync.settings.worker import read_parse_options
from sync.terminal.stores import database
from sync.terminal.text import body_document, say, visible
from sync.terminal.times import iso_text, row_in_json


@click.command()
@click.argument("message_id")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; it always holds the bodies.")
@click.option(
    "--bodies", "with_bodies", is_flag=True, help="Show the bodies too, exactly as they were signed or answered."
)
def trace(message_id: str, as_json: bool, with_bodies: bool) -> None:
    """Show everything known of one message, and why its status is what it is.

    \b
    For example:
      zexa-sync trace msg_abc123
      zexa-sync trace msg_abc123 --json

    Shows each fact of the ledger with when it occurred, was received and was applied. Shows also the current row, its
    campaign's row, and the opt-outs that came with the message or are of its address. A fact that came with several
    different bodies is shown once for each body. One body holds, and the others add only what that body leaves out.

    Bodies are your recipients' personal data, so they are shown only with --bodies. JSON always holds them, as text
    in `body` or, if they are not UTF-8, in `body_base64`. All times are UTC. Characters that could change what a
    terminal shows are printed as escapes such as \\x1b.

    Exit status: 0 if anything is known of the message, 1 if nothing is, or on a failure. Reads DATABASE_URL,
    ZEXA_DEFAULT_REGION and ZEXA_OPT_OUT_FAILURES.
    """
    story = _read(message_id)
    if as_json:
        click.echo(json.dumps(as_document(story), indent=2))
    elif story.is_known:
        say(trace_text(story, with_bodies=with_bodies))
    else:
        say(
            f"Nothing is known of message {visible(message_id)}: no fact, row or opt-out names it. Its events may "
            "still wait in the queue, or be dead letters, which cannot be looked up by message."
        )
    sys.exit(0 if story.is_known else 1)


def _read(message_id: str) -> Trace:
    options = read_parse_options(os.environ)
    with database(is_read_only=True) as engine:
        return trace_message(engine, message_id, options=options)


def as_document(story: Trace) -> dict[str, Any]:
    """Return `story` as JSON's types, with the same keys in every case."""
    return {
        "message_id": story.message_id,
        "why": list(story.why),
        "facts": [_fact_document(fact) for fact in story.facts],
        "message_status": story.message and row_in_json(story.message),
        "campaign_status": story.campaign and row_in_json(story.campaign),
        "opt_outs": [
            {**row_in_json(opt_out.row), "is_active": opt_out.is_active, "found_by": list(opt_out.found_by)}
            for opt_out in story.opt_outs
        ],
    }


def _fact_document(fact: Fact) -> dict[str, Any]:
    return {
        "event": fact.name,
        "digest": fact.digest,
        "holds": fact.holds,
        "occurred_at": iso_text(fact.occurred_at),
        "is_dated": fact.is_dated,
        "received_at": iso_text(fact.received_at),
        "applied_at": iso_text(fact.applied_at),
        "received_after_seconds": (fact.received_at - fact.occurred_at).total_seconds() if fact.is_dated else None,
        "applied_after_seconds": (fact.applied_at - fact.received_at).total_seconds(),
        "outcome": fact.outcome,
        "origin": fact.origin,
        **body_document(fact.body),
    }
