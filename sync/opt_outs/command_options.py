"""What the subcommands share: their options, and the stores they open. No error quotes an address."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from sync.events.addresses import CHANNELS, is_placeholder, sender_text
from sync.events.addresses import channel_name as name_of_channel
from sync.queue.connection import opened_queue
from sync.settings.environment import read_redis_settings
from sync.settings.forget_keys import read_forget_keys
from sync.settings.worker import read_default_region
from sync.suppression import MAX_STALENESS, Lookup
from sync.terminal.csv_file import DELIMITERS
from sync.terminal.options import SECONDS, words
from sync.terminal.stores import STATEMENT_SECONDS, opened

REDIS_SECONDS = 2


_DELIMITERS = {"tab" if character == "\t" else character: character for character in DELIMITERS}


def sender_name(name: str) -> str:
    """Return a text that names a sender: '' would mean the opt-outs that hold for any."""
    if is_placeholder(text := words(name)) or not sender_text(text, ""):
        raise click.BadParameter("it names no sender")
    return text


def channel_name(name: str) -> str:
    """Return the name of one of the provider's channels, however it is spelled."""
    channel = name_of_channel(name)
    if not channel:
        raise click.BadParameter(f"the channels are {', '.join(sorted(CHANNELS))}")
    return channel


def scope(start: str) -> Callable[[Any], Any]:
    """Return the options --channel and --sender; their help begins with `start`, which says what they narrow."""

    def with_options(command: Any) -> Any:
        command = click.option("--sender", type=sender_name, metavar="NAME", help=f"{start} of this sender.")(command)
        return click.option("--channel", type=channel_name, metavar="NAME", help=f"{start} on this channel.")(command)

    return with_options


BY = click.option("--by", "by", required=True, type=words, metavar="NAME", help="Who says so; kept for good.")
MAX_STALE = click.option(
    "--max-staleness",
    "max_staleness",
    type=SECONDS,
    default=MAX_STALENESS.total_seconds(),
    show_default=True,
    metavar="SECONDS",
    help="How old an answer may be and still allow anybody.",
)
DELIMITER = click.option(
    "--delimiter",
    type=click.Choice(list(_DELIMITERS)),
    callback=lambda _ctx, _option, name: _DELIMITERS.get(name),
    help="What stands between columns.  [default: as the header shows]",
)


@contextmanager
def opened_lookup(*, statement_seconds: float = STATEMENT_SECONDS) -> Iterator[Lookup]:
    """Open a look-up with the settings of the environment. It fails closed: no store that is away is an error."""
    with (
        opened(is_read_only=True, statement_seconds=statement_seconds) as engine,
        opened_queue(read_redis_settings(os.environ), seconds=REDIS_SECONDS) as queue,
    ):
        yield Lookup(engine, queue, default_region=default_region(), forget_keys=read_forget_keys(os.environ))


def default_region() -> str:
    """Return the region of numbers without a country code. Raises SettingError."""
    return read_default_region(os.environ)
