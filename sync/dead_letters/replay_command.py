"""`zexa-sync dead-letters replay`: reads bodies again and applies each body that can be read now."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click
from sqlalchemy import Engine

from sync.dead_letters.command_options import DIGESTS, REASON, read_selection
from sync.dead_letters.find import (
    LetterSelection,
    count_by_reason,
)
from sync.dead_letters.replay import Replayed, ReplayVerdict, replay
from sync.dead_letters.replay_ignored import IgnoredTally, apply_ignored
from sync.dead_letters.text import (
    ignored_text,
    replayed_text,
    verdicts_text,
)
from sync.events.interpretation import ParseOptions
from sync.settings.worker import read_parse_options
from sync.store.singly import ItemsHeld
from sync.terminal.options import JSON, WrongUse
from sync.terminal.progress import progress
from sync.terminal.stores import database
from sync.terminal.text import say


@click.command("replay")
@DIGESTS
@click.option("--all", "is_all", is_flag=True, help="All that are not resolved.")
@REASON
@click.option("--ignored", "with_ignored", is_flag=True, help="The ledger's ignored facts; with --all, these too.")
@JSON
def replay_(digests: tuple[str, ...], is_all: bool, reason: str | None, with_ignored: bool, as_json: bool) -> None:
    """Read what is stored again, and apply it.

    \b
    For example, after an upgrade or once the database takes what it refused:
      zexa-sync dead-letters replay --all
      zexa-sync dead-letters replay --reason refused
      zexa-sync dead-letters replay 5feceb66ffc8
      zexa-sync dead-letters replay --ignored

    Says of each letter what became of it. A letter is resolved if it is applied, ignored (of a type this version
    does not know) or unchanged (the ledger has it already). A letter that is still dead keeps waiting, with its
    present reason and one attempt more. Resolved letters are left alone unless they are named. --ignored applies
    facts that an earlier version put into the ledger without knowing their type. Replaying is safe beside running
    workers, and may be stopped and repeated at any moment.

    Exit status: 0, or 1 if a letter is still dead, a fact is refused, or on a failure. Reads DATABASE_URL and
    ZEXA_DEFAULT_REGION.
    """
    if not (digests or is_all or reason or with_ignored):
        raise WrongUse("name dead letters, or give --all, --reason or --ignored")
    if (bool(digests) + is_all + bool(reason)) > 1 or (with_ignored and (digests or reason)):
        raise WrongUse("give DIGESTs, --all or --reason, not several of them; --ignored goes alone or with --all")
    options = read_parse_options(os.environ)
    counts: Counter[ReplayVerdict] = Counter(dict.fromkeys(ReplayVerdict, 0))
    with _held_in_a_line(), database(statement_seconds=0) as engine:
        selection = read_selection(engine, digests, reason)
        replayed = _replayed(engine, selection, options, counts) if digests or is_all or reason else iter(())
        _print_replayed(replayed, as_json=as_json)
        tally = _ignored_applied(engine, options) if with_ignored else None
    if as_json:
        say(f'],\n"counts": {json.dumps(counts)},\n"ignored_facts": {json.dumps(tally and asdict(tally))}}}')
    else:
        if digests or is_all or reason:
            say(verdicts_text(counts))
        if tally is not None:
            say(ignored_text(tally))
    sys.exit(1 if counts[ReplayVerdict.STILL_DEAD] or (tally and tally.refused) else 0)


@contextmanager
def _held_in_a_line() -> Iterator[None]:
    try:
        yield
    except ItemsHeld as error:
        raise click.ClickException(f"nothing more was replayed: events known to be good fail too ({error})") from None


def _replayed(
    engine: Engine, selection: LetterSelection, options: ParseOptions, counts: Counter[ReplayVerdict]
) -> Iterator[Replayed]:
    with engine.begin() as connection:
        total = sum(count_by_reason(connection, selection).values())
    with progress("Replaying dead letters", total) as advance:
        for outcome in replay(engine, selection, options=options):
            counts[outcome.verdict] += 1
            yield outcome
            advance(1)


def _print_replayed(replayed: Iterator[Replayed], *, as_json: bool) -> None:
    """Print each as it comes, because all of them may be too many to hold; JSON is left open behind the last."""
    if as_json:
        say('{"dead_letters": [')
    for number, outcome in enumerate(replayed):
        say(f"{',' if number else ' '} {json.dumps(asdict(outcome))}" if as_json else replayed_text(outcome))


def _ignored_applied(engine: Engine, options: ParseOptions) -> IgnoredTally:
    tally = IgnoredTally()
    with progress("Reading ignored facts", None) as advance:
        for facts, page in apply_ignored(engine, options=options):
            tally += page
            advance(facts)
    return tally
