"""What the subcommands share: their options, and how a person names letters."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
from sqlalchemy import Connection, Engine

from sync.dead_letters.find import (
    PREFIX_DIGITS_MIN,
    LetterSelection,
    is_prefix,
    matching_digests,
)
from sync.events.event import Reason
from sync.queue.connection import QueueUnavailable
from sync.terminal.options import WrongUse
from sync.terminal.text import visible

REDIS_SECONDS = 2

REASON = click.option("--reason", type=click.Choice([reason.value for reason in Reason]), help="Only of this reason.")
DIGESTS = click.argument("digests", metavar="[DIGEST]...", nargs=-1)


@contextmanager
def redis_answers() -> Iterator[None]:
    try:
        yield
    except QueueUnavailable as error:
        raise click.ClickException(f"the Redis of REDIS_URL did not answer ({error})") from None


def read_selection(engine: Engine, prefixes: Sequence[str], reason: str | None) -> LetterSelection:
    """Return the letters that were asked for; end the command if a prefix does not name exactly one."""
    wrong = [prefix for prefix in prefixes if not is_prefix(prefix)]
    if wrong:
        raise WrongUse(f"{visible(wrong[0])} cannot begin a digest: give at least {PREFIX_DIGITS_MIN} hex digits")
    with engine.begin() as connection:
        digests = dict.fromkeys(_only_digest(connection, prefix) for prefix in prefixes)
    return LetterSelection(digests=tuple(digests), reason=reason)


def _only_digest(connection: Connection, prefix: str) -> str:
    digests = matching_digests(connection, prefix)
    if len(digests) != 1:
        fits = "fits several dead letters: give more digits" if digests else "fits no dead letter"
        raise click.ClickException(f"{prefix} {fits}")
    return digests[0]
