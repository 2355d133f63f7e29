"""Reports to a person or a program how a simulation goes and went. It never quotes a body, an address or the secret."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sync.devtools.simulate.counts import SendCounts

REFRESH_SECONDS = 0.2
# Less is the computer's own unevenness.
LATE_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run was asked to do. `url` is fit for display."""

    url: str
    events: int
    copies: int
    seed: int
    start: datetime
    rate_per_second: float

    @property
    def total(self) -> int:
        return self.events + self.copies


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What became of a run; its fields are those of `--json`.

    `events` + `copies` = `accepted` + `given_up` + `unfinished`. Of `deliveries`, which counts requests,
    `refused` says how many met which status.
    """

    url: str
    seed: int
    start: str
    events: int
    copies: int
    deliveries: int
    accepted: int
    refused: dict[str, int]
    timed_out: int
    unanswered: int
    retries: int
    given_up: int
    unfinished: int
    seconds: float
    deliveries_per_second: float
    rate_asked_per_second: float
    rate_offered_per_second: float
    late_seconds_max: float
    latency_ms: dict[str, float | None]

    @property
    def is_all_accepted(self) -> bool:
        return self.accepted == self.events + self.copies


def summarise(run: Run, counts: SendCounts) -> Summary:
    """Return the summary of a run that ended or was stopped."""
    latencies = {f"p{percent}": counts.latencies.percentile_seconds(percent) for percent in (50, 90, 99)}
    latencies["max"] = counts.latencies.seconds_max if counts.latencies.count else None
    # The last delivery, too, takes its share of the time.
    begun_seconds = counts.begun_seconds + (1 / run.rate_per_second if run.rate_per_second else 0)
    return Summary(
        url=run.url,
        seed=run.seed,
        start=run.start.isoformat(),
        events=run.events,
        copies=run.copies,
        deliveries=counts.deliveries,
        accepted=counts.accepted,
        refused={str(status): number for status, number in sorted(counts.refused.items())},
        timed_out=counts.timed_out,
        unanswered=counts.unanswered,
        retries=counts.retries,
        given_up=counts.given_up,
        unfinished=run.total - counts.finished,
        seconds=round(counts.seconds, 3),
        deliveries_per_second=_per_second(counts.deliveries, counts.seconds),
        rate_asked_per_second=run.rate_per_second,
        rate_offered_per_second=_per_second(counts.begun, begun_seconds),
        late_seconds_max=round(counts.late_seconds_max, 3),
        latency_ms={name: seconds and round(seconds * 1000, 2) for name, seconds in latencies.items()},
    )


def _per_second(number: int, seconds: float) -> float:
    return round(number / seconds, 1) if seconds else 0.0


def as_text(summary: Summary) -> str:
    """Return the summary in lines for a person; what stayed at zero and only matters otherwise is left out."""
    refused = ", ".join(f"{number:,} with {status}" for status, number in summary.refused.items()) or "0"
    latencies = "  ".join(f"{name} {value:,.1f}" for name, value in summary.latency_ms.items() if value is not None)
    lines = {
        "target": summary.url,
        "events": f"{summary.events:,} and {summary.copies:,} copies (seed {summary.seed}, start {summary.start})",
        "deliveries": f"{summary.deliveries:,} in {summary.seconds:,.1f} s: {summary.deliveries_per_second:,.0f}/s",
        "accepted": f"{summary.accepted:,}",
        "refused": refused,
        "no answer": f"{summary.timed_out:,} timed out, {summary.unanswered:,} refused or broken connections",
        "retries": f"{summary.retries:,}",
        "given up": f"{summary.given_up:,}",
        "unfinished": f"{summary.unfinished:,}" if summary.unfinished else "",
        "latency ms": latencies or "no answers",
        "rate": _rate_text(summary),
    }
    return "\n".join(f"{name:<11} {text}" for name, text in lines.items() if text)


def _rate_text(summary: Summary) -> str:
    if not summary.rate_asked_per_second:
        return ""
    text = f"{summary.rate_offered_per_second:,.1f}/s offered of {summary.rate_asked_per_second:,g}/s asked"
    if summary.late_seconds_max < LATE_SECONDS:
        return text
    late = f"deliveries left up to {summary.late_seconds_max:,.1f} s late"
    return f"NOT HELD, {text}: {late}, all connections waiting for answers or this machine too busy"


@contextmanager
def progress(run: Run, counts: SendCounts) -> Iterator[None]:
    """Show a bar on standard error while the block runs, if a person is watching. Needs a running event loop."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}")
    # Drawn from the event loop, because a thread of its own would compete with it.
    with Progress(*columns, console=console, auto_refresh=False) as bar:
        drawing = asyncio.get_running_loop().create_task(_draw(bar, run, counts))
        try:
            yield
        finally:
            drawing.cancel()
            _draw_once(bar, counts)


async def _draw(bar: Progress, run: Run, counts: SendCounts) -> None:
    bar.add_task("", total=run.total)
    while True:
        _draw_once(bar, counts)
        await asyncio.sleep(REFRESH_SECONDS)


def _draw_once(bar: Progress, counts: SendCounts) -> None:
    failed = counts.refused.total() + counts.timed_out + counts.unanswered
    speed = counts.deliveries / counts.seconds if counts.seconds else 0
    text = f"{speed:,.0f}/s, {failed:,} failed, {counts.waiting:,} waiting for a retry"
    for task_id in bar.task_ids:
        bar.update(task_id, completed=counts.finished, description=text)
    bar.refresh()
