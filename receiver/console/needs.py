"""What needs a person, worst first: the numbers of `status` in words of the person's language."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup
from sqlalchemy import Connection

from receiver.console.language import _, counted, duration_text, number_text
from sync.dead_letters.replay_request import KIND as REPLAY
from sync.status import InRedis, Numbers
from sync.suppression import MAX_STALENESS
from sync.tasks import TaskRecord, TaskState, latest_tasks

INBOX_SECONDS = 60
FAILED_WITHIN = timedelta(days=7)
# So many of the latest are looked at.
TASKS_LOOKED_AT = 50

HELD_BY = {
    "queue": "a later opt-out waits in the queue",
    "inbox": "a later opt-out waits in the inbox",
    "dead_letters": "what may be a later opt-out is a dead letter",
    "message": "a later opt-out names no address, and an event that waits may name the person",
    "clock": "clocks differ",
    "redis": "Redis did not answer",
    "database": "the database did not answer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One thing that needs a person; `page` is where to see or mend it."""

    is_urgent: bool
    text: Markup
    page: str = "health"


def count_failed_work(connection: Connection, now: datetime) -> int:
    """Return how much of what people asked a worker for did not succeed of late."""
    latest = latest_tasks(connection, limit=TASKS_LOOKED_AT)
    return len(unsettled([task for task in latest if now - task.asked_at < FAILED_WITHIN]))


def unsettled(latest: Sequence[TaskRecord]) -> list[TaskRecord]:
    """Return which of these tasks, the latest first, failed and still need a person. Pure.

    A failure needs nobody any more that somebody has seen, or after which a replay of the same letters succeeded. Of
    lists nobody knows whether another one was the same.
    """
    failed, replayed = [], []
    for task in latest:
        letters = {name: value for name, value in task.parameters.items() if name != "received_until"}
        is_replay = task.kind == REPLAY and bool(letters)  # none are known since somebody was forgotten
        if is_replay and task.state is TaskState.DONE:
            replayed.append(letters)
        is_settled = task.resolved_at is not None or (is_replay and letters in replayed)
        if task.state is TaskState.FAILED and not is_settled:
            failed.append(task)
    return failed


def needs(numbers: Numbers, *, failed_work: int) -> list[Need]:
    """Return what needs a person; nothing if all is well."""
    return sorted([*_needs(numbers), *_of_work(failed_work)], key=lambda need: not need.is_urgent)


def held_by_text(held_by: str | None) -> Markup:
    return _(HELD_BY.get(held_by or "", held_by or ""))


def _needs(numbers: Numbers) -> Iterator[Need]:
    if numbers.redis is None:
        yield Need(is_urgent=True, text=_("Redis does not answer. Deliveries are kept in the database meanwhile."))
    else:
        yield from _of_redis(numbers, numbers.redis)
    if numbers.database is not None:
        if letters := numbers.database.dead_letters:
            text = counted(letters, "{n} dead letter waits for a decision.", "{n} dead letters wait for a decision.")
            # Nobody may be messaged soon, if one of them may be an opt-out.
            is_urgent = numbers.freshness.held_by == "dead_letters"
            yield Need(is_urgent=is_urgent, text=text, page="dead_letters")
        oldest = numbers.database.inbox_oldest_at
        if oldest and (age := (numbers.looked_at - oldest).total_seconds()) > INBOX_SECONDS:
            text = _("Events wait in the inbox, the oldest for {age}. Is a worker running?", age=duration_text(age))
            yield Need(is_urgent=True, text=text)
    if began := numbers.unreachable_since:
        lasts = duration_text((numbers.looked_at - began).total_seconds())
        yield Need(is_urgent=True, text=_("No delivery can be acknowledged since {age}.", age=lasts))
    if waits := numbers.task_waits_seconds:
        text = _("Work that somebody asked for waits for {age}, though a worker runs.", age=duration_text(waits))
        yield Need(is_urgent=False, text=text, page="tasks")
    if unresolved := sum(loss.is_unresolved for loss in numbers.outages or ()):
        text = counted(
            unresolved,
            "{n} outage may have cost deliveries, and nobody has looked after them.",
            "{n} outages may have cost deliveries, and nobody has looked after them.",
        )
        yield Need(is_urgent=False, text=text)
    if numbers.is_stale(MAX_STALENESS.total_seconds()):
        why = held_by_text(numbers.freshness.held_by)
        yield Need(is_urgent=True, text=_("Opt-outs are stale, so nobody may be messaged now: {why}.", why=why))
    if numbers.do_clocks_differ:
        spread = duration_text(numbers.clock_spread_seconds)
        text = _("The clocks of this machine and of the stores differ by {spread}.", spread=spread)
        yield Need(is_urgent=False, text=text)


def _of_work(failed: int) -> Iterator[Need]:
    if failed:
        text = counted(
            failed,
            "{n} piece of work that somebody asked for did not succeed this week.",
            "{n} pieces of work that somebody asked for did not succeed this week.",
        )
        yield Need(is_urgent=False, text=text, page="tasks")


def _of_redis(numbers: Numbers, redis: InRedis) -> Iterator[Need]:
    if numbers.lacks_workers:
        text = counted(
            redis.queue_jobs,
            "{n} job waits and no worker runs. Start a worker.",
            "{n} jobs wait and no worker runs. Start a worker.",
        )
        yield Need(is_urgent=True, text=text)
    hour = redis.last_hour
    if hour.are_most_refused:
        text = _(
            "In the last hour {refused} deliveries were refused and {accepted} accepted. Is the secret right?",
            refused=number_text(hour.refusals),
            accepted=number_text(hour.accepted),
        )
        yield Need(is_urgent=True, text=text)
    if numbers.is_silent and numbers.silence_seconds is not None:
        silence = duration_text(numbers.silence_seconds)
        usual = duration_text(redis.usual_gap_seconds)
        text = _("No delivery came for {silence}; usually one comes every {usual}.", silence=silence, usual=usual)
        yield Need(is_urgent=True, text=text)
    if redis.failed_jobs:
        yield Need(is_urgent=False, text=counted(redis.failed_jobs, "{n} job failed.", "{n} jobs failed."))
