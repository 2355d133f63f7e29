"""`zexa-sync dead-letters`: what waits for a person, and what a person can do about it."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import click
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from models.database import open_database
from models.errors import error_line
from models.schema import require_head
from sync.dead_letters.documents import job_document, letter_document
from sync.dead_letters.finding import (
    PREFIX_DIGITS_MIN,
    Selection,
    State,
    count_by_reason,
    find_body,
    find_letter,
    is_prefix,
    matching_digests,
    oldest_letters,
)
from sync.dead_letters.ignored_facts import IgnoredTally, apply_ignored
from sync.dead_letters.replaying import Replayed, Verdict, replay
from sync.dead_letters.resolving import resolve
from sync.dead_letters.text import (
    body_text,
    fields_text,
    ignored_text,
    jobs_text,
    letters_text,
    number_text,
    progress,
    raw_event_text,
    reasons_text,
    replayed_text,
    say,
    verdicts_text,
)
from sync.environment import RedisSettings, read_database_url, read_redis_settings
from sync.events import Reason
from sync.queue import (
    FailedJob,
    QueueUnavailable,
    failed_job_ids,
    find_failed_job,
    opened_queue,
    raw_events_of,
    requeue,
)
from sync.reading import Reading
from sync.settings import read_reading
from sync.singly import Held
from sync.tracing.text import visible

STATEMENT_SECONDS = 30
REDIS_SECONDS = 2
LIMIT_MAX = 10_000

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_REASON = click.option("--reason", type=click.Choice([reason.value for reason in Reason]), help="Only of this reason.")
_DIGESTS = click.argument("digests", metavar="[DIGEST]...", nargs=-1)


class WrongUse(click.ClickException):
    """Printed as one line, without the usage that click adds to its own."""

    exit_code = 2


@click.group()
def dead_letters() -> None:
    """Look at what could not be applied, and decide what becomes of it.

    A dead letter is an authentic delivery that could not be applied: it waits in your database, with its exact
    bytes and the reason. A failed job is one that workers could not finish: it waits in Redis with its raw
    events. Nothing here is ever removed without having been applied or put back. A DIGEST may be shortened to its
    first digits, at least six, as long as they fit one letter only.

    \b
    For example:
      zexa-sync dead-letters list
      zexa-sync dead-letters show 5feceb66ffc8
      zexa-sync dead-letters replay --all

    Exit status: 0 on success, 1 on a negative answer or a failure, 2 on wrong use.
    """


@dead_letters.command("list")
@_REASON
@click.option("--resolved", "is_resolved", is_flag=True, help="The resolved ones, in place of those that wait.")
@click.option("--all", "is_any", is_flag=True, help="The resolved ones too.")
@click.option(
    "--limit",
    default=50,
    show_default=True,
    type=click.IntRange(1, LIMIT_MAX),
    metavar="N",
    help="At most N letters and N jobs.",
)
@_JSON
def list_(reason: str | None, is_resolved: bool, is_any: bool, limit: int, as_json: bool) -> None:
    """List dead letters, oldest first, and failed jobs; never a body.

    \b
    For example:
      zexa-sync dead-letters list
      zexa-sync dead-letters list --reason not_json --limit 10
      zexa-sync dead-letters list --all --json

    At the end stands how many letters there are of each reason, whatever the limit. Exit status: 0, or 1 where
    the database or Redis cannot be read; without Redis the letters are listed all the same. Reads DATABASE_URL
    and REDIS_URL.
    """
    if is_resolved and is_any:
        raise WrongUse("give --resolved or --all, not both")
    settings = read_redis_settings(os.environ)
    state = State.RESOLVED if is_resolved else State.ANY if is_any else State.UNRESOLVED
    selection = Selection(reason=reason, state=state)
    with _database(is_read_only=True) as engine, engine.begin() as connection:
        letters = oldest_letters(connection, selection, limit=limit)
        reasons = count_by_reason(connection, selection)
    failed = _failed_jobs(settings, limit)
    if as_json:
        document = {
            "dead_letters": [letter_document(letter) for letter in letters],
            "failed_jobs": [job_document(job) for job in failed.jobs] if failed.error is None else None,
            "failed_jobs_count": failed.count if failed.error is None else None,
            "redis_error": failed.error,
            "reasons": reasons,
        }
        say(json.dumps(document, indent=2))
    else:
        say(letters_text(letters, sum(reasons.values())))
        is_away = failed.error is not None
        say(f"Failed jobs: Redis did not answer ({failed.error})." if is_away else jobs_text(failed.jobs, failed.count))
        say(reasons_text(reasons))
    sys.exit(0 if failed.error is None else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _FailedJobs:
    """The first of `count` failed jobs, or the kind of error where Redis did not answer."""

    count: int = 0
    jobs: tuple[FailedJob, ...] = ()
    error: str | None = None


def _failed_jobs(settings: RedisSettings, limit: int) -> _FailedJobs:
    try:
        with opened_queue(settings, seconds=REDIS_SECONDS) as queue:
            job_ids = failed_job_ids(queue)
            jobs = tuple(find_failed_job(queue, job_id) for job_id in job_ids[:limit])
    except QueueUnavailable as error:
        return _FailedJobs(error=str(error))
    return _FailedJobs(count=len(job_ids), jobs=jobs)


@dead_letters.command()
@click.argument("name", metavar="DIGEST|JOB_ID")
@click.option("--body", "with_body", is_flag=True, help="Show the exact body too; of a job, those of its raw events.")
@_JSON
def show(name: str, with_body: bool, as_json: bool) -> None:
    """Show one dead letter, or one failed job.

    \b
    For example:
      zexa-sync dead-letters show 5feceb66ffc8
      zexa-sync dead-letters show 5feceb66ffc8 --body
      zexa-sync dead-letters show 0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9 --json

    A body is your recipient's personal data, so it is shown only with --body; in JSON as text in `body` or, where
    it is not UTF-8, in `body_base64`. Exit status: 0, or 1 where there is none, where the digits fit several, or on
    a failure. Reads DATABASE_URL and, unless a letter is found, REDIS_URL.
    """
    with _database(is_read_only=True) as engine, engine.begin() as connection:
        is_known = is_prefix(name) and matching_digests(connection, name)
        digest = _only_digest(connection, name) if is_known else None
        letter = find_letter(connection, digest) if digest else None
        body = find_body(connection, digest) if digest and with_body else None
    if letter is None:
        _show_job(name, with_body=with_body, as_json=as_json)
    elif as_json:
        say(json.dumps(letter_document(letter, body), indent=2))
    else:
        say(fields_text(letter) + ("" if body is None else "\n" + body_text("Body", body)))


def _show_job(job_id: str, *, with_body: bool, as_json: bool) -> None:
    with _redis_answers(), opened_queue(read_redis_settings(os.environ), seconds=REDIS_SECONDS) as queue:
        job = find_failed_job(queue, job_id) if job_id in failed_job_ids(queue) else None
        raw_events = raw_events_of(queue, job_id) if job and with_body else None
    if job is None:
        raise click.ClickException(
            f"no dead letter has a digest that begins with {visible(job_id)} (give at least {PREFIX_DIGITS_MIN} hex "
            "digits), and no failed job has this id"
        )
    if as_json:
        say(json.dumps(job_document(job, raw_events), indent=2))
    else:
        say("\n".join([fields_text(job), *(raw_event_text(raw) for raw in raw_events or [])]))


@dead_letters.command("replay")
@_DIGESTS
@click.option("--all", "is_all", is_flag=True, help="All that are not resolved.")
@_REASON
@click.option("--ignored", "with_ignored", is_flag=True, help="The ledger's ignored facts; with --all, these too.")
@_JSON
def replay_(digests: tuple[str, ...], is_all: bool, reason: str | None, with_ignored: bool, as_json: bool) -> None:
    """Read what is stored again, and apply it.

    \b
    For example, after an upgrade or once the database takes what it refused:
      zexa-sync dead-letters replay --all
      zexa-sync dead-letters replay --reason refused
      zexa-sync dead-letters replay 5feceb66ffc8
      zexa-sync dead-letters replay --ignored

    Says of each letter what became of it. Those applied, ignored (of a type this version does not know) or
    unchanged (the ledger has them already) are resolved; one still dead keeps waiting, with its present reason and
    one attempt more. Resolved letters are left alone unless they are named. --ignored applies facts that an
    earlier version put into the ledger without knowing their type. Replaying is safe beside running workers, and
    may be stopped and repeated at any moment.

    Exit status: 0, or 1 if a letter is still dead, a fact is refused, or on a failure. Reads DATABASE_URL and
    ZEXA_DEFAULT_REGION.
    """
    if not (digests or is_all or reason or with_ignored):
        raise WrongUse("name dead letters, or give --all, --reason or --ignored")
    if (bool(digests) + is_all + bool(reason)) > 1 or (with_ignored and (digests or reason)):
        raise WrongUse("give DIGESTs, --all or --reason, not several of them; --ignored goes alone or with --all")
    reading = read_reading(os.environ)
    counts: Counter[Verdict] = Counter(dict.fromkeys(Verdict, 0))
    with _database() as engine:
        selection = _selection(engine, digests, reason)
        replayed = _replayed(engine, selection, reading, counts) if digests or is_all or reason else iter(())
        _print_replayed(replayed, as_json=as_json)
        tally = _ignored_applied(engine, reading) if with_ignored else None
    if as_json:
        say(f'],\n"counts": {json.dumps(counts)},\n"ignored_facts": {json.dumps(tally and asdict(tally))}}}')
    else:
        if digests or is_all or reason:
            say(verdicts_text(counts))
        if tally is not None:
            say(ignored_text(tally))
    sys.exit(1 if counts[Verdict.STILL_DEAD] or (tally and tally.refused) else 0)


def _replayed(engine: Engine, selection: Selection, reading: Reading, counts: Counter[Verdict]) -> Iterator[Replayed]:
    with engine.begin() as connection:
        total = sum(count_by_reason(connection, selection).values())
    with progress("Replaying dead letters", total) as advance:
        for one in replay(engine, selection, reading=reading):
            counts[one.verdict] += 1
            yield one
            advance(1)


def _print_replayed(replayed: Iterator[Replayed], *, as_json: bool) -> None:
    """Print each as it comes, because all of them may be too many to hold; JSON is left open behind the last."""
    if as_json:
        say('{"dead_letters": [')
    for number, one in enumerate(replayed):
        say(f"{',' if number else ' '} {json.dumps(asdict(one))}" if as_json else replayed_text(one))


def _ignored_applied(engine: Engine, reading: Reading) -> IgnoredTally:
    tally = IgnoredTally()
    with progress("Reading ignored facts", None) as advance:
        for facts, page in apply_ignored(engine, reading=reading):
            tally += page
            advance(facts)
    return tally


@dead_letters.command("resolve")
@_DIGESTS
@_REASON
@click.option("--all", "is_all", is_flag=True, help="All that are not resolved.")
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask before --all.")
def resolve_(digests: tuple[str, ...], reason: str | None, is_all: bool, is_confirmed: bool) -> None:
    """Resolve dead letters without applying them.

    \b
    For example:
      zexa-sync dead-letters resolve 5feceb66ffc8
      zexa-sync dead-letters resolve --reason not_json

    This is for letters of which you decided that nothing shall come. They keep their bodies, are listed with
    --resolved, and can be replayed by their digests. Exit status: 0, or 1
    where a DIGEST names no letter, in which case none is resolved. Reads DATABASE_URL.
    """
    if (bool(digests) + is_all + bool(reason)) != 1:
        raise WrongUse("name dead letters, or give either --reason or --all")
    with _database() as engine:
        selection = _selection(engine, digests, reason)
        if is_all and not is_confirmed:
            _confirm(engine, selection)
        resolved = resolve(engine, selection, now=datetime.now(UTC))
    before = len(selection.digests) - resolved if digests else 0
    say(f"Resolved {number_text(resolved, 'dead letter')}." + (f" Resolved before: {before:,}." if before else ""))


def _confirm(engine: Engine, selection: Selection) -> None:
    if not sys.stdin.isatty():
        raise WrongUse("--all resolves every dead letter without applying it: give --yes")
    with engine.begin() as connection:
        number = sum(count_by_reason(connection, selection).values())
    click.confirm(f"Resolve {number_text(number, 'dead letter')} without applying them?", abort=True)


@dead_letters.command("requeue")
@click.argument("job_ids", metavar="[JOB_ID]...", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="All failed jobs.")
def requeue_(job_ids: tuple[str, ...], is_all: bool) -> None:
    """Put the raw events of failed jobs back on the queue.

    \b
    For example:
      zexa-sync dead-letters requeue --all
      zexa-sync dead-letters requeue 0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9

    Each becomes a new job, opt-outs in front of all that waits; the failed one is removed once Redis confirmed the
    new one. A job that holds no raw events is not touched. Exit status: 0, or 1 where one was not put back.
    Reads REDIS_URL.
    """
    if bool(job_ids) == is_all:
        raise WrongUse("name failed jobs, or give --all")
    with _redis_answers(), opened_queue(read_redis_settings(os.environ), seconds=REDIS_SECONDS) as queue:
        failed = failed_job_ids(queue)
        known = set(failed)
        is_complete = True
        for job_id in dict.fromkeys(job_ids) if job_ids else failed:
            raw_events = requeue(queue, job_id) if job_id in known else 0
            is_complete = is_complete and raw_events > 0
            told = number_text(raw_events, "raw event") if raw_events else "it holds no raw events"
            say(
                f"{'requeued' if raw_events else 'not touched'}  {visible(job_id)}  "
                f"{told if job_id in known else 'no failed job has this id'}"
            )
    if not failed and is_all:
        say("No failed jobs.")
    sys.exit(0 if is_complete else 1)


@contextmanager
def _database(*, is_read_only: bool = False) -> Iterator[Engine]:
    # What changes something may have a large ledger to search: a person who will not wait can stop it.
    seconds = STATEMENT_SECONDS if is_read_only else 0
    engine = open_database(
        read_database_url(os.environ), pool_size=1, statement_seconds=seconds, is_read_only=is_read_only
    )
    try:
        require_head(engine)
        yield engine
    except DBAPIError as error:
        raise click.ClickException(f"the database of DATABASE_URL cannot be used: {error_line(error)}") from None
    except Held as error:
        raise click.ClickException(f"nothing more was replayed: events known to be good fail too ({error})") from None
    finally:
        engine.dispose()


@contextmanager
def _redis_answers() -> Iterator[None]:
    try:
        yield
    except QueueUnavailable as error:
        raise click.ClickException(f"the Redis of REDIS_URL did not answer ({error})") from None


def _selection(engine: Engine, prefixes: Sequence[str], reason: str | None) -> Selection:
    """Return the letters that were asked for; end the command where a prefix does not name exactly one."""
    wrong = [prefix for prefix in prefixes if not is_prefix(prefix)]
    if wrong:
        raise WrongUse(f"{visible(wrong[0])} cannot begin a digest: give at least {PREFIX_DIGITS_MIN} hex digits")
    with engine.begin() as connection:
        digests = dict.fromkeys(_only_digest(connection, prefix) for prefix in prefixes)
    return Selection(digests=tuple(digests), reason=reason)


def _only_digest(connection: Connection, prefix: str) -> str:
    found = matching_digests(connection, prefix)
    if len(found) != 1:
        fits = "fits several dead letters: give more digits" if found else "fits no dead letter"
        raise click.ClickException(f"{prefix} {fits}")
    return found[0]
