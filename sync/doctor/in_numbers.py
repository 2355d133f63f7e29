"""The checks of what is counted: processes, what waits, what was refused, silence and copies. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from sync.doctor import traffic_findings as findings
from sync.doctor.store_findings import SECRET_IDLE
from sync.provider.outages.text import outage_text
from sync.status import InDatabase, InRedis, LastHour, Numbers, ProcessesSeen
from sync.terminal.findings import Check, ok, unknown
from sync.terminal.text import number_text
from sync.terminal.times import duration_text

# Waiting for longer, while a worker runs, is late. An event of the journal may wait a minute before it is due.
LATE = timedelta(minutes=1)
LATE_IN_INBOX = timedelta(minutes=2)
# From so many events on a share of copies says something.
EVENTS_MIN = 10
COPIES_SHARE = 0.5


def check_numbers(numbers: Numbers) -> Iterator[Check]:
    """Yield what the numbers say; nothing of a store that did not answer."""
    now = numbers.looked_at
    if numbers.redis:
        yield from _secrets(numbers.redis, now)
        yield from _in_redis(numbers.redis, now)
        yield _silence(numbers, numbers.redis)
    if numbers.database:
        yield from _in_database(numbers.database, numbers.freshness.held_by, now)
        yield from _outages(numbers)
        yield _tasks(numbers)


def _secrets(redis: InRedis, now: datetime) -> Iterator[Check]:
    """Name a secret that matches nothing while another one does."""
    for secret in redis.secrets or ():
        if since := redis.replaced_since(secret):
            yield SECRET_IDLE(position=secret.position, days=number_text((now - since).days, "day"))


def _in_redis(redis: InRedis, now: datetime) -> Iterator[Check]:
    yield _web(redis.web, now)
    yield _workers(redis.workers, now)
    yield _queue(redis, now)
    failed = f"{redis.failed_jobs:,}"
    yield findings.JOBS_FAILED(jobs=failed) if redis.failed_jobs else ok("failed_jobs", "no job failed")
    yield _refusals(redis.last_hour)
    yield _copies(redis.last_hour)


def _web(web: ProcessesSeen, now: datetime) -> Check:
    if web.latest is None:
        return findings.WEB_NEVER()
    running = web.running(now)
    return ok("web", f"{_processes(running)} now") if running else findings.WEB_GONE(ago=_ago(web.latest, now))


def _workers(workers: ProcessesSeen, now: datetime) -> Check:
    running = workers.running(now)
    if running:
        return ok("workers", f"{_processes(running)} now")
    if workers.latest is None:
        return findings.WORKERS_NEVER()
    return findings.WORKERS_GONE(ago=_ago(workers.latest, now))


def _processes(number: int) -> str:
    return f"{number:,} runs" if number == 1 else f"{number:,} run"


def _queue(redis: InRedis, now: datetime) -> Check:
    jobs = f"{redis.queue_jobs:,}"
    age = now - redis.oldest_waiting_at if redis.oldest_waiting_at else timedelta()
    if redis.queue_jobs and age > LATE:
        return findings.QUEUE_OLD(jobs=jobs, age=duration_text(age.total_seconds()))
    return ok("queue", f"jobs in the queue: {jobs}")


def _in_database(database: InDatabase, held_by: str | None, now: datetime) -> Iterator[Check]:
    if not database.dead_letters:
        yield ok("dead_letters", "none waits")
    else:
        finding = findings.DEAD_LETTERS_HOLD if held_by == "dead_letters" else findings.DEAD_LETTERS
        yield finding(bodies=f"{database.dead_letters:,}")
    rows = f"{database.inbox_rows:,}"
    age = now - database.inbox_oldest_at if database.inbox_oldest_at else timedelta()
    if age > LATE_IN_INBOX:
        yield findings.INBOX_OLD(rows=rows, age=duration_text(age.total_seconds()))
    else:
        yield ok("inbox", f"events in the inbox: {rows}")


def _outages(numbers: Numbers) -> Iterator[Check]:
    """Name the outage that lasts, and those of which a person has not said that their losses are looked after."""
    outages = numbers.outages or []
    unresolved = [loss for loss in outages if loss.is_unresolved and loss.outage.ended_at is not None]
    for loss in outages:
        if loss.outage.ended_at is None:
            yield findings.UNREACHABLE(outage=outage_text(loss, numbers.looked_at))
    if unresolved:
        more = f"; and {len(unresolved) - 1:,} more" if len(unresolved) > 1 else ""
        yield findings.OUTAGES(outage=outage_text(unresolved[-1], numbers.looked_at) + more)
    if numbers.database and numbers.database.mark is None and not outages:
        yield ok("outages", "no web process has started yet, so nothing could be missed")
    else:
        yield ok("outages", "none of which events may be missing")


def _tasks(numbers: Numbers) -> Check:
    waits = numbers.task_waits_seconds
    if waits is not None:
        return findings.TASKS_OLD(age=duration_text(waits))
    return ok("tasks", "no work of the console waits for long")


def _refusals(hour: LastHour) -> Check:
    """Judge what was not accepted. Strangers who sign nothing are no fault, if there are few."""
    refused: Mapping[str, int] = {**hour.refused, "not stored": hour.deliveries["503"]}
    unsigned = refused["missing"] + refused["malformed"]
    counts = {
        findings.REFUSED_WRONG: refused["wrong"],
        findings.REFUSED_RETIRED: refused["retired"],
        findings.REFUSED_UNSIGNED: unsigned,
        findings.REFUSED_TOO_LARGE: refused["too_large"],
        findings.NOT_STORED: refused["not stored"],
    }
    accepted = f"{hour.accepted:,}"
    total = sum(counts.values())
    if total > hour.accepted:
        finding, most = max(counts.items(), key=lambda count: count[1])
        return finding(refused=f"{most:,}", accepted=accepted)
    if total > unsigned:
        reasons = ", ".join(f"{reason}: {number:,}" for reason, number in refused.items() if number)
        return findings.REFUSED_SOME(refused=f"{total:,}", accepted=accepted, reasons=reasons)
    return ok("refusals", f"in the last hour {total:,} refused, {accepted} accepted")


def _silence(numbers: Numbers, redis: InRedis) -> Check:
    silence, usual = numbers.silence_seconds, redis.usual_gap_seconds
    if silence is None:
        return unknown("silence", "no delivery came since Redis counts", "send one: `zexa-sync doctor --url URL`")
    ago = duration_text(silence)
    if usual is None:
        return unknown("silence", f"the last delivery came {ago} ago; what is usual is known after two weeks")
    gap = duration_text(usual)
    if numbers.is_silent:
        return findings.SILENT(silence=ago, gap=gap)
    return ok("silence", f"the last delivery came {ago} ago; the longest usual gap is {gap}")


def _copies(hour: LastHour) -> Check:
    first = hour.events["applied"] + hour.events["ignored"]
    if first < EVENTS_MIN:
        return unknown("copies", f"fewer than {EVENTS_MIN} events came in the last hour")
    share = hour.quick_copies / first
    if share < COPIES_SHARE:
        return ok("copies", f"{hour.events['unchanged'] / first:.0%} of the events of the last hour came again")
    gap = round(hour.quick_copies_seconds / hour.quick_copies * 1000)
    times = "twice" if share < 1.5 else f"{round(1 + share)} times"
    return findings.COPIES(times=times, gap=gap)


def _ago(moment: datetime, now: datetime) -> str:
    return f"{duration_text((now - moment).total_seconds())} ago"
