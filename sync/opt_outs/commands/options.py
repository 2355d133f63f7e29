"""What the subcommands share: their options, and the stores they open. No error quotes an address."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from models.database import open_database
from models.errors import error_line
from models.schema import require_head
from sync.addresses import CHANNELS, is_placeholder, is_storable, sender_text
from sync.addresses import channel_name as name_of_channel
from sync.arguments import SECONDS
from sync.environment import read_database_url, read_redis_settings
from sync.events import EARLIEST
from sync.opt_outs.csv_files import DELIMITERS
from sync.opt_outs.moments import read_moment
from sync.queue import opened_queue
from sync.settings import read_default_region
from sync.suppression import MAX_STALENESS, Lookup

STATEMENT_SECONDS = 30
REDIS_SECONDS = 2


_DELIMITERS = {"tab" if one == "\t" else one: one for one in DELIMITERS}


class WrongUse(click.ClickException):
    """Printed as one line, without the usage that click adds to its own."""

    exit_code = 2


def words(given: str) -> str:
    """Return a text that a database can keep, without the blanks around it."""
    if not is_storable(given):
        raise click.BadParameter("it is blank, longer than 1,024 bytes, or no text")
    return given.strip()


def sender_name(given: str) -> str:
    """Return a text that names a sender: '' would mean the opt-outs that hold for any."""
    if is_placeholder(text := words(given)) or not sender_text(text, ""):
        raise click.BadParameter("it names no sender")
    return text


def channel_name(given: str) -> str:
    """Return the name of one of the provider's channels, however it is spelled."""
    channel = name_of_channel(given)
    if not channel:
        raise click.BadParameter(f"the channels are {', '.join(sorted(CHANNELS))}")
    return channel


def moment(given: str) -> datetime:
    """Return a time in ISO 8601 as an aware moment; UTC where it names no offset."""
    read = read_moment(given)
    if read is None:
        raise click.BadParameter("give ISO 8601, for example 2026-06-24 or 2026-06-24T10:05:00Z")
    if read < EARLIEST:
        raise click.BadParameter("it lies before the year 2000")
    return min(read, datetime.now(UTC))  # nobody has decided yet what lies ahead


def scope(of: str) -> Callable[[Any], Any]:
    """Return the options --channel and --sender; `of` says what they narrow."""

    def with_options(command: Any) -> Any:
        command = click.option("--sender", type=sender_name, metavar="NAME", help=f"{of} of this sender.")(command)
        return click.option("--channel", type=channel_name, metavar="NAME", help=f"{of} on this channel.")(command)

    return with_options


JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
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
FILE = click.Path(dir_okay=False, path_type=Path)
FILE_GIVEN = click.Path(exists=True, dir_okay=False, path_type=Path)
DELIMITER = click.option(
    "--delimiter",
    type=click.Choice(list(_DELIMITERS)),
    callback=lambda _ctx, _option, name: _DELIMITERS.get(name),
    help="What stands between columns.  [default: as the header shows]",
)
SHOW_ADDRESSES = click.option("--show-addresses", is_flag=True, help="Print numbers and addresses in full.")


@contextmanager
def database(*, is_read_only: bool = False, statement_seconds: float = STATEMENT_SECONDS) -> Iterator[Engine]:
    """Open the database of DATABASE_URL; say in one line where it fails. Raises SchemaError and SettingError."""
    url = read_database_url(os.environ)
    engine = open_database(url, pool_size=1, statement_seconds=statement_seconds, is_read_only=is_read_only)
    try:
        require_head(engine)
        yield engine
    except DBAPIError as error:
        raise click.ClickException(f"the database of DATABASE_URL cannot be used: {error_line(error)}") from None
    finally:
        engine.dispose()


@contextmanager
def opened_lookup(*, statement_seconds: float = STATEMENT_SECONDS) -> Iterator[Lookup]:
    """Open a look-up with the settings of the environment. It fails closed: no store that is away is an error."""
    url, redis, region = read_database_url(os.environ), read_redis_settings(os.environ), default_region()
    engine = open_database(url, pool_size=1, statement_seconds=statement_seconds, is_read_only=True)
    try:
        with opened_queue(redis, seconds=REDIS_SECONDS) as queue:
            yield Lookup(engine, queue, default_region=region)
    finally:
        engine.dispose()


def default_region() -> str:
    """Return the region of numbers without a country code. Raises SettingError."""
    return read_default_region(os.environ)
