"""`zexa-sync dead-letters show`: all that is known of one letter or one failed job."""

import json
import os

import click

from sync.dead_letters.command_options import REDIS_SECONDS, _only_digest, redis_answers
from sync.dead_letters.documents import job_document, letter_document
from sync.dead_letters.find import (
    PREFIX_DIGITS_MIN,
    find_body,
    find_letter,
    is_prefix,
    matching_digests,
)
from sync.dead_letters.text import (
    fields_text,
    raw_event_text,
)
from sync.queue.connection import opened_queue
from sync.queue.failed import failed_job_ids, find_failed_job, raw_events_of
from sync.settings.environment import read_redis_settings
from sync.terminal.options import JSON
from sync.terminal.stores import database
from sync.terminal.text import body_text, say, visible


@click.command()
@click.argument("name", metavar="DIGEST|JOB_ID")
@click.option("--body", "with_body", is_flag=True, help="Show the exact body too; of a job, those of its raw events.")
@JSON
def show(name: str, with_body: bool, as_json: bool) -> None:
    """Show one dead letter, or one failed job.

    \b
    For example:
      zexa-sync dead-letters show 5feceb66ffc8
      zexa-sync dead-letters show 5feceb66ffc8 --body
      zexa-sync dead-letters show 0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9 --json

    A body is your recipient's personal data, so it is shown only with --body. JSON has it as text in `body` or, if
    it is not UTF-8, in `body_base64`. Exit status: 0, or 1 if there is none, if the digits fit several, or on a
    failure. Reads DATABASE_URL and, unless a letter is found, REDIS_URL.
    """
    with database(is_read_only=True) as engine, engine.begin() as connection:
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
    with redis_answers(), opened_queue(read_redis_settings(os.environ), seconds=REDIS_SECONDS) as queue:
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
