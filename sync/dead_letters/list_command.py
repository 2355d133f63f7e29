"""`zexa-sync dead-letters list`: what waits for a person, newest first."""

import json
import os
import sys
from dataclasses import dataclass

import click

from sync.dead_letters.command_options import REASON, REDIS_SECONDS
from sync.dead_letters.documents import job_document, letter_document
from sync.dead_letters.find import (
    LetterSelection,
    State,
    count_by_reason,
    oldest_letters,
)
from sync.dead_letters.text import (
    jobs_text,
    letters_text,
    reasons_text,
)
from sync.queue.connection import QueueUnavailable, opened_queue
from sync.queue.failed import FailedJob, failed_job_ids, find_failed_job
from sync.settings.environment import RedisSettings, read_redis_settings
from sync.terminal.options import JSON, WrongUse, limit
from sync.terminal.stores import database
from sync.terminal.text import say


@click.command("list")
@REASON
@click.option("--resolved", "is_resolved", is_flag=True, help="The resolved ones, in place of those that wait.")
@click.option("--all", "is_any", is_flag=True, help="The resolved ones too.")
@limit("letters and N jobs")
@JSON
def list_(reason: str | None, is_resolved: bool, is_any: bool, limit: int, as_json: bool) -> None:
    """List dead letters, oldest first, and failed jobs; never a body.

    \b
    For example:
      zexa-sync dead-letters list
      zexa-sync dead-letters list --reason not_json --limit 10
      zexa-sync dead-letters list --all --json

    The last lines count all letters of each reason, beyond the limit too. Exit status: 0, or 1 if the database or
    Redis cannot be read; without Redis the letters are listed all the same. Reads DATABASE_URL and REDIS_URL.
    """
    if is_resolved and is_any:
        raise WrongUse("give --resolved or --all, not both")
    settings = read_redis_settings(os.environ)
    state = State.RESOLVED if is_resolved else State.ANY if is_any else State.UNRESOLVED
    selection = LetterSelection(reason=reason, state=state)
    with database(is_read_only=True) as engine, engine.begin() as connection:
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
    """The first of `count` failed jobs, or the kind of error if Redis did not answer."""

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
