"""`zexa-sync opt-outs scrub`: takes people who must not be messaged out of a list."""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from sync.opt_outs.command_options import DELIMITER, MAX_STALE, opened_lookup, scope
from sync.opt_outs.scrub_file import Files, ScrubCounts, ScrubScope, UnknownStatusError, scrub
from sync.suppression.text import as_of_text
from sync.terminal.csv_file import FileError, named, opened_csv
from sync.terminal.csv_write import require_apart, written_together
from sync.terminal.options import FILE, FILE_GIVEN, JSON, WrongUse
from sync.terminal.progress import file_progress
from sync.terminal.signals import StopAsked, stop_signals
from sync.terminal.text import say
from sync.terminal.times import iso_text

NOTHING = "nothing was written"


@click.command("scrub")
@click.argument("source", metavar="IN.csv", type=FILE_GIVEN)
@click.option("--column", required=True, metavar="NAME", help="The column with the addresses.")
@click.option("--out", "clean", required=True, type=FILE, metavar="FILE", help="Rows that may be messaged.")
@click.option("--removed", required=True, type=FILE, metavar="FILE", help="Rows that may not.")
@click.option("--invalid", required=True, type=FILE, metavar="FILE", help="Rows without an address, or not readable.")
@scope("Only opt-outs")
@MAX_STALE
@click.option("--allow-stale", is_flag=True, help="Take people as allowed who may have opted out since `as of`.")
@DELIMITER
@JSON
def scrub_(
    source: Path,
    column: str,
    clean: Path,
    removed: Path,
    invalid: Path,
    channel: str | None,
    sender: str | None,
    max_staleness: float,
    allow_stale: bool,
    delimiter: str | None,
    as_json: bool,
) -> None:
    """Split the CSV file IN.csv into who may be messaged, who may not, and what is no address.

    \b
    For example:
      zexa-sync opt-outs scrub list.csv --column phone --out clean.csv --removed removed.csv --invalid invalid.csv

    Each row goes to exactly one of the three files, byte for byte as it is. Other columns, order, quotes, byte order
    mark and line ends stay, and each file has the header. Rows of --invalid have one column more, invalid_reason. The
    command reads UTF-8, and UTF-16 with a byte order mark; between columns , ; tab or |. A row goes to --invalid if it
    cannot be read, is too short to have the column, or has more fields than the header. So does a row whose text cannot
    be one address. Such are two numbers, a number with something behind it, and a number that a spreadsheet made a
    quantity (912345678.0).

    The files appear when all is done; if the command fails or is stopped, it writes and overwrites nothing. It
    refuses to work if the answer would be older than --max-staleness, or a store does not answer. --allow-stale
    goes on if only the age is wrong. Then --out also holds people who opted out since the moment shown, and whose
    opt-out is not applied yet. Message that list at your own risk.

    Exit status: 0 if the files are written; 1 if not; 2 on wrong use. Reads DATABASE_URL, REDIS_URL,
    ZEXA_DEFAULT_REGION and ZEXA_FORGET_KEY.
    """
    paths = [removed, invalid, clean]  # so that if there is a clean list, the others are there too
    staleness = timedelta.max if allow_stale else timedelta(seconds=max_staleness)
    scrub_scope = ScrubScope(channel=channel, sender=sender, max_staleness=staleness)
    try:
        require_apart(source, paths)
    except FileError as error:
        raise WrongUse(str(error)) from None
    counts = _scrubbed(source, column, delimiter, paths, scrub_scope)
    files = {"clean": clean, "removed": removed, "invalid": invalid}
    say(json.dumps(_document(counts, files), indent=2) if as_json else _text(counts, files))


# What to do if nobody knows up to when the answer holds, by what held it.
_WAYS_OUT = {"forget_key": "give the key that web and worker have", "clock": "set the clock right"}


def _scrubbed(source: Path, column: str, delimiter: str | None, paths: list[Path], scope: ScrubScope) -> ScrubCounts:
    try:
        with (
            stop_signals() as is_stop_asked,
            opened_csv(source, named(column), column_text="column of that name", delimiter=delimiter) as file,
            opened_lookup() as lookup,
            file_progress("Scrubbing", file.bytes) as show,
            written_together(paths) as (removed, invalid, clean),
        ):

            def on_look(counts: ScrubCounts) -> None:
                show(file.position(), counts.rows)
                if is_stop_asked():
                    raise StopAsked

            return scrub(lookup, file, Files(clean=clean, removed=removed, invalid=invalid), scope, on_look)
    except FileError as error:
        raise WrongUse(f"{error}; {NOTHING}") from None
    except UnknownStatusError as error:
        since = as_of_text(error.as_of, error.held_by).rstrip(".")
        unknown = _WAYS_OUT.get(error.held_by or "", "see that it runs")
        way_out = "wait until it is applied, or see --allow-stale" if error.as_of else unknown
        raise click.ClickException(f"{since}; {NOTHING}: {way_out}") from None
    except OSError as error:
        raise click.ClickException(f"a file cannot be read or written ({error.strerror}); {NOTHING}") from None
    except StopAsked:
        click.echo(f"stopped; {NOTHING}", err=True)
        sys.exit(1)


def _document(counts: ScrubCounts, files: dict[str, Path]) -> dict[str, Any]:
    return {
        "rows": counts.rows,
        **{name: {"rows": getattr(counts, name), "file": str(path)} for name, path in files.items()},
        "as_of": iso_text(counts.as_of),
        "held_by": counts.held_by,
    }


def _text(counts: ScrubCounts, files: dict[str, Path]) -> str:
    width = len(f"{counts.rows:,}")
    lines = [f"{name:<8}{getattr(counts, name):>{width},}  {path}" for name, path in files.items()]
    return "\n".join([*lines, as_of_text(counts.as_of, counts.held_by)])
