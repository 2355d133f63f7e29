"""`zexa-sync rebuild`: recomputes every row from the bodies kept, or with --check says which rows differ from them."""

import json
import os
import sys

import click
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from models.errors import error_line, is_blocked
from models.schema import require_head
from sync.rebuild.compare import Drift
from sync.rebuild.ledger_slices import estimate_facts
from sync.rebuild.progress import Bar, bar
from sync.rebuild.rollups import check_rollups, rebuild_rollups
from sync.rebuild.text import counts_document, counts_text, drift_document, drift_text
from sync.rebuild.walk import ROWS_PER_SLICE, Walk, WalkCounts, check_rows, rebuild_rows
from sync.rollups.recount import stored_timezone
from sync.settings.worker import read_parse_options, read_report_timezone
from sync.terminal.program import program
from sync.terminal.signals import stop_signals
from sync.terminal.stores import opened
from sync.terminal.text import say

STATEMENT_SECONDS = 60
SHOWN_ROWS = 100


@click.command()
@click.option("--check", "is_check", is_flag=True, help="Change nothing; print each row that drifts.")
@click.option("--reports", "reports_only", is_flag=True, help="Only the roll-ups of the reports, in seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines: drifting rows, and a summary last.")
@click.option(
    "--limit",
    type=click.IntRange(0),
    metavar="N",
    help=f"With --check: print no more than N rows; all are counted.  [default: {SHOWN_ROWS}]",
)
@click.option("--show-addresses", is_flag=True, help="With --check: print numbers and addresses in full.")
def rebuild(is_check: bool, reports_only: bool, as_json: bool, limit: int | None, show_addresses: bool) -> None:
    """Recompute every row from all that was delivered and stated, and the roll-ups of the reports from these rows.

    \b
    For example:
      zexa-sync rebuild --check
      zexa-sync rebuild --check --json --limit 1000000 > drift.jsonl
      zexa-sync rebuild
      zexa-sync rebuild --reports    after a change of ZEXA_REPORT_TIMEZONE

    A row is changed if it differs from what its facts say, added if it is missing, and removed if no fact makes it.
    A row that is right is not touched. Tables are read in this order:

    \b
      events             when each fact occurred, and which of its bodies holds
      message_status, campaign_status, nameless_opt_outs
      opt_out_history    opt-outs that a body states and that are missing
      opt_outs           each row beside all that events, people and files stated of
                         its address
      rollup_daily, rollup_campaigns, rollup_campaign_quarters

    The ledger is read in slices, each in short transactions of its own. Web and workers stay at work meanwhile, and
    stopping it or running it again is safe. If standard error is a terminal, it shows the progress.

    --check compares in the same way and writes nothing. Each drifting row is printed with what it says and what
    it should say. Numbers and addresses are personal data, so they are masked (+244…678) in rows and in texts
    unless --show-addresses is given.

    The roll-ups behind report_daily and report_campaigns are compared with message_status, together with what waits
    to be compacted into them. If they differ, or ZEXA_REPORT_TIMEZONE has changed, they are counted anew at one
    moment. Workers keep them right by themselves; tables that were changed by hand need this.

    \b
    What it does not do:
      events, bodies   none is added or removed: all else follows from them.
      opt_out_history  is only added to.
      opt_outs         no row is removed. A row that nothing states was made by hand,
                       and stays: a lost fact must not make a person reachable.
      updated_at       is not compared, and changes only if the row does.
      unreadable       bodies that this version cannot read are passed over and
                       counted; a row that may stand on one alone stays.

    Exit status: 0 if all was rebuilt, or nothing drifts; 2 on wrong use. It is 1 if --check found a row that drifts, on
    a failure, or if Ctrl-C stopped it; then what was done stays. Reads DATABASE_URL, ZEXA_REPORT_TIMEZONE,
    ZEXA_DEFAULT_REGION, ZEXA_OPT_OUT_FAILURES and ZEXA_FORGET_KEY; the last three must be those of the workers.
    """
    if not is_check and (limit is not None or show_addresses):
        raise click.UsageError("--limit and --show-addresses go with --check")
    options = read_parse_options(os.environ)
    timezone = read_report_timezone(os.environ)
    counts = WalkCounts()
    rows = SHOWN_ROWS if limit is None else limit
    try:
        with (
            stop_signals() as is_stop_asked,
            opened(is_read_only=True, statement_seconds=STATEMENT_SECONDS) as reader,
            opened(is_read_only=is_check, statement_seconds=STATEMENT_SECONDS) as writer,
        ):
            require_head(reader)
            if is_check:
                _warn_of_another_timezone(reader, timezone)
            with bar(counts, lambda: _estimate(reader)) as progress_bar:
                walk = Walk(
                    options=options,
                    rows_per_slice=ROWS_PER_SLICE,
                    is_stop_asked=is_stop_asked,
                    on_slice=progress_bar.draw,
                    counts=counts,
                )
                if is_check:
                    printer = Printer(progress_bar, rows=rows, as_json=as_json, shows_addresses=show_addresses)
                    _check(reader, walk, printer, reports_only=reports_only)
                else:
                    _rebuild(reader, writer, walk, timezone, reports_only=reports_only)
    except DBAPIError as error:
        raise click.ClickException(_failure(error, counts)) from None
    _say_counts(counts, is_check=is_check, as_json=as_json)
    if not counts.is_complete or (is_check and counts.drifting):
        sys.exit(1)


def _say_counts(counts: WalkCounts, *, is_check: bool, as_json: bool) -> None:
    if not counts.is_complete:
        click.echo("stopped", err=True)
    if as_json:
        click.echo(json.dumps(counts_document(counts, is_check=is_check)))
    else:
        say(counts_text(counts, is_check=is_check))


def _check(reader: Engine, walk: Walk, printer: "Printer", *, reports_only: bool) -> None:
    if reports_only:
        walk.counts.skip_tables()
    else:
        check_rows(reader, walk, printer.show)
    if walk.counts.is_complete:
        check_rollups(reader, walk.counts, printer.show)


def _rebuild(reader: Engine, writer: Engine, walk: Walk, timezone: str, *, reports_only: bool) -> None:
    if reports_only:
        walk.counts.skip_tables()
    else:
        rebuild_rows(reader, writer, walk)
    if walk.counts.is_complete:
        rebuild_rollups(reader, writer, walk.counts, timezone=timezone)


class Printer:
    """Prints drifting rows as they are found, the first `rows` of them."""

    def __init__(self, progress_bar: Bar, *, rows: int, as_json: bool, shows_addresses: bool) -> None:
        self._bar = progress_bar
        self._rows_left = rows
        self._as_json = as_json
        self._shows_addresses = shows_addresses

    def show(self, drift: Drift) -> None:
        if not self._rows_left:
            return
        self._rows_left -= 1
        with self._bar.aside():
            if self._as_json:
                click.echo(json.dumps(drift_document(drift, shows_addresses=self._shows_addresses)))
            else:
                say(drift_text(drift, shows_addresses=self._shows_addresses) + "\n")


def _warn_of_another_timezone(engine: Engine, timezone: str) -> None:
    with engine.begin() as connection:
        stored = stored_timezone(connection)
    if stored != timezone:
        click.echo(
            f"note: the roll-ups count by the days of {stored}, and ZEXA_REPORT_TIMEZONE is {timezone}: "
            f"`{program()} rebuild --reports` changes that",
            err=True,
        )


def _estimate(engine: Engine) -> int:
    with engine.begin() as connection:
        return estimate_facts(connection)


def _failure(error: DBAPIError, counts: WalkCounts) -> str:
    kind = error_line(error)
    if is_blocked(error):
        kind = f"{kind}: other transactions kept its rows locked"
    return f"the database of DATABASE_URL failed ({kind}) after {counts.facts:,} facts; what was done until then stays"
