"""`zexa-sync person export`: everything that is held about one person, bodies included."""

import json
import os
import sys
from pathlib import Path

import click

from sync.person.command_options import held_about
from sync.person.documents import person_document
from sync.person.find import Holdings
from sync.person.text import nothing_text, person_text
from sync.terminal.csv_file import FileError
from sync.terminal.csv_write import written_together
from sync.terminal.options import FILE
from sync.terminal.text import say

OWNER_ONLY = 0o600


@click.command()
@click.argument("address")
@click.option("--json/--text", "as_json", default=True, help="One JSON object, or text for people.  [default: --json]")
@click.option("-o", "--output", type=FILE, metavar="FILE", help="Write FILE, which only its owner can read.")
def export(address: str, as_json: bool, output: Path | None) -> None:
    """Give out everything that is held about the person with this ADDRESS, in any spelling, on every channel.

    \b
    For example:
      zexa-sync person export 912345678 -o answer.json
      zexa-sync person export 912345678 --text -o answer.txt

    Holds every message, opt-out, statement and signed body, each dead letter that names the person, and what waits.
    Addresses are printed in full. Look through it before you hand it out, for a body may name somebody else too. A body
    that no row links to a person is found by the digits in it. docs/privacy.md explains each member of the JSON.

    Every dead letter, every fact without a message and all that waits is looked at, however long that takes.

    Exit status: 0 if anything is held, 1 if nothing is, if Redis does not answer, or on a failure, 2 on wrong use.
    Reads DATABASE_URL, REDIS_URL, ZEXA_FORGET_KEY, ZEXA_DEFAULT_REGION and ZEXA_OPT_OUT_FAILURES.
    """
    holdings = held_about(address, limit=None)
    if holdings.queue is None:
        click.echo("Redis did not answer: what waits in the queue is not in this export", err=True)
    if not holdings.is_anything:
        click.echo(nothing_text(holdings), err=True)
    elif output is None:
        say(_text(holdings, as_json))
    else:
        _write(output, _text(holdings, as_json))
    sys.exit(0 if holdings.is_anything and holdings.queue is not None else 1)


def _text(holdings: Holdings, as_json: bool) -> str:
    if as_json:
        return json.dumps(person_document(holdings, shows_addresses=True, with_bodies=True), indent=2)
    return person_text(holdings, shows_addresses=True, with_bodies=True)


def _write(path: Path, text: str) -> None:
    try:
        with written_together([path]) as (file,):
            os.fchmod(file.fileno(), OWNER_ONLY)
            file.write(text.encode("utf-8", "backslashreplace") + b"\n")
    except (OSError, FileError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise click.ClickException(f"the file of --output cannot be written: {why}") from None
    click.echo(f"wrote {path}", err=True)
