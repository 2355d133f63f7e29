"""`zexa-sync opt-outs export`: writes opt-outs as a CSV file that `import` reads back."""

import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

import click

from sync.events.addresses import sender_text
from sync.events.forget_keys import is_keyed
from sync.opt_outs.command_options import default_region, scope
from sync.opt_outs.find import OptOutSelection, StoredOptOut, every_opt_out
from sync.terminal.csv_cells import defused
from sync.terminal.csv_file import FileError
from sync.terminal.csv_write import written_together
from sync.terminal.options import FILE, WrongUse
from sync.terminal.stores import database
from sync.terminal.text import visible
from sync.terminal.times import iso_text

COLUMNS = ("address", "channel", "sender", "opted_out_at", "opted_in_at", "source", "message_id", "reason")


@click.command()
@click.argument("file", metavar="[FILE|-]", type=FILE, default="-")
@click.option("--all", "is_any", is_flag=True, help="Those that a re-subscription ended too.")
@scope("Only opt-outs that name it: those")
def export(file: Path, is_any: bool, channel: str | None, sender: str | None) -> None:
    """Write the opt-outs in force to FILE, or to standard output, as CSV.

    \b
    For example:
      zexa-sync opt-outs export opt_outs.csv
      zexa-sync opt-outs export --all - | gzip > everything.csv.gz

    The file holds addresses in full, in UTF-8. `zexa-sync opt-outs import` reads it back. It appears when it is
    complete. A cell that a spreadsheet would take for a formula begins with an apostrophe, which `import` takes off
    again; telephone numbers stay as they are. People whom `zexa-sync person forget` erased are not in it.

    Exit status: 0, or 1 on a failure. Reads DATABASE_URL.
    """
    selection = OptOutSelection(channel=channel, sender=sender and sender_text(sender, default_region()), is_any=is_any)
    try:
        with (
            database(is_read_only=True, statement_seconds=0) as engine,
            engine.begin() as connection,
            _opened(file) as (output, cell_text),
        ):
            forgotten = _write(output, every_opt_out(connection, selection), cell_text)
    except FileError as error:
        raise WrongUse(str(error)) from None
    except BrokenPipeError:  # the reader has enough, and click knows what to do
        raise
    except OSError as error:
        raise click.ClickException(f"the file cannot be written ({error.strerror})") from None
    if forgotten:
        click.echo(f"{forgotten:,} opt-outs of forgotten people are not in it: `check` and `scrub` know them", err=True)


@contextmanager
def _opened(file: Path) -> Iterator[tuple[BinaryIO, Callable[[str], str]]]:
    """Yield the stream to write to, and a function that prepares a cell: a cell must not steer a terminal."""
    if str(file) == "-":
        yield sys.stdout.buffer, visible if sys.stdout.isatty() else str
        return
    with written_together([file]) as (output,):
        yield output, str


def _write(output: BinaryIO, rows: Iterator[StoredOptOut], cell_text: Callable[[str], str]) -> int:
    """Write `rows` but for those of forgotten people, whom no list can name; return how many these are."""
    forgotten = 0
    text = TextIOWrapper(output, "utf-8", newline="", write_through=False)
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        if is_keyed(row["address"]):
            forgotten += 1
            continue
        times = [iso_text(row[name]) for name in ("opted_out_at", "opted_in_at")]
        names = [row[name] for name in ("address", "channel", "sender")]
        cells = [*names, *times, row["source"], row["message_id"], row["note"]]
        writer.writerow([cell_text(defused(cell or "")) for cell in cells])
    text.flush()
    text.detach()  # the file is its owner's to close
    return forgotten
