"""`zexa-sync reconcile`: asks the provider for messages without a final status, and merges what it answers."""

import json
import os
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy import Engine

from sync.provider.ask import Asker, AskingFailed
from sync.provider.client import ProviderClient
from sync.provider.reconcile_counting import RepairedCount
from sync.provider.reconcile_text import reconcile_document, reconcile_text
from sync.provider.silent_messages import AskSelection, DueMessages, find_due
from sync.queue.connection import opened_queue
from sync.settings.environment import read_redis_settings
from sync.settings.provider import ProviderSettings
from sync.settings.worker import read_parse_options
from sync.terminal.csv_file import FileError
from sync.terminal.options import FILE_GIVEN, JSON, TEXT, FiniteRange, WrongUse, past_time
from sync.terminal.progress import progress
from sync.terminal.sent_ids import SentMessage, read_sent
from sync.terminal.signals import stop_signals
from sync.terminal.stores import database
from sync.terminal.text import say
from sync.terminal.times import duration_text

RATE = 5.0
REDIS_SECONDS = 2


@click.command()
@click.option("--since", type=past_time, metavar="TIME", help="Of known messages: those heard of since then.")
@click.option("--campaign", "campaign_id", type=TEXT, metavar="ID", help="Of known messages: those of this campaign.")
@click.option("--ids", "ids_file", type=FILE_GIVEN, metavar="FILE.csv", help="Ask for these messages too.")
@click.option(
    "--rate", type=FiniteRange(0.01, 1000), default=RATE, show_default=True, metavar="N", help="Requests a second."
)
@JSON
def reconcile(
    since: datetime | None, campaign_id: str | None, ids_file: Path | None, rate: float, as_json: bool
) -> None:
    """Ask Zexa what became of messages without a final status, and merge what it says.

    \b
    For example:
      zexa-sync reconcile --since 2026-06-24T10:00:00Z
      zexa-sync reconcile --campaign cmp_1 --ids sent.csv

    Zexa gives an event up after some 36 minutes. After a longer outage messages have no final status, or are not known
    at all. For those not known, give the ids of what you sent, in a CSV file with a column message_id or id. A STOP
    that was lost cannot be asked for.

    An answer is kept as a fact that was asked for, not signed. A signed event always goes before it, and it changes no
    opt-out. What was repaired is counted in the metric zexa_reconciled_events_total.

    No message is asked for twice within an hour, by whatever process. So a run that was stopped or killed goes on where
    it was if it is started again. If Zexa takes no more requests for a while (429), the command waits for as long.

    Exit status: 0 if every message was asked for and answered; 1 if not, or on a failure; 2 on wrong use. Reads
    ZEXA_API_KEY, ZEXA_API_URL, DATABASE_URL, REDIS_URL, ZEXA_DEFAULT_REGION, ZEXA_OPT_OUT_FAILURES and
    ZEXA_FORGET_KEY.
    """
    provider, options = ProviderSettings.read(os.environ), read_parse_options(os.environ)
    redis, why = read_redis_settings(os.environ), None
    listed = _listed(ids_file)
    ids = list(dict.fromkeys(sent.message_id for sent in listed if sent))
    selection = AskSelection(since=since, campaign_id=campaign_id, ids=ids)
    with ExitStack() as stack:
        is_stop_asked = stack.enter_context(stop_signals())
        engine: Engine = stack.enter_context(database())
        client = stack.enter_context(ProviderClient(provider))
        repaired = RepairedCount(stack.enter_context(opened_queue(redis, seconds=REDIS_SECONDS)))
        due_messages = find_due(engine, selection, datetime.now(UTC))
        advance = stack.enter_context(progress("Asking", len(due_messages.due)))
        asker = Asker(
            engine,
            client,
            options=options,
            rate=rate,
            is_stop_asked=is_stop_asked,
            on_answer=lambda: advance(1),
            on_wait=_say_wait,
            on_repaired=repaired.add,
        )
        try:
            is_done = asker.ask(due_messages.due)
        except AskingFailed as error:
            is_done, why = False, f"{error}"
        finally:
            is_counted = repaired.send()
    _report(asker, due_messages, listed, is_done=is_done, as_json=as_json)
    if not is_counted:
        click.echo("note: Redis did not answer, so the metric does not count what was repaired", err=True)
    if not is_done:
        click.echo(f"{why or 'stopped'}; run the same again to go on", err=True)
    sys.exit(0 if is_done and not asker.counts.failed else 1)


def _listed(path: Path | None) -> list[SentMessage | None]:
    try:
        return list(read_sent(path)) if path else []
    except FileError as error:
        raise WrongUse(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"the file cannot be read ({error.strerror})") from None


def _say_wait(seconds: float) -> None:
    click.echo(f"Zexa takes no more requests for now: waiting {duration_text(seconds)}", err=True)


def _report(
    asker: Asker, due_messages: DueMessages, listed: list[SentMessage | None], *, is_done: bool, as_json: bool
) -> None:
    numbers = {
        "total": len(due_messages.due),
        "asked_just_now": due_messages.asked_just_now,
        "unusable": listed.count(None),
    }
    if as_json:
        say(json.dumps(reconcile_document(asker.counts, is_done=is_done, **numbers), indent=2))
    else:
        say(reconcile_text(asker.counts, **numbers))
