"""`zexa-sync dead-letters requeue`: puts the raw events of failed jobs on the queue again."""

import os
import sys

import click

from sync.dead_letters.command_options import REDIS_SECONDS, redis_answers
from sync.queue.connection import opened_queue
from sync.queue.failed import failed_job_ids, requeue
from sync.settings.environment import read_redis_settings
from sync.terminal.options import WrongUse
from sync.terminal.text import number_text, say, visible


@click.command("requeue")
@click.argument("job_ids", metavar="[JOB_ID]...", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="All failed jobs.")
def requeue_(job_ids: tuple[str, ...], is_all: bool) -> None:
    """Put the raw events of failed jobs back on the queue.

    \b
    For example:
      zexa-sync dead-letters requeue --all
      zexa-sync dead-letters requeue 0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9

    Each failed job becomes a new job; opt-outs go in front of all jobs that wait. The failed job is removed once
    Redis confirmed the new job. A job that holds no raw events is not touched. Exit status: 0, or 1 if a job was not
    put back. Reads REDIS_URL.
    """
    if bool(job_ids) == is_all:
        raise WrongUse("name failed jobs, or give --all")
    with redis_answers(), opened_queue(read_redis_settings(os.environ), seconds=REDIS_SECONDS) as queue:
        failed = failed_job_ids(queue)
        failed_ids = set(failed)
        is_complete = True
        for job_id in dict.fromkeys(job_ids) if job_ids else failed:
            raw_events = requeue(queue, job_id) if job_id in failed_ids else 0
            is_complete = is_complete and raw_events > 0
            reply = number_text(raw_events, "raw event") if raw_events else "it holds no raw events"
            say(
                f"{'requeued' if raw_events else 'not touched'}  {visible(job_id)}  "
                f"{reply if job_id in failed_ids else 'no failed job has this id'}"
            )
    if not failed and is_all:
        say("No failed jobs.")
    sys.exit(0 if is_complete else 1)
