"""Letters, failed jobs and bodies as JSON's types. Times are ISO 8601 in UTC; a body is there only if given."""

from dataclasses import asdict
from typing import Any

from sync.dead_letters.find import Letter
from sync.events.raw import RawEvent
from sync.queue.failed import FailedJob
from sync.terminal.text import body_document
from sync.terminal.times import iso_text, row_in_json


def letter_document(letter: Letter, body: bytes | None = None) -> dict[str, Any]:
    return row_in_json(asdict(letter)) | ({} if body is None else body_document(body))


def job_document(job: FailedJob, raw_events: list[RawEvent] | None = None) -> dict[str, Any]:
    if raw_events is None:
        return row_in_json(asdict(job))
    bodies = [{"received_at": iso_text(raw.received_at), **body_document(raw.body)} for raw in raw_events]
    return row_in_json(asdict(job)) | {"bodies": bodies}
