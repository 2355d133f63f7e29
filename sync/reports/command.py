"""`zexa-sync report`: what became of the messages, by day, campaign, reason, opt-out and hour. It changes nothing."""

import json
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click

from sync.events.addresses import channel_name
from sync.events.times import EARLIEST, LATEST
from sync.reports.layouts import LAYOUTS
from sync.reports.queries import REPORTS, Report, ReportSelection
from sync.reports.text import report_csv, report_document, report_table
from sync.settings.worker import read_report_timezone
from sync.terminal.options import TEXT
from sync.terminal.program import program
from sync.terminal.stores import database
from sync.terminal.text import say, visible

STATEMENT_SECONDS = 120

Command = Callable[..., Any]


class Day(click.ParamType[str]):
    """A day as it was typed; what it means depends on today, and that on the time zone."""

    name = "day"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            read_day(value, date(2000, 1, 1))
        except ValueError:
            self.fail(f"{value!r} is no day: give 2026-06-24, today, yesterday, or 7d for seven days ago", param, ctx)
        return value


def read_day(text: str, today: date) -> date:
    """Return the day that `text` means; raise ValueError if it means none."""
    if text in ("today", "yesterday"):
        return today - timedelta(days=text == "yesterday")
    if days := re.fullmatch(r"([0-9]{1,4})d", text, re.ASCII):
        return today - timedelta(days=int(days.group(1)))
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
        raise ValueError("no day")
    day = date.fromisoformat(text)
    if not EARLIEST.date() <= day < LATEST.date():
        raise ValueError("no event can be of that day")
    return day


def _period(default: str) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        until = click.option("--until", type=Day(), metavar="DAY", help="Last day.  [default: today]")
        since = click.option(
            "--since", type=Day(), metavar="DAY", help=f"First day.  [default: {default} before the last]"
        )
        return since(until(command))

    return add


_channel = click.option(
    "--channel", type=TEXT, metavar="NAME", help="Only this channel: sms, whatsapp, telegram, email or slack."
)
_campaign = click.option(
    "--campaign", type=TEXT, metavar="ID", help="Only this campaign; then all days, unless --since is given."
)


def _forms(command: Command) -> Command:
    as_csv = click.option("--csv", "as_csv", is_flag=True, help="Print CSV: every column of the view, header first.")
    as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every row of the view.")
    return as_csv(as_json(command))


@click.group()
def report() -> None:
    """Show what became of the messages: by day, campaign, reason of failure, opt-out, hour.

    \b
    For example:
      What share arrived yesterday, on which channel?
        zexa-sync report daily --since yesterday --until yesterday
      Which campaign is stuck, or lacks messages?
        zexa-sync report campaigns
      Why do messages fail over SMS this week?
        zexa-sync report failures --channel sms --since 7d
      How many left us in June?
        zexa-sync report opt-outs --since 2026-06-01 --until 2026-06-30
      How late do events come?
        zexa-sync report lag --since today
      For a spreadsheet:
        zexa-sync report daily --since 90d --csv > daily.csv

    Each prints the rows of one view, report_daily, report_campaigns, report_failures, report_opt_outs or report_lag, as
    a table with bars. A DAY is 2026-06-24, today, yesterday, or 7d for seven days ago; --since and --until are both
    included. Days are those of ZEXA_REPORT_TIMEZONE, by which the reports count (default Africa/Luanda). Times are UTC.
    Numbers and addresses in texts are masked. docs/reporting.md explains every column.

    Exit status: 0, also if nothing was counted in the period; 1 on a failure; 2 on wrong use. Reads DATABASE_URL and
    ZEXA_REPORT_TIMEZONE.
    """


@report.command()
@_period("30d")
@_channel
@_campaign
@_forms
def daily(**options: Any) -> None:
    """Messages by the day they ended on, channel and sender.

    The bar is as long as there are messages with a final status; its full part was delivered. With --campaign they
    are counted from its messages, which takes longer the more it has.
    """
    _show("daily", "30d", **options)


@report.command()
@_period("30d")
@_channel
@_campaign
@click.option("--compare", is_flag=True, help="Ask Zexa for each campaign, and put its counts beside ours.")
@_forms
def campaigns(**options: Any) -> None:
    """Where each campaign stands: sent, completed, counts, and silent messages.

    First come campaigns sent in the period, the newest first, then campaigns of which no event says when they were
    sent. `silent` are messages of a completed campaign without a final status. The full part of the bar was delivered.

    --compare says of messages with a final status for example `ours 9,982, Zexa 10,000; 18 silent since 2026-06-24
    10:41Z`. It names the silent ones that are known here. --csv and --json have the counts as columns and up to 1,000
    ids. --compare reads ZEXA_API_KEY and ZEXA_API_URL too. It exits with 1 if Zexa cannot be asked, or if a campaign
    completed at Zexa has messages whose end is not known here.
    """
    _show("campaigns", "30d", **options)


@report.command()
@_period("30d")
@_channel
@_campaign
@_forms
def failures(**options: Any) -> None:
    """Why messages failed or are undeliverable, by channel.

    The table adds up the days, the most frequent reason first. The bar is the reason's share of the channel's failures.
    --csv and --json have a row for each day. Beneath the table stands which codes look like opt-outs, if any does, by
    what became of their addresses in 90 days. Reads ZEXA_OPT_OUT_FAILURES too.
    """
    _show("failures", "30d", **options)
    if not (options["as_csv"] or options["as_json"]):
        # Other reports need nothing of what this loads.
        from sync.reports.proposals import say_proposals  # noqa: PLC0415

        say_proposals()


@report.command("opt-outs")
@_period("30d")
@_channel
@_forms
def opt_outs(**options: Any) -> None:
    """How many opted out on each day, and by which way.

    The full part of the bar is still in force. The rate is of the messages delivered that day on that channel. Opt-outs
    of one campaign are in `zexa-sync report campaigns`.
    """
    _show("opt-outs", "30d", **options)


@report.command()
@_period("1d")
@_forms
def lag(**options: Any) -> None:
    """How long events took, by the hour in which they were received, UTC.

    `received` is from when an event occurred until it reached us: the provider's part, and that of its retries.
    `applied` is from there to the tables: our part. p90 means nine of ten took no longer.
    """
    _show("lag", "1d", **options)


def _show(
    name: str,
    default_since: str,
    *,
    since: str | None,
    until: str | None,
    as_csv: bool,
    as_json: bool,
    channel: str | None = None,
    campaign: str | None = None,
    compare: bool = False,
) -> None:
    if as_csv and as_json:
        raise click.UsageError("--csv and --json are two answers: ask for one")
    today = datetime.now(UTC).astimezone(ZoneInfo(read_report_timezone(os.environ))).date()
    last = None if until is None else read_day(until, today)
    first = None if since is None else read_day(since, today)
    if first is None and campaign is None:
        first = read_day(default_since, last or today)
    selection = ReportSelection(
        since=first,
        until=last,
        channel=None if channel is None else channel_name(channel) or channel.strip().lower(),
        campaign_id=campaign,
    )
    if selection.since and selection.until and selection.since > selection.until:
        raise click.UsageError("--since is after --until")
    report = _read(name, selection)
    if compare:
        # Who does not ask the provider need not load its client.
        from sync.reports.compare import compared_with_provider  # noqa: PLC0415

        report = compared_with_provider(report)
    if as_csv:
        say(report_csv(report))
    elif as_json:
        say(json.dumps(report_document(report), indent=2))
    else:
        say(report_table(report, LAYOUTS[name]) if report.rows else "Nothing was counted in this period.")
        if compare:
            say("\n".join(["", *(visible(f"{row['campaign_id']}: {row['compared']}") for row in report.rows)]))
    if compare and any(row["is_lacking"] for row in report.rows):
        sys.exit(1)


def _read(name: str, selection: ReportSelection) -> Report:
    timezone = read_report_timezone(os.environ)
    with database(is_read_only=True, statement_seconds=STATEMENT_SECONDS) as engine, engine.connect() as connection:
        report = REPORTS[name](connection, selection)
    if report.timezone != timezone:
        click.echo(
            f"note: days are those of {report.timezone}, and ZEXA_REPORT_TIMEZONE is {timezone}: "
            f"`{program()} rebuild --reports` changes that",
            err=True,
        )
    return report
