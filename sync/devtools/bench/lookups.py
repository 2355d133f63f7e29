"""What a look-up over HTTP takes beside deliveries, and what it takes from them: two senders, each at a fixed rate."""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import ceil

from receiver.server.paths import CHECK_PATH
from sync.devtools.bench.figures import MILLISECONDS, Figure, Target, Yardstick, middle
from sync.devtools.bench.load import Bodies, Load, flood, flood_seconds, sign_bodies
from sync.devtools.bench.opted_out import fill, never_opted_out, opted_out
from sync.devtools.bench.servers import Database, empty
from sync.devtools.bench.stage import Bench, Stage, Variant, Web, open_stage
from sync.devtools.dev.processes import DevelopmentError
from sync.devtools.dev.proof import request
from sync.devtools.simulate.traffic import generate
from sync.events.event import EventType

PART = "suppression"
LOOKUPS_PER_SECOND = 200
EVENTS_PER_SECOND = 1000
ADDRESSES = 100
# One address in so many has opted out.
OPTED_OUT_EVERY = 10
CONNECTIONS = 64
WARM_UP_ROUNDS, WARM_UP_SECONDS = 1, 1
UNKNOWN_PATH = "/nothing"

# What deliveries are sent beside. The first three are yardsticks. The second shows what a second sender and its
# requests take by themselves on a shared machine. The third shows what look-ups take of that machine if another web
# process answers them. Neither is the least that a look-up could take.
ALONE = "alone"
EMPTY = "beside as many empty requests, answered 404"
ELSEWHERE = "beside look-ups that another web process answers"
LOOKUPS = "beside these look-ups"


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Requests beside deliveries, LOOKUPS_PER_SECOND of them."""

    url: str
    bodies: Bodies
    bearer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the senders saw: of deliveries by what they were beside, and of look-ups in the web process of these."""

    deliveries: Mapping[str, Load]
    lookups: Load


def measure_lookups(bench: Bench, database: Database, *, opt_outs: Sequence[int], seconds: float) -> list[Figure]:
    """Return what look-ups take with each of so many opt-outs in the table, and deliveries beside them and alone."""
    figures = []
    token = secrets.token_hex(16)
    with open_stage(bench, database) as stage:
        web, other = stage.start_webs([Variant(environ={"ZEXA_LOOKUP_TOKEN": token})] * 2)
        stage.start_workers(1)
        filled = 0
        for number in sorted(opt_outs):
            bench.say(f"{PART}: {database.name}, filling the table with {number:,} opt-outs")
            fill(stage.engine, filled, number)
            filled = number
            for process in (web, other):
                _require_answers(process, number, token)
            neighbours = _neighbours(bench, web, other, token, number)
            figures += _figures(database, number, _measure(bench, stage, web, neighbours, number, seconds))
        empty(stage.engine)
    return figures


def _neighbours(bench: Bench, web: Web, other: Web, token: str, opt_outs: int) -> dict[str, Neighbour | None]:
    """Return what deliveries to `web` are sent beside, the look-ups in question last."""
    questions = islice(_questions(opt_outs), LOOKUPS_PER_SECOND)
    bodies = sign_bodies(bench.folder / "questions.txt", questions, bench.secret)
    nothing = sign_bodies(bench.folder / "nothing.txt", [b""] * LOOKUPS_PER_SECOND, bench.secret)
    return {
        ALONE: None,
        EMPTY: Neighbour(url=_url(web, UNKNOWN_PATH), bodies=nothing, bearer=""),
        ELSEWHERE: Neighbour(url=_url(other, CHECK_PATH), bodies=bodies, bearer=token),
        LOOKUPS: Neighbour(url=_url(web, CHECK_PATH), bodies=bodies, bearer=token),
    }


def _url(web: Web, path: str) -> str:
    return f"http://127.0.0.1:{web.port}{path}"


def _measure(
    bench: Bench,
    stage: Stage,
    web: Web,
    neighbours: Mapping[str, Neighbour | None],
    opt_outs: int,
    seconds: float,
) -> list[Turn]:
    """Return what the rounds gave, without those before them, short ones that warm everything up."""
    turns = []
    for turn in range(1 - WARM_UP_ROUNDS, bench.rounds + 1):
        bench.say(f"{PART}: {stage.database.name}, {opt_outs:,} opt-outs, round {turn} of {bench.rounds}")
        lasts = flood_seconds(seconds / bench.rounds if turn > 0 else WARM_UP_SECONDS)
        deliveries: dict[str, Load] = {}
        beside: list[Load] = []
        for number, (name, neighbour) in enumerate(neighbours.items(), start=len(neighbours) * turn):
            bodies = _deliveries(bench, lasts, seed=number)
            deliveries[name], *beside = _send(stage, web.url, bodies, neighbour, lasts)
            stage.wait_until_applied()
        turns.append(Turn(deliveries=deliveries, lookups=beside[0]))
    return turns[WARM_UP_ROUNDS:]


def _questions(opt_outs: int) -> Iterator[bytes]:
    """Yield bodies of look-ups for ever, none of them like another."""
    number = 0
    while True:
        addresses = [
            opted_out(at % opt_outs) if at % OPTED_OUT_EVERY == 0 and opt_outs else never_opted_out(at)
            for at in range(number, number + ADDRESSES)
        ]
        number += ADDRESSES
        yield json.dumps({"addresses": addresses}).encode()


def _require_answers(web: Web, opt_outs: int, token: str) -> None:
    """Refuse to measure how fast nothing is answered."""
    addresses = [never_opted_out(1), *([opted_out(opt_outs - 1)] if opt_outs else [])]
    body = json.dumps({"addresses": addresses}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    _, text = request("POST", CHECK_PATH, web.port, body=body, headers=headers)
    if [result["status"] for result in json.loads(text)["results"]] != ["allowed", "suppressed"][: len(addresses)]:
        raise DevelopmentError("a look-up was not answered as the table says")


def _deliveries(bench: Bench, seconds: float, *, seed: int) -> Bodies:
    deliveries = generate(events=ceil(EVENTS_PER_SECOND * seconds), kinds={EventType.DELIVERED}, seed=seed)
    return sign_bodies(bench.folder / "deliveries.txt", (delivery.body for delivery in deliveries), bench.secret)


def _send(stage: Stage, url: str, deliveries: Bodies, neighbour: Neighbour | None, seconds: float) -> list[Load]:
    """Return what became of `deliveries`, and of what the `neighbour` sent at the same time."""
    send = partial(flood, stage.processes, connections=CONNECTIONS, seconds=seconds)
    with ThreadPoolExecutor(2) as senders:
        running = [senders.submit(send, deliveries, url, rate_per_second=EVENTS_PER_SECOND)]
        if neighbour:
            asking = {"rate_per_second": LOOKUPS_PER_SECOND, "bearer": neighbour.bearer}
            running.append(senders.submit(send, neighbour.bodies, neighbour.url, **asking))
        return [load.result() for load in running]


def _figures(database: Database, opt_outs: int, turns: Sequence[Turn]) -> list[Figure]:
    title = f"{database.name}, {opt_outs:,} opt-outs: "
    lookups = sum(turn.lookups.accepted for turn in turns)
    failed = sum(load.failed for turn in turns for load in (*turn.deliveries.values(), turn.lookups))
    offered = middle([(turn.lookups.accepted + turn.lookups.failed) / turn.lookups.seconds for turn in turns])
    note = f"{lookups:,} look-ups, {offered:,.0f}/s offered" + (f"; {failed:,} requests not accepted" if failed else "")
    checked = f"{ADDRESSES} addresses over HTTP at {LOOKUPS_PER_SECOND}/s beside {EVENTS_PER_SECOND:,} events/s"
    p99 = {
        name: middle([turn.deliveries[name].p99_seconds for turn in turns]) * MILLISECONDS
        for name in (ALONE, EMPTY, ELSEWHERE, LOOKUPS)
    }
    return [
        Figure(
            part=PART,
            name=f"{title}{checked}, p50",
            value=middle([turn.lookups.p50_seconds for turn in turns]) * MILLISECONDS,
            unit="ms",
            note=note,
        ),
        Figure(
            part=PART,
            name=f"{title}{checked}, p99",
            value=middle([turn.lookups.p99_seconds for turn in turns]) * MILLISECONDS,
            unit="ms",
            target=Target(at_most=50),
        ),
        Figure(
            part=PART,
            name=f"{title}{EVENTS_PER_SECOND:,} deliveries/s {LOOKUPS}, p99",
            value=p99[LOOKUPS],
            unit="ms",
            yardsticks=(
                Yardstick(name=ALONE, value=p99[ALONE]),
                Yardstick(name=EMPTY, value=p99[EMPTY]),
                Yardstick(name=ELSEWHERE, value=p99[ELSEWHERE]),
            ),
        ),
    ]
