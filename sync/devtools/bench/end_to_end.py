"""How much reaches the database of what is delivered over HTTP, and how soon, with everything on this machine."""

from collections.abc import Callable

from sync.devtools.bench.figures import Figure, Target, Yardstick
from sync.devtools.bench.ledger import EventTimes
from sync.devtools.bench.load import Load, flood, sign_bodies
from sync.devtools.bench.memory import MemoryWatch, Resident, child_of
from sync.devtools.bench.servers import Database, empty
from sync.devtools.bench.stage import Bench, Stage, Variant, Web, open_stage
from sync.devtools.bench.visible import measure_visible
from sync.devtools.simulate.traffic import generate

CONNECTIONS = 64
# One for each core of a small machine.
WEBS = 2
WARM_UP_SECONDS = 2
# More than this machine will take, so that no delivery is a copy of an earlier one.
BODIES_PER_SECOND = 12_000
RATES = (100, 1000)

PART = "end to end"
WEB, WORKER = "web process", "worker"
MEGABYTES_MAX = {WEB: 100, WORKER: 130}
# How much more at the end than in the middle still counts as flat.
FLAT_RATIO = 1.05


def measure_end_to_end(bench: Bench, database: Database, *, seconds: float) -> list[Figure]:
    """Return the time from POST to row at fixed rates, then the sustained rate with its backlog, and memory.

    The sustained rate is measured with one web process, and with several of them in place of it.
    """
    with open_stage(bench, database) as stage:
        (web,), (worker,) = stage.start_webs(), stage.start_workers(1)
        figures = [
            figure for rate in RATES for figure in measure_visible(bench, stage, web, rate=rate, seconds=seconds)
        ]
        empty(stage.engine)
        memory = MemoryWatch({WEB: child_of(web.child.process.pid), WORKER: worker.process.pid})
        figures += _measure_sustained(bench, stage, web, "1 web process", seconds, watch=memory.sample)
    with open_stage(bench, database) as stage:
        (web,) = stage.start_webs([Variant(environ={"WEB_CONCURRENCY": str(WEBS)})])
        stage.start_workers(1)
        figures += _measure_sustained(bench, stage, web, f"{WEBS} web processes", seconds)
    return [*figures, *_memory_figures(memory.resident())]


def _measure_sustained(
    bench: Bench, stage: Stage, web: Web, webs: str, seconds: float, *, watch: Callable[[], None] = lambda: None
) -> list[Figure]:
    database = stage.database
    bench.say(f"end to end: {database.name}, {CONNECTIONS} connections to {webs} for {seconds:g} s")
    count = int((seconds + WARM_UP_SECONDS) * BODIES_PER_SECOND)
    deliveries = generate(events=count)
    bodies = sign_bodies(bench.folder / "sustained.txt", (delivery.body for delivery in deliveries), bench.secret)
    load = flood(
        stage.processes,
        bodies,
        web.url,
        connections=CONNECTIONS,
        seconds=seconds + WARM_UP_SECONDS,
        is_once=True,
        watch=watch,
    )
    stage.wait_until_applied()
    name = f"{database.name}, {CONNECTIONS} connections, {webs}, 1 worker"
    return _rate_figures(name, stage.batch_size, load, EventTimes(stage.engine))


def _rate_figures(name: str, batch_size: int, load: Load, times: EventTimes) -> list[Figure]:
    """Return figures of the time from the end of the warm-up until the last event came."""
    begin, end = WARM_UP_SECONDS, max(times.received)
    waiting = times.waiting_at((begin + end) / 2), times.waiting_at(end)
    received, applied = times.received_between(begin, end), times.applied_between(begin, end)
    return [
        Figure(
            part=PART,
            name=f"{name}: applied",
            value=applied / (end - begin),
            unit="events/s",
            yardsticks=(Yardstick(name="received", value=received / (end - begin)),),
            target=Target(at_least=7000),
            note=load.note,
        ),
        Figure(
            part=PART,
            name=f"{name}: waiting at the end",
            value=waiting[1],
            unit="events",
            yardsticks=(Yardstick(name="in the middle", value=waiting[0]),),
            # What comes while one batch is applied waits for the next: that is no backlog.
            target=Target(at_most=batch_size),
            note="received, and no batch with them begun",
        ),
    ]


def _memory_figures(residents: dict[str, Resident]) -> list[Figure]:
    return [
        Figure(
            part="memory",
            name=f"{name}, at the end of the load",
            value=resident.at_end,
            unit="MB",
            yardsticks=(
                Yardstick(name="at the start", value=resident.at_start),
                Yardstick(name="in the middle", value=resident.at_middle, target=Target(at_most=FLAT_RATIO)),
            ),
            target=Target(at_most=MEGABYTES_MAX[name]),
            note=f"at most {resident.peak:.0f} MB since its start",
        )
        for name, resident in residents.items()
    ]
