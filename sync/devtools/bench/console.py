"""The console beside all else: how long its pages take, what ten people cost deliveries, and how large it is."""

import random
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from math import ceil

from sync.devtools.bench.console_pages import (
    PAGE_MILLISECONDS,
    PART,
    ConsolePage,
    begun_with,
    measure_pages,
    p99_seconds,
)
from sync.devtools.bench.console_rows import fill
from sync.devtools.bench.figures import MILLISECONDS, Figure, Target, Yardstick, middle
from sync.devtools.bench.load import Load, flood, flood_seconds, sign_bodies
from sync.devtools.bench.memory import child_of, resident_megabytes
from sync.devtools.bench.servers import Database, empty
from sync.devtools.bench.stage import Bench, Stage, Variant, Web, open_stage
from sync.devtools.bench.visitor import Visitor
from sync.devtools.simulate.traffic import generate
from sync.events.event import EventType
from sync.users.accounts import Role, add_account

NAME = "bench"
REGION = "AO"
PEOPLE = 10
# How often each of them asks for a page.
PAGE_EVERY_SECONDS = 1.0
EVENTS_PER_SECOND = 200
CONNECTIONS = 16
SIGN_INS = 5
WARM_UP_ROUNDS, WARM_UP_SECONDS = 1, 1
ALONE = "alone"
P99_RATIO_MAX = 3
MEGABYTES_WITHOUT_MAX = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleTurn:
    """One round: deliveries alone, deliveries beside people, and the seconds that pages took these people."""

    alone: Load
    beside: Load
    pages: Sequence[float]


def measure_console(bench: Bench, database: Database, *, messages: Sequence[int], seconds: float) -> list[Figure]:
    """Return what the console takes with each of so many messages in the tables."""
    figures = []
    for number in messages:
        if number:
            with open_stage(bench, database) as stage:
                fill(bench, stage.engine, number)
                figures += _measure(bench, stage, f"{database.name}, {number:,} messages", number, seconds)
                bench.say(f"{PART}: removing all of it")
                empty(stage.engine)
    return figures


def _measure(bench: Bench, stage: Stage, about: str, messages: int, seconds: float) -> list[Figure]:
    key = {"ZEXA_CONSOLE_KEY": secrets.token_hex(32), "ZEXA_DEFAULT_REGION": REGION}
    plain, web = stage.start_webs([Variant(environ={"ZEXA_CONSOLE_KEY": ""}), Variant(environ=key)])
    sizes = {name: _size(process) for name, process in (("without", plain), ("with", web))}
    password = secrets.token_hex(16)
    with stage.engine.begin() as connection:
        add_account(connection, NAME, Role.OPERATOR, password, datetime.now(UTC))
    pid, sign_ins = child_of(web.child.process.pid), []
    for _ in range(SIGN_INS):
        with closing(Visitor(web.port)) as visitor:
            sign_ins.append(visitor.sign_in(NAME, password))
    with closing(Visitor(web.port)) as visitor:
        visitor.sign_in(NAME, password)
        pages, figures = measure_pages(bench, visitor, about, begun_with(messages), pid)
        sizes["after"] = _size(web)
        stage.start_workers(1)
        turns = _take_turns(bench, stage, about, web, visitor, pages, seconds)
    signing_in = Figure(
        part=PART,
        name=f"{about}: signing in with a password",
        value=max(sign_ins) * MILLISECONDS,
        unit="ms",
        target=Target(at_most=PAGE_MILLISECONDS),
        note=f"p50 {middle(sign_ins) * MILLISECONDS:.0f} ms",
    )
    return [signing_in, *figures, *_turn_figures(about, turns), *_size_figures(about, sizes)]


def _size(web: Web) -> float | None:
    return resident_megabytes(child_of(web.child.process.pid))


def _take_turns(
    bench: Bench, stage: Stage, about: str, web: Web, visitor: Visitor, pages: Sequence[ConsolePage], seconds: float
) -> list[ConsoleTurn]:
    """Return what the rounds gave, without a short one before them that warms everything up."""
    turns = []
    for turn in range(1 - WARM_UP_ROUNDS, bench.rounds + 1):
        bench.say(f"{PART}: {about}, deliveries alone and beside people, round {turn} of {bench.rounds}")
        lasts = flood_seconds(seconds / bench.rounds if turn > 0 else WARM_UP_SECONDS)
        alone = _deliver(bench, stage, web, lasts, seed=2 * turn)
        with ThreadPoolExecutor(PEOPLE) as people:
            clicking = [
                people.submit(_click, visitor.other_window(), pages, lasts, person=person) for person in range(PEOPLE)
            ]
            beside = _deliver(bench, stage, web, lasts, seed=2 * turn + 1)
            page_seconds = [seconds for clicks in clicking for seconds in clicks.result()]
        stage.wait_until_applied()
        turns.append(ConsoleTurn(alone=alone, beside=beside, pages=page_seconds))
    return turns[WARM_UP_ROUNDS:]


def _deliver(bench: Bench, stage: Stage, web: Web, seconds: float, *, seed: int) -> Load:
    deliveries = generate(events=ceil(EVENTS_PER_SECOND * (seconds + 1)), kinds={EventType.DELIVERED}, seed=seed)
    bodies = sign_bodies(bench.folder / "deliveries.txt", (delivery.body for delivery in deliveries), bench.secret)
    send = partial(flood, stage.processes, bodies, web.url, connections=CONNECTIONS, seconds=seconds)
    return send(rate_per_second=EVENTS_PER_SECOND)


def _click(visitor: Visitor, pages: Sequence[ConsolePage], seconds: float, *, person: int) -> list[float]:
    """Ask for a page each PAGE_EVERY_SECONDS, any of `pages`, and return the seconds that each took."""
    chance, page_seconds = random.Random(person), []  # noqa: S311 - no secret
    begun = time.monotonic()
    due = PAGE_EVERY_SECONDS * person / PEOPLE
    with closing(visitor):
        while due < seconds:
            time.sleep(max(0.0, begun + due - time.monotonic()))
            page = chance.choice(pages)
            page_seconds.append(visitor.see(page.path, page.form).seconds)
            due += PAGE_EVERY_SECONDS
    return page_seconds


def _turn_figures(about: str, turns: Sequence[ConsoleTurn]) -> list[Figure]:
    alone, beside = (
        middle([load.p99_seconds for load in loads]) * MILLISECONDS
        for loads in ([turn.alone for turn in turns], [turn.beside for turn in turns])
    )
    page_seconds = [seconds for turn in turns for seconds in turn.pages]
    failed = sum(load.failed for turn in turns for load in (turn.alone, turn.beside))
    clicking = f"{PEOPLE} people who ask for a page every {PAGE_EVERY_SECONDS:g} s"
    return [
        Figure(
            part=PART,
            name=f"{about}: {EVENTS_PER_SECOND} deliveries/s beside {clicking}, p99",
            value=beside,
            unit="ms",
            yardsticks=(Yardstick(name=ALONE, value=alone, target=Target(at_most=P99_RATIO_MAX)),),
            note=f"{failed:,} not accepted" if failed else "",
        ),
        Figure(
            part=PART,
            name=f"{about}: a page of theirs, p99",
            value=p99_seconds(page_seconds) * MILLISECONDS,
            unit="ms",
            target=Target(at_most=PAGE_MILLISECONDS),
            note=f"{len(page_seconds):,} pages, p50 {middle(page_seconds) * MILLISECONDS:.0f} ms",
        ),
    ]


def _size_figures(about: str, sizes: dict[str, float | None]) -> list[Figure]:
    """Return the memory of both web processes; nothing if this system does not tell it."""
    without, with_console, after = (sizes[name] for name in ("without", "with", "after"))
    if without is None or with_console is None or after is None:
        return []
    yardsticks = (Yardstick(name="without the console", value=without),)
    return [
        Figure(
            part=PART,
            name=f"{about}: a web process without the console",
            value=without,
            unit="MB",
            target=Target(at_most=MEGABYTES_WITHOUT_MAX),
        ),
        Figure(
            part=PART,
            name=f"{about}: with the console, before its first page",
            value=with_console,
            unit="MB",
            yardsticks=yardsticks,
        ),
        Figure(
            part=PART, name=f"{about}: with the console, after its pages", value=after, unit="MB", yardsticks=yardsticks
        ),
    ]
