"""`zexa-sync doctor`: what is wrong with this installation, and the remedy."""

import json
import os
import sys

import click

from sync.doctor.diagnose import diagnose
from sync.doctor.text import document, is_well, text
from sync.terminal.options import JSON
from sync.terminal.program import as_invoked
from sync.terminal.text import say


@click.command()
@click.option("--url", metavar="URL", help="Send a signed probe there, the webhook's public address, and follow it.")
@JSON
def doctor(url: str | None, as_json: bool) -> None:
    """Check everything, and say what is wrong and what to do about it.

    \b
    For example:
      zexa-sync doctor
      zexa-sync doctor --url https://example.com/webhooks/zexa

    Each check is ok, warning, problem or unknown, and problems come first. What cannot be read is unknown. Run it
    with the environment of web and worker, whose settings it checks: it takes at most ten seconds, and changes
    nothing. With --url it leaves one event behind, which names nobody and counts as no delivery.

    Exit status: 0 without a problem, 1 with one, 2 on wrong use. Reads every setting of web and worker.
    """
    checks = diagnose(os.environ, url=url)
    say(as_invoked(json.dumps(document(checks), indent=2) if as_json else text(checks)))
    sys.exit(0 if is_well(checks) else 1)
