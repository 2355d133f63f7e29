"""`zexa-sync dead-letters resolve`: says that a person has dealt with letters."""

import sys
from datetime import UTC, datetime

import click
from sqlalchemy import Engine

from sync.dead_letters.command_options import DIGESTS, REASON, read_selection
from sync.dead_letters.find import LetterSelection, count_by_reason
from sync.dead_letters.resolve import resolve
from sync.terminal.options import WrongUse
from sync.terminal.stores import database
from sync.terminal.text import number_text, say


@click.command("resolve")
@DIGESTS
@REASON
@click.option("--all", "is_all", is_flag=True, help="All that are not resolved.")
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask before --all.")
def resolve_(digests: tuple[str, ...], reason: str | None, is_all: bool, is_confirmed: bool) -> None:
    """Resolve dead letters without applying them.

    \b
    For example:
      zexa-sync dead-letters resolve 5feceb66ffc8
      zexa-sync dead-letters resolve --reason not_json

    This is for letters that you decided not to apply. They keep their bodies, are listed with --resolved, and can
    be replayed by their digests. Exit status: 0, or 1 if a DIGEST names no letter: then none is resolved. Reads
    DATABASE_URL.
    """
    if (bool(digests) + is_all + bool(reason)) != 1:
        raise WrongUse("name dead letters, or give either --reason or --all")
    with database(statement_seconds=0) as engine:
        selection = read_selection(engine, digests, reason)
        if is_all and not is_confirmed:
            _confirm(engine, selection)
        with engine.begin() as connection:
            resolved = resolve(connection, selection, now=datetime.now(UTC))
    before = len(selection.digests) - resolved if digests else 0
    say(f"Resolved {number_text(resolved, 'dead letter')}." + (f" Resolved before: {before:,}." if before else ""))


def _confirm(engine: Engine, selection: LetterSelection) -> None:
    if not sys.stdin.isatty():
        raise WrongUse("--all resolves every dead letter without applying it: give --yes")
    with engine.begin() as connection:
        number = sum(count_by_reason(connection, selection).values())
    click.confirm(f"Resolve {number_text(number, 'dead letter')} without applying them?", abort=True)
