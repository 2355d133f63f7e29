"""`zexa-sync outages resolve`: says that a person has looked after what outages cost."""

from datetime import UTC, datetime

import click

from sync.provider.outages.resolve import NotToResolve, resolve
from sync.terminal.options import words
from sync.terminal.stores import database
from sync.terminal.text import number_text, say


@click.command("resolve")
@click.argument("numbers", metavar="[NUMBER]...", nargs=-1, type=click.IntRange(1))
@click.option("--by", required=True, type=words, metavar="NAME", help="Who says so; kept for good.")
@click.option("--reason", required=True, type=words, metavar="TEXT", help="What was done about it; kept for good.")
def resolve_(numbers: tuple[int, ...], by: str, reason: str) -> None:
    """Resolve the outages of these NUMBERs, or all that have ended.

    \b
    For example:
      zexa-sync outages resolve --by Maria --reason "imported Zexa's opt-out list of 24 June"
      zexa-sync outages resolve 3 --by Maria --reason "planned, no campaign ran"

    Nothing is removed: who, when and why stay with the outage. `zexa-sync doctor` has no problem with it any more.

    Exit status: 0, or 1 if a NUMBER is of no outage, or of one that lasts: then none is resolved. Reads DATABASE_URL.
    """
    try:
        with database() as engine, engine.begin() as connection:
            resolved = resolve(connection, numbers, by=by, reason=reason, now=datetime.now(UTC))
    except NotToResolve as error:
        raise click.ClickException(str(error)) from None
    say(f"Resolved {number_text(len(resolved), 'outage')}.")
