"""How many deliveries one web process acknowledges: ours beside empty routes and the plain way.

Ours is served by the Procfile's command, whatever worker class that has. The empty ASGI route is served by uvicorn's
worker class, the Flask applications by threads. All run under gunicorn and the same configuration, and take turns
under the same load, so that what else the machine does meanwhile meets them alike. No worker runs.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from sync.devtools.bench.figures import MILLISECONDS, Figure, Target, Yardstick, middle
from sync.devtools.bench.load import Bodies, Load, flood, sign_bodies
from sync.devtools.bench.servers import Database, empty
from sync.devtools.bench.stage import Bench, Stage, Variant, Web, open_stage
from sync.devtools.simulate.traffic import generate

BODIES = 20_000
EMPTY, EMPTY_ASGI, PLAIN = "an empty Flask route", "an empty ASGI route", "the plain way"
OURS, JOURNALLED = "ours", "ours, journalled"
THREADS = ("--worker-class", "gthread", "--threads", "8")
EVENT_LOOP = ("--worker-class", "uvicorn_worker.UvicornWorker")
VARIANTS = {
    EMPTY: Variant(application="sync.devtools.bench.yardsticks:create_empty_app()", options=THREADS),
    EMPTY_ASGI: Variant(application="sync.devtools.bench.yardsticks:create_empty_asgi_app()", options=EVENT_LOOP),
    PLAIN: Variant(application="sync.devtools.bench.yardsticks:create_plain_app()", options=THREADS),
    OURS: Variant(),
    JOURNALLED: Variant(environ={"ZEXA_JOURNAL": "1"}),
}
WARM_UP_ROUNDS, WARM_UP_SECONDS = 1, 1

Loads = dict[str, list[Load]]


def measure_receive(bench: Bench, database: Database, *, connections: Sequence[int], seconds: float) -> list[Figure]:
    """Return requests per second and latencies for each number of connections; `seconds` is the time of each."""
    bodies = sign_bodies(
        bench.folder / "receive.txt", (delivery.body for delivery in generate(events=BODIES)), bench.secret
    )
    with open_stage(bench, database) as stage:
        webs = dict(zip(VARIANTS, stage.start_webs(list(VARIANTS.values())), strict=True))
        for web in [*webs.values()] * WARM_UP_ROUNDS:
            flood(stage.processes, bodies, web.url, connections=16, seconds=WARM_UP_SECONDS)
        return [
            figure
            for number in connections
            for figure in _figures(database, number, _rounds(bench, stage, webs, bodies, number, seconds))
        ]


def _rounds(
    bench: Bench, stage: Stage, webs: dict[str, Web], bodies: Bodies, connections: int, seconds: float
) -> Loads:
    loads: Loads = defaultdict(list)
    round_seconds = max(1, round(seconds / bench.rounds))
    for turn in range(1, bench.rounds + 1):
        bench.say(f"receive: {connections} connections, round {turn} of {bench.rounds}")
        for name, web in webs.items():
            stage.client.flushdb()
            empty(stage.engine)
            loads[name].append(flood(stage.processes, bodies, web.url, connections=connections, seconds=round_seconds))
    return loads


def _figures(database: Database, connections: int, loads: Loads) -> list[Figure]:
    rates = {name: middle([load.per_second for load in rounds]) for name, rounds in loads.items()}
    p50 = {name: middle([load.p50_seconds * MILLISECONDS for load in rounds]) for name, rounds in loads.items()}
    p99 = {name: middle([load.p99_seconds * MILLISECONDS for load in rounds]) for name, rounds in loads.items()}
    is_crowd, is_alone = connections == 64, connections == 1
    leasts = {EMPTY: 0.8, EMPTY_ASGI: 0.5, PLAIN: 3} if is_crowd else {}
    return [
        Figure(
            part="receive",
            name=f"{connections} connections",
            value=rates[OURS],
            unit="requests/s",
            yardsticks=_yardsticks(rates, leasts),
            note=next((load.note for load in loads[OURS] if load.note), ""),
        ),
        Figure(
            part="receive",
            name=f"{connections} connections, p50",
            value=p50[OURS],
            unit="ms",
            yardsticks=_yardsticks(p50),
            target=Target(at_most=p50[PLAIN] + 0.3) if is_alone else None,
            note="target: at most 0.3 ms over the plain way" if is_alone else "",
        ),
        Figure(
            part="receive",
            name=f"{connections} connections, p99",
            value=p99[OURS],
            unit="ms",
            yardsticks=_yardsticks(p99),
            target=Target(at_most=20) if is_crowd else None,
        ),
        Figure(
            part="receive",
            name=f"{connections} connections, journalled on {database.name}",
            value=rates[JOURNALLED],
            unit="requests/s",
            yardsticks=(Yardstick(name=OURS, value=rates[OURS]),),
            note=f"p50 {p50[JOURNALLED]:.3g} ms, p99 {p99[JOURNALLED]:.3g} ms",
        ),
    ]


def _yardsticks(
    values: Mapping[str, float], leasts: Mapping[str, float] = MappingProxyType({})
) -> tuple[Yardstick, ...]:
    """Return the three, with the least that ours should be as a multiple of each."""
    return tuple(
        Yardstick(name=name, value=values[name], target=Target(at_least=leasts[name]) if name in leasts else None)
        for name in (EMPTY, EMPTY_ASGI, PLAIN)
    )
