"""`zexa-sync outages`: when deliveries could not be acknowledged, and what that may have cost."""

import json
import os
import time
from datetime import datetime, timedelta
from pathlib import Path

import click
from sqlalchemy import Connection

from sync.provider.outages.documents import outages_document
from sync.provider.outages.find import find_cost
from sync.provider.outages.in_redis import read_marks
from sync.provider.outages.losses import Loss, losses
from sync.provider.outages.marks import RedisMarks, unreachable_since
from sync.provider.outages.record import read_mark, time_of
from sync.provider.outages.recorded import read_outages, with_current
from sync.provider.outages.retries import RetrySchedule
from sync.provider.outages.silent_ids import SilentIds, find_silent
from sync.provider.outages.text import outages_text
from sync.queue.connection import connect
from sync.settings.environment import read_redis_settings
from sync.terminal.csv_file import FileError
from sync.terminal.groups import LazyGroup
from sync.terminal.options import DURATION, FILE_GIVEN, JSON, past_time
from sync.terminal.program import as_invoked
from sync.terminal.sent_ids import read_sent
from sync.terminal.stores import database
from sync.terminal.text import say

REDIS_SECONDS = 1
# Those that are resolved, or cost nothing, are shown for so long unless --since says otherwise.
SHOWN_FOR = timedelta(days=30)
SUBCOMMANDS = {"resolve": "sync.provider.outages.resolve_command:resolve_"}


def read_schedule(_context: click.Context, option: click.Parameter, text: str | None) -> RetrySchedule:
    """Read the pauses between tries, as `1m,5m,30m`."""
    if text is None:
        return RetrySchedule()
    pauses = [DURATION.convert(part, option, _context) for part in text.split(",")]
    return RetrySchedule(pauses=tuple(timedelta(seconds=pause) for pause in pauses))


@click.group(cls=LazyGroup, places=SUBCOMMANDS, invoke_without_command=True)
@click.option("--since", type=past_time, metavar="TIME", help="Only those that ended later, or last (ISO 8601, UTC).")
@click.option("--ids", "file", type=FILE_GIVEN, metavar="FILE.csv", help="Ids of messages that you sent.")
@click.option(
    "--retries",
    "schedule",
    callback=read_schedule,
    metavar="PAUSES",
    help="Zexa's pauses between one try and the next one.  [default: 1m,5m,30m]",
)
@JSON
@click.pass_context
def outages(
    context: click.Context, since: datetime | None, file: Path | None, schedule: RetrySchedule, as_json: bool
) -> None:
    """Show when deliveries could not be acknowledged, and which events may be missing since.

    \b
    For example:
      zexa-sync outages
      zexa-sync outages --since 2026-06-24 --ids sent.csv --json
      zexa-sync outages resolve --by Maria --reason "imported Zexa's opt-out list"

    An outage is a time of over 12 s in which no web process ran, or every delivery was answered 503. Zexa tries an
    event again about 1, 6 and 36 minutes after the first try: it is lost if all its tries fell into outages. Without
    --since, those that cost nothing or are resolved are shown for 30 days.

    FILE.csv has a column message_id or id, and perhaps sent_at. Its messages are named if they have no final status and
    were sent before the last event was lost. Some of them may never have had one. A message whose status is known is
    not named, though a later status of it may be lost. A STOP that was lost can be neither named nor asked for: import
    the opt-out list that Zexa keeps.

    Exit status: 0, 1 if the database or the file cannot be read, 2 on wrong use. Reads DATABASE_URL and REDIS_URL.
    """
    if context.invoked_subcommand is not None:
        return
    now = time.time()
    marks = read_marks(connect(read_redis_settings(os.environ), connections=1, seconds=REDIS_SECONDS))
    with database(is_read_only=True) as engine, engine.connect() as connection:
        shown_losses = _shown(_losses(connection, marks, now, schedule), since, time_of(now))
        costs = [find_cost(connection, loss, time_of(now)) for loss in shown_losses]
        ids = _silent(connection, file, shown_losses) if file else None
    if as_json:
        say(json.dumps(outages_document(costs, ids, is_redis_away=marks is None), indent=2))
    else:
        say(as_invoked(outages_text(costs, ids, time_of(now), schedule, is_redis_away=marks is None)))


def _losses(connection: Connection, marks: RedisMarks | None, now: float, schedule: RetrySchedule) -> list[Loss]:
    lasts_since = unreachable_since(now, marks, read_mark(connection))
    known_outages = with_current(read_outages(connection), None if lasts_since is None else time_of(lasts_since))
    return losses(known_outages, time_of(now), schedule)


def _shown(all_losses: list[Loss], since: datetime | None, now: datetime) -> list[Loss]:
    if since is not None:
        return [loss for loss in all_losses if loss.outage.ended_at is None or loss.outage.ended_at > since]
    recent = now - SHOWN_FOR
    return [
        loss
        for loss in all_losses
        if loss.is_unresolved or loss.outage.ended_at is None or loss.outage.ended_at > recent
    ]


def _silent(connection: Connection, file: Path, shown_losses: list[Loss]) -> SilentIds:
    before = max((ended for loss in shown_losses for _, ended in loss.perhaps), default=None)
    try:
        return find_silent(connection, read_sent(file), before)
    except FileError as error:
        raise click.ClickException(str(error)) from None
