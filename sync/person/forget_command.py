"""`zexa-sync person forget`: erases one person, and keeps them from being messaged."""

import os
import sys
from collections.abc import Callable

import click
from sqlalchemy.exc import DBAPIError

from models.errors import error_line, is_blocked
from models.leftovers import remove_leftovers
from sync.events.addresses import AddressProblem, is_placeholder, read_address, read_on_any
from sync.events.forget_keys import is_keyed
from sync.events.interpretation import ParseOptions
from sync.events.naming import names_any
from sync.person.command_options import REDIS_SECONDS, held_about
from sync.person.erasure import Erasure
from sync.person.forget import ErasedCounts, QueueNotTaken, erase_queue, erase_rows
from sync.person.record import record_forgotten
from sync.queue.connection import OpenQueue, QueueUnavailable, opened_queue
from sync.queue.counted import processes_without
from sync.settings.environment import SettingError, read_redis_settings
from sync.settings.worker import read_parse_options
from sync.terminal.options import WrongUse, words
from sync.terminal.program import program
from sync.terminal.stores import database, opened

# What is written in one statement is little. What is read may be everything.
WRITE_SECONDS = 600
# How long nothing may take the queue.
QUEUE_SECONDS = 60.0
# A process that was seen within that time is taken to run.
SEEN_SECONDS = 60.0


@click.command()
@click.argument("address")
@click.option("--by", required=True, type=words, metavar="NAME", help="Who asked for it or decided it; kept for good.")
@click.option("--reason", required=True, type=words, metavar="TEXT", help="Why; kept for good. It must not name them.")
def forget(address: str, by: str, reason: str) -> None:
    """Erase all that is held about the person with this ADDRESS, and never message them again.

    \b
    For example:
      zexa-sync person forget +244912345678 --by "Maria, support" --reason "asked by letter, form 1234"

    Asks no question, and there is no way back. Every body, dead letter and job that names the person goes, and the
    address from every row. Of each event stays what became of a message, so counts and rates of reports stay too. A
    hash under a key of ZEXA_FORGET_KEY stands for the person. So look-ups and `opt-outs scrub` go on to say
    `suppressed` for every spelling, and what comes later is stored without address and body. Only `opt-outs remove`
    with the address ends that. Keep the key for good: web and worker refuse to start without it. Nothing is erased
    while one of them runs that was not given it. All files that were uploaded in the console go, for they may name the
    person. What no worker has done with them yet has to be asked for again.

    First it is recorded who asked, when and why. Then rows are erased, all bodies being read for it. Then it waits
    for workers to take what was in the queue before. Stopped or failed anywhere it may be run again; the second time
    changes nothing. docs/privacy.md says what backups still hold.

    Exit status: 0 if nothing is left; 1 if something may be; 2 on wrong use. Something may be left if nothing takes the
    queue for 60 s, if a store does not answer, or on a failure. Reads DATABASE_URL, REDIS_URL, ZEXA_FORGET_KEY,
    ZEXA_DEFAULT_REGION and ZEXA_OPT_OUT_FAILURES; they must be those of the workers.
    """
    options = read_parse_options(os.environ)
    if not options.forget_keys:
        raise SettingError(
            "ZEXA_FORGET_KEY is not set: make a key with `openssl rand -hex 32`, give it to web and worker too, and "
            "keep it for good"
        )
    person = _person(address, options)
    if any(map(names_any([person], options.default_region), (by.encode(), reason.encode()))):
        raise WrongUse("--by or --reason names the person, and would be kept for good; nothing was erased")
    try:
        with opened_queue(read_redis_settings(os.environ), seconds=REDIS_SECONDS) as queue:
            _require_key_everywhere(queue, options)
            counts = _forget(person, options, queue, by=by, reason=reason)
    except (QueueUnavailable, ValueError):  # ValueError: a name that no name server would be asked for
        raise _unfinished("Redis did not answer") from None
    _say(counts)


def _person(address: str, options: ParseOptions) -> str:
    """Return the one person that `address` means: as a number before anything else, else by a known id of Slack's."""
    reading = read_address("", address, options.default_region)
    if not reading.addresses and not is_placeholder(address):
        reading = read_on_any(None, address, options.default_region)
    persons = {address.person for address in reading.addresses}
    if len(persons) > 1:
        raise WrongUse("this number may be two people's: give it with a plus; nothing was erased")
    if any(map(is_keyed, persons)):
        raise WrongUse("a hash stands for a forgotten person: give the address; nothing was erased")
    if not persons or is_placeholder(address):
        raise WrongUse(f"nobody's address: {reading.problem or AddressProblem.NO_ADDRESS}; nothing was erased")
    if reading.problem is not None:
        # Slack takes any text for an id: this is one if something is held about it, else a misspelt number or address.
        held_about(address, limit=1)
    return persons.pop()


def _require_key_everywhere(queue: OpenQueue, options: ParseOptions) -> None:
    """Refuse unless web and worker have the key too: without it they would stop at once, and look-ups say `unknown`."""
    lacking = processes_without(queue, options.forget_keys[0].key_id, seen_within_seconds=SEEN_SECONDS)
    if lacking:
        raise SettingError(
            f"ZEXA_FORGET_KEY is not set, or is another one, for {' and '.join(lacking)}, which ran within the last "
            "minute: give it the same key first, restart it, and try again in a minute; nothing was erased"
        )


def _forget(person: str, options: ParseOptions, queue: OpenQueue, *, by: str, reason: str) -> ErasedCounts:
    counts = ErasedCounts()
    with database(statement_seconds=WRITE_SECONDS) as engine, opened(is_read_only=True, statement_seconds=0) as reader:
        try:
            pseudonym = record_forgotten(engine, person, options, by=by, reason=reason)
            erasure = Erasure(engine=engine, reader=reader, options=options, person=person, pseudonym=pseudonym)
            erase_rows(erasure, counts)
            if erase_queue(erasure, queue, counts, seconds=QUEUE_SECONDS, on_wait=_say_waiting()):
                erase_rows(erasure, counts)
            if not remove_leftovers(engine):
                raise _unfinished("SQLite's file could not be written anew, or another process kept its log")
        except QueueNotTaken as left:
            message = f"{left} jobs of the queue name the person, and nothing takes them: see that a worker runs"
            raise _unfinished(message) from None
        except DBAPIError as error:
            blocked = ": other transactions kept its rows locked" if is_blocked(error) else ""
            raise _unfinished(f"the database failed ({error_line(error)}{blocked})") from None
    return counts


def _say_waiting() -> Callable[[int], None]:
    shown_jobs: list[int] = []

    def say_once(jobs: int) -> None:
        if not shown_jobs:
            shown_jobs.append(jobs)
            click.echo(f"waiting for workers to take {jobs:,} jobs of the queue that name the person", err=True)

    return say_once


def _unfinished(why: str) -> click.ClickException:
    return click.ClickException(f"{why}. Not everything may be erased: run `{program()} person forget` again")


def _say(counts: ErasedCounts) -> None:
    click.echo(
        f"forgotten: erased from {counts.bodies:,} bodies, {counts.statements:,} statements, {counts.dead_letters:,} "
        f"dead letters, {counts.inbox:,} rows of the inbox, {counts.jobs:,} jobs and {counts.tasks:,} tasks of the "
        "console. Backups and files that you made still hold what they held."
    )
    sys.exit(0)
