"""How many events workers apply: ours beside the database alone and RQ's own worker.

Everything is queued before the workers start and let go once they listen. Rates come from the ledger itself; but for
those of copies, which the ledger does not note.
"""

import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Engine, func, select

from models.statements import bulk_insert
from models.tables import BODIES, LEDGER
from sync.devtools.bench.database_alone import (
    PARSE_OPTIONS,
    Statement,
    free_body_ids,
    insert_batches,
    prepare_batches,
    row_lists,
)
from sync.devtools.bench.figures import Figure, Target, Yardstick, middle
from sync.devtools.bench.ledger import applied_per_second
from sync.devtools.bench.memory import processor_seconds
from sync.devtools.bench.servers import Database
from sync.devtools.bench.stage import Bench, open_stage
from sync.devtools.dev.processes import DevelopmentError
from sync.devtools.simulate.traffic import generate
from sync.events.raw import RawEvent
from sync.store.apply import apply

# About what one group holds when 64 connections deliver.
GROUP_EVENTS = 32
# A stock worker takes 5 ms an event and more.
STOCK_EVENTS = 400

ALONE, STOCK = "the database alone", "a stock SimpleWorker"
PLAIN = "the database alone, by SQLAlchemy's lists of rows"
ONE, TWO, SINGLE = "1 worker", "2 workers", "1 worker, one event a job"
WORKERS = {ONE: (1, GROUP_EVENTS), TWO: (2, GROUP_EVENTS), SINGLE: (1, 1)}
COPIES = "1 worker, copies"
# Copies take less than a second for some ten thousand: the end must be seen at once.
COPIES_PAUSE_SECONDS = 0.01


class WorkDone(NamedTuple):
    """What workers did: events a second, and the microseconds of a processor that each took; None if unknown."""

    per_second: float
    microseconds: float | None


def generate_raw_events(count: int, *, seed: int = 1) -> list[RawEvent]:
    """Return `count` different events as they would come from the receiver now."""
    now = datetime.now(UTC)
    return [RawEvent(body=delivery.body, received_at=now) for delivery in generate(events=count, seed=seed)]


def measure_apply(bench: Bench, database: Database, *, events: int) -> list[Figure]:
    """Return the events per second that reach the tables of `database`."""
    raw_events = generate_raw_events(events)
    rates: dict[str, list[float]] = defaultdict(list)
    took: list[float] = []
    for turn in range(1, bench.rounds + 1):
        bench.say(f"apply: {database.name}, {STOCK}, {ALONE} and ours, round {turn} of {bench.rounds}")
        rates[STOCK].append(_measure_stock(bench, database, raw_events[:STOCK_EVENTS]))
        rates[ALONE].append(measure_alone(bench, database, raw_events))
        rates[PLAIN].append(measure_alone(bench, database, raw_events, statement=row_lists))
        for name, (workers, group) in WORKERS.items():
            worked = measure_workers(bench, database, raw_events, workers=workers, group=group)
            rates[name].append(worked.per_second)
            took += [worked.microseconds] if name == ONE and worked.microseconds else []
        rates[COPIES].append(measure_copies(bench, database, raw_events))
    middles = {name: middle(values) for name, values in rates.items()}
    copies = Figure(
        part="apply",
        name=f"{database.name}, {COPIES}",
        value=middles[COPIES],
        unit="events/s",
        yardsticks=(Yardstick(name="the same events, new", value=middles[ONE]),),
        note=f"{GROUP_EVENTS} events a job, each in the tables already",
    )
    return [*(_figure(database, name, middles) for name in WORKERS), copies, *_processor_figures(database, took)]


def _processor_figures(database: Database, took: list[float]) -> list[Figure]:
    note = "of the worker's process, its start left out; what the database takes is not among it"
    name = f"{database.name}, {ONE}: processor time"
    return [Figure(part="apply", name=name, value=middle(took), unit="µs/event", note=note)] if took else []


def _figure(database: Database, name: str, rates: dict[str, float]) -> Figure:
    is_judged = name == ONE and database.kind == "postgresql"
    return Figure(
        part="apply",
        name=f"{database.name}, {name}",
        value=rates[name],
        unit="events/s",
        yardsticks=(
            Yardstick(name=ALONE, value=rates[ALONE], target=Target(at_least=0.75) if is_judged else None),
            Yardstick(name=PLAIN, value=rates[PLAIN]),
            Yardstick(name=STOCK, value=rates[STOCK], target=Target(at_least=100) if is_judged else None),
        ),
        note="" if name == SINGLE else f"{GROUP_EVENTS} events a job",
    )


def measure_workers(
    bench: Bench, database: Database, raw_events: list[RawEvent], *, workers: int, group: int, keeps_rows: bool = False
) -> WorkDone:
    """Return how our own workers do on `group` events a job."""
    groups = [raw_events[start : start + group] for start in range(0, len(raw_events), group)]
    begun = datetime.now(UTC)
    with open_stage(bench, database, keeps_rows=keeps_rows) as stage:
        stage.enqueue_groups(groups)
        pids = [worker.process.pid for worker in stage.start_workers(workers)]
        before = [processor_seconds(pid) for pid in pids]
        stage.release()
        stage.wait_until_applied()
        processor_times = [
            after - earlier
            for earlier, pid in zip(before, pids, strict=True)
            if earlier is not None and (after := processor_seconds(pid)) is not None
        ]
        per_second = applied_per_second(stage.engine, events=len(raw_events), since=begun)
        return WorkDone(per_second, sum(processor_times) / len(raw_events) * 1e6 if processor_times else None)


def measure_copies(bench: Bench, database: Database, raw_events: list[RawEvent]) -> float:
    """Return the events per second of one worker on events that it has applied before, from first job to last."""
    groups = [raw_events[start : start + GROUP_EVENTS] for start in range(0, len(raw_events), GROUP_EVENTS)]
    with open_stage(bench, database) as stage:
        for start in range(0, len(raw_events), stage.batch_size):
            batch = raw_events[start : start + stage.batch_size]
            apply(stage.engine, batch, options=PARSE_OPTIONS, now=datetime.now(UTC))
        stage.enqueue_groups(groups)
        stage.start_workers(1)
        begun = time.monotonic()
        stage.release()
        stage.wait_until_applied(pause_seconds=COPIES_PAUSE_SECONDS)
        seconds = time.monotonic() - begun
        _require_copies(stage.engine, len(raw_events))
        return len(raw_events) / seconds


def _require_copies(engine: Engine, events: int) -> None:
    with engine.connect() as connection:
        counts = [connection.execute(select(func.count()).select_from(table)).scalar() for table in (LEDGER, BODIES)]
    if counts != [events, events]:
        raise DevelopmentError(f"copies of {events:,} events left other rows than these: such a run tells nothing")


def _measure_stock(bench: Bench, database: Database, raw_events: list[RawEvent]) -> float:
    with open_stage(bench, database) as stage:
        stage.enqueue_plainly(raw_events)
        stage.start_stock_worker()
        stage.release()
        stage.wait_until_applied()
        return applied_per_second(stage.engine, events=len(raw_events))


def measure_alone(
    bench: Bench,
    database: Database,
    raw_events: list[RawEvent],
    *,
    keeps_rows: bool = False,
    statement: Statement = bulk_insert,
) -> float:
    """Return the events per second of inserting the rows of `raw_events`, which are not in the tables yet."""
    with open_stage(bench, database, keeps_rows=keeps_rows) as stage:
        body_ids = free_body_ids(stage.engine, len(raw_events))
        batches = prepare_batches(raw_events, batch_size=stage.batch_size, now=datetime.now(UTC), body_ids=body_ids)
        seconds = insert_batches(stage.engine, batches, bench.is_stop_asked, statement)
        return (len(raw_events) - stage.batch_size) / seconds
