"""Letters, failed jobs and bodies as JSON's types. Times are ISO 8601 in UTC; a body is there only if given."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sync.dead_letters.find import Letter
from sync.events.raw import RawEvent
from sync.queue.failed import FailedJob
from sync.terminal.text import body_document


def letter_document(letter: Letter, body: bytes | None = None) -> dict[str, Any]:
    return _with_times(asdict(letter)) | ({} if body is None else body_document(body))


def job_document(job: FailedJob, raw_events: list[RawEvent] | None = None) -> dict[str, Any]:
    if raw_events is None:
        return _with_times(asdict(job))
    bodies = [{"received_at": _iso(raw.received_at), **body_document(raw.body)} for raw in raw_events]
    return _with_times(asdict(job)) | {"bodies": bodies}


def _with_times(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _iso(value) if isinstance(value, datetime) else value for name, value in fields.items()}


def _iso(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
