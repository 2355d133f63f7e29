"""The tables are a pure function of the set of events received: not of their order, their number of copies, how
they were batched, how many workers ran, or which database it is."""

import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, Engine, create_engine, make_url, text
from structlog.testing import capture_logs

from models.database import open_database
from sync.apply import apply
from sync.raw_events import RawEvent
from tests.conftest import NOW, migrate
from tests.deliveries import (
    Delivery,
    World,
    expected_dead_letters,
    expected_events,
    expected_messages,
    expected_opt_outs,
)
from tests.events_builder import AO, Row, clear, everything, patient

# A database serves all examples of a test and is emptied between them.
one_database = settings(
    patient,
    max_examples=50,
    suppress_health_check=[*patient.suppress_health_check, HealthCheck.function_scoped_fixture],
)

Batches = list[list[RawEvent]]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A line for each of thousands of dead letters would hide what failed."""
    with capture_logs():
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Deliveries of a world, each once and in order, and the same with copies, shuffled and split."""

    world: World
    deliveries: list[Delivery]
    batches: Batches

    @property
    def raw_events(self) -> list[RawEvent]:
        return [one.raw for one in sorted(self.deliveries, key=lambda one: (one.received_at, one.body))]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    def pick(options: Sequence[Any]) -> Any:
        return draw(st.sampled_from(options))

    world = World(pick)
    deliveries = [world.delivery() for _ in range(draw(st.integers(1, 14)))]
    deliveries += world.copies(deliveries, draw(st.integers(0, 4)))
    shuffled = draw(st.permutations([one.raw for one in deliveries]))
    ends = sorted(draw(st.sets(st.integers(1, len(shuffled)), max_size=5)) | {len(shuffled)})
    starts = [0, *ends]
    return Story(
        world=world,
        deliveries=deliveries,
        batches=[shuffled[start:end] for start, end in zip(starts, ends, strict=False)],
    )


def told_at_length(seed: int) -> Story:
    """A longer story, shuffled with every delivery twice over: too long to be made smaller where it fails."""
    chance = random.Random(seed)
    world = World(chance.choice, messages=8)
    deliveries = [world.delivery() for _ in range(120)]
    deliveries += world.copies(deliveries, 60)
    twice = [one.raw for one in deliveries] * 2
    chance.shuffle(twice)
    batches = []
    while twice:
        size = chance.choice([1, 2, 5, 20, 60])
        batches.append(twice[:size])
        del twice[:size]
    return Story(world=world, deliveries=deliveries, batches=batches)


def give(engine: Engine, batches: Batches) -> None:
    for batch in batches:
        apply(engine, batch, reading=AO, now=NOW)


def tables_after(engine: Engine, batches: Batches) -> dict[str, list[Row]]:
    clear(engine)
    give(engine, batches)
    return everything(engine)


@one_database
@given(story=stories())
def test_any_order_any_copies_and_any_split_make_the_same_rows(engine: Engine, story: Story) -> None:
    at_once = tables_after(engine, [story.raw_events])
    assert tables_after(engine, story.batches) == at_once
    assert tables_after(engine, story.batches[::-1]) == at_once


@one_database
@given(story=stories())
def test_applying_everything_again_changes_nothing(engine: Engine, story: Story) -> None:
    once = tables_after(engine, story.batches)
    give(engine, story.batches)
    give(engine, [story.raw_events])
    assert everything(engine) == once


@one_database
@given(story=stories())
def test_the_rows_are_those_that_the_contract_names(engine: Engine, story: Story) -> None:
    assert_as_the_contract_says(story, tables_after(engine, story.batches))


@pytest.mark.parametrize("seed", range(10))
def test_a_long_story_makes_the_rows_that_the_contract_names(engine: Engine, seed: int) -> None:
    story = told_at_length(seed)
    assert_as_the_contract_says(story, tables_after(engine, story.batches))


def assert_as_the_contract_says(story: Story, found: dict[str, list[Row]]) -> None:
    world, deliveries = story.world, story.deliveries
    assert {
        (row["subject_id"], row["event"]): (row["occurred_at"], row["received_at"], row["body"])
        for row in found["events"]
    } == expected_events(deliveries)
    expected = expected_messages(world, deliveries)
    assert {
        row["message_id"]: {name: row[name] for name in next(iter(expected.values()), {})}
        for row in found["message_status"]
    } == expected
    assert {
        (row["channel"], row["address"], row["sender"]): row["opted_out_at"] for row in found["opt_outs"]
    } == expected_opt_outs(world, deliveries)
    assert {row["body"]: row["received_at"] for row in found["dead_letters"]} == expected_dead_letters(deliveries)


@pytest.fixture
def both_engines(tmp_path: Path, postgres_server: URL) -> Iterator[list[Engine]]:
    """A database of each kind at the newest schema."""
    name = f"zexa_both_{random.SystemRandom().getrandbits(64):x}"
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    urls = [make_url(f"sqlite:///{tmp_path}/zexa.db"), postgres_server.set(database=name)]
    for url in urls:
        migrate(url)
    engines = [open_database(url) for url in urls]
    yield engines
    for engine in engines:
        engine.dispose()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@one_database
@given(story=stories())
def test_both_databases_hold_the_same_rows(both_engines: list[Engine], story: Story) -> None:
    on_sqlite, on_postgresql = (tables_after(engine, story.batches) for engine in both_engines)
    assert on_sqlite == on_postgresql


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("workers", [2, 4])
def test_workers_side_by_side_make_the_rows_that_one_makes(
    engine: Engine, migrated_url: URL, workers: int, seed: int
) -> None:
    story = told_at_length(seed)
    at_once = tables_after(engine, [story.raw_events])
    clear(engine)
    work_side_by_side(migrated_url, [story.batches[number::workers] for number in range(workers)])
    assert everything(engine) == at_once


@pytest.mark.parametrize("seed", range(2))
def test_workers_given_the_same_events_neither_deadlock_nor_write_twice(
    engine: Engine, migrated_url: URL, seed: int
) -> None:
    story = told_at_length(seed)
    at_once = tables_after(engine, [story.raw_events])
    clear(engine)
    shuffles = [random.Random(number).sample(story.raw_events, len(story.raw_events)) for number in range(4)]
    work_side_by_side(migrated_url, [[shuffled[:90], shuffled[90:]] for shuffled in shuffles])
    assert everything(engine) == at_once


def work_side_by_side(url: URL, shares: list[Batches]) -> None:
    """Apply each share in a thread with an engine of its own, all started at one moment; raise what any raised."""
    start = threading.Barrier(len(shares))
    errors: list[BaseException] = []

    def work(share: Batches) -> None:
        engine = open_database(url)
        try:
            start.wait(10)
            give(engine, share)
        except BaseException as error:
            errors.append(error)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=work, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
