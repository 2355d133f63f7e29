"""`zexa-sync opt-outs import`: records the opt-outs of a file."""

import json
import os
import sys
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy import Engine

from sync.opt_outs.command_options import BY, DELIMITER, default_region, scope
from sync.opt_outs.import_file import ImportCounts, import_opt_outs
from sync.opt_outs.import_rows import ADDRESS_COLUMNS, Defaults
from sync.settings.forget_keys import read_forget_keys
from sync.terminal.csv_file import REASON_COLUMN, CsvFile, FileError, named, named_one_of, opened_csv
from sync.terminal.csv_records import Record
from sync.terminal.csv_write import require_apart, written_together
from sync.terminal.options import FILE, FILE_GIVEN, JSON, WrongUse, past_time, words
from sync.terminal.progress import file_progress
from sync.terminal.signals import StopAsked, stop_signals
from sync.terminal.stores import database
from sync.terminal.text import say

REPORTED_ROWS_MAX = 20


@click.command("import")
@click.argument("source", metavar="FILE.csv", type=FILE_GIVEN)
@BY
@click.option(
    "--column", metavar="NAME", help=f"The column with the addresses.  [default: {', '.join(ADDRESS_COLUMNS)}]"
)
@scope("If a row names none: only for messages")
@click.option("--at", "at", type=past_time, metavar="TIME", help="If a row names none: when the person opted out.")
@click.option("--reason", type=words, metavar="TEXT", help="If a row names none: why, or how they said so.")
@click.option("--invalid", type=FILE, metavar="FILE", help="Write the rows that say nothing usable to this file.")
@DELIMITER
@JSON
def import_(
    source: Path,
    by: str,
    column: str | None,
    channel: str | None,
    sender: str | None,
    at: datetime | None,
    reason: str | None,
    invalid: Path | None,
    delimiter: str | None,
    as_json: bool,
) -> None:
    """Opt out everybody in the CSV file FILE.csv.

    \b
    For example:
      zexa-sync opt-outs import stopped.csv --by "Maria, support"
      zexa-sync opt-outs import old.csv --by Maria --column phone --channel sms --at 2026-06-24 --invalid bad.csv

    Beside the addresses these columns are read, if the file has them: channel, sender, opted_out_at, opted_in_at and
    reason. Times are ISO 8601, in UTC if they name no offset. A row is left out if its opted_in_at is after its
    opted_out_at, or if it has only an opted_in_at. A row without a time says that the person has opted out now, also if
    a person had re-subscribed the address. A row with a time, or --at, does not undo a later re-subscription.

    No opt-out is ever cleared or weakened. A row that says no more than what stands changes nothing and leaves no
    history: a file may be imported twice. Invalid rows are reported by line, never with their content. The import
    may be stopped at any moment: what was recorded until then stays.

    Exit status: 0 if every row was taken; 1 if a row is invalid, or on a failure; 2 on wrong use. Reads DATABASE_URL,
    ZEXA_DEFAULT_REGION and ZEXA_FORGET_KEY.
    """
    region = default_region()
    defaults = Defaults(
        by=by,
        channel=channel or "",
        sender=sender or "",
        at=at,
        reason=reason,
        default_region=region,
        forget_keys=read_forget_keys(os.environ),
    )
    choose = named(column) if column else named_one_of(ADDRESS_COLUMNS)
    column_text = "column of that name" if column else f"column {', '.join(ADDRESS_COLUMNS)}; name one with --column"
    try:
        if invalid:
            require_apart(source, [invalid])
        with opened_csv(source, choose, column_text=column_text, delimiter=delimiter) as file, database() as engine:
            counts = _imported(engine, file, defaults, invalid)
    except FileError as error:
        raise WrongUse(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"a file cannot be read or written ({error.strerror})") from None
    except StopAsked:
        click.echo("stopped; what was recorded until then stays", err=True)
        sys.exit(1)
    say(json.dumps({"rows": counts.rows, **asdict(counts)}, indent=2) if as_json else _text(counts))
    sys.exit(1 if counts.invalid else 0)


def _imported(engine: Engine, file: CsvFile, defaults: Defaults, invalid: Path | None) -> ImportCounts:
    reported: list[str] = []
    with ExitStack() as stack:
        is_stop_asked = stack.enter_context(stop_signals())
        output = stack.enter_context(written_together([invalid]))[0] if invalid else None
        show = stack.enter_context(file_progress("Importing", file.bytes))
        if output:
            output.write(file.encoding.mark + file.encoding.encode(file.with_column(file.header_text, REASON_COLUMN)))

        def on_invalid(record: Record, why: str) -> None:
            if len(reported) < REPORTED_ROWS_MAX:
                reported.append(f"line {record[0]:,}: {why}")
            if output:
                output.write(file.encoding.encode(file.with_column(record[1], why)))

        def on_batch(counts: ImportCounts) -> None:
            show(file.position(), counts.rows)
            if is_stop_asked():
                raise StopAsked

        counts = import_opt_outs(
            engine, file, defaults, clock=lambda: datetime.now(UTC), on_invalid=on_invalid, on_batch=on_batch
        )
    for line in reported:
        click.echo(line, err=True)
    if counts.invalid > len(reported):
        click.echo(f"and {counts.invalid - len(reported):,} more", err=True)
    return counts


def _text(counts: ImportCounts) -> str:
    width = len(f"{counts.rows:,}")
    explained = {
        "new": "opted out",
        "later": "opted out again, or later than known",
        "unchanged": "said no more than what stands",
        "ended": "a re-subscription is later",
        "invalid": "not taken",
    }
    return "\n".join(f"{name:<10}{getattr(counts, name):>{width},}  {why}" for name, why in explained.items())
