"""A rebuild that meets workers at any step leaves what all facts make."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import URL, Connection, Engine, event, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel
from structlog.testing import capture_logs

from models import CampaignStatus, LedgerEntry, MessageStatus, NamelessOptOut, OptOut
from models.database import open_database
from sync.events.interpretation import ParseOptions
from sync.events.raw import RawEvent
from sync.rebuild import repair
from sync.store import retry
from tests.integration.rebuild.damage import (
    DAMAGES,
    EVENTS,
    LATER,
    NAMELESS,
    Damage,
    add,
    change,
    checked,
    damage,
    drift_keys,
    forget,
    in_few,
    let_the_other_body_hold,
    long_story,
    of_message,
    rebuilt,
    remove,
    some_damage,
    store,
)
from tests.integration.rebuild.meetings import Rebuilder, held_where_others_get_in, take_side_by_side
from tests.integration.store.test_merge_meetings import Worker, give
from tests.integration.store.test_oracle import take
from tests.support.events_builder import RUI, clear, everything, without_random_ids
from tests.support.one_database import Opened


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


# -- Beside workers


# What was applied and damaged before the two meet, and what the worker applies meanwhile.
MEETINGS: dict[str, tuple[list[RawEvent], list[Damage], list[RawEvent]]] = {
    "a row too many gets its first fact": (
        [],
        [add(MessageStatus, message_id="msg_1", status="sent", conflict=False)],
        [EVENTS[0]],
    ),
    "a campaign too many gets its first fact": (
        [],
        [add(CampaignStatus, campaign_id="cmp_1", status="sent", details="{}")],
        [EVENTS[8]],
    ),
    "a missing row gets another fact": ([EVENTS[0]], [remove(MessageStatus)], [EVENTS[1]]),
    "a missing row gets its opt-out": ([EVENTS[2]], [remove(MessageStatus)], [EVENTS[3]]),
    "a wrong row gets another fact": (
        [EVENTS[0]],
        [change(MessageStatus, {"message_id": "msg_1"}, status="sent")],
        [EVENTS[1]],
    ),
    "a fact of a wrong row gets a greater body": (
        [EVENTS[1]],
        [change(MessageStatus, {"message_id": "msg_1"}, status="sent")],
        [of_message("msg_1", "failed", 7, error="no route")],
    ),
    "another body than the greatest holds until a third one comes": (
        [EVENTS[1], EVENTS[13]],
        [let_the_other_body_hold],
        [of_message("msg_1", "failed", 7, error="no credit")],
    ),
    "a missing statement is stated again": (
        [EVENTS[2], EVENTS[3]],
        [forget(address=RUI)],
        [of_message("msg_2", "optout", 9)],
    ),
    "an opt-out that names nobody is missing until its message names somebody": (
        [EVENTS[12]],
        [remove(NamelessOptOut)],
        [of_message("msg_6", "delivered", 8, channel="sms", to=RUI)],
    ),
    "an opt-out that names nobody is there before it is stated": (
        [],
        [add(NamelessOptOut, **NAMELESS, **LATER)],
        [EVENTS[12]],
    ),
    "a missing opt-out is told again": ([EVENTS[3], EVENTS[2]], [remove(OptOut)], [of_message("msg_2", "optout", 9)]),
    "rows in opposite order": (
        [EVENTS[0], EVENTS[2], EVENTS[5], EVENTS[8]],
        [remove(MessageStatus, message_id="msg_2"), remove(CampaignStatus), remove(OptOut)]
        + [change(MessageStatus, {"message_id": name}, status="sent") for name in ("msg_1", "msg_4")]
        + [add(MessageStatus, message_id="msg_3", conflict=False)],
        EVENTS,
    ),
}


@pytest.mark.parametrize("meeting", MEETINGS)
@pytest.mark.parametrize("is_rebuild_held", [True, False])
def test_a_rebuild_that_meets_a_worker_leaves_what_all_facts_make(
    engine: Engine, second_engine: Engine, observer: Engine, reader: Engine, meeting: str, is_rebuild_held: bool
) -> None:
    """Before each statement in turn one of the two is held until the other waits for it or is through."""
    before, damages, meanwhile = MEETINGS[meeting]
    store(engine, *before, *meanwhile)
    at_once = everything(engine)
    step, is_met = 0, True
    while is_met:
        clear(engine)
        give(engine, before)
        damage(engine, *damages)
        other = (
            Worker(second_engine, observer, meanwhile)
            if is_rebuild_held
            else Rebuilder(reader, second_engine, observer)
        )
        with held_where_others_get_in(engine, step, other) as is_held:
            if is_rebuild_held:
                rebuilt(reader, engine)
            else:
                store(engine, *meanwhile)
        other.join()
        assert everything(engine) == at_once, f"held at step {step}"
        step, is_met = step + 1, is_held.is_set()
    assert step >= 3


def test_what_a_worker_commits_while_check_reads_is_no_drift(
    engine: Engine, second_engine: Engine, observer: Engine, reader: Engine
) -> None:
    step, is_met = 0, True
    while is_met:
        clear(engine)
        store(engine, *EVENTS[::2])
        other = Worker(second_engine, observer, EVENTS[1::2])
        with held_where_others_get_in(reader, step, other) as is_held:
            assert drift_keys(checked(reader)[0]) == [], f"check was held at step {step}"
        other.join()
        step, is_met = step + 1, is_held.is_set()
    assert step >= 8


@pytest.mark.parametrize("seed", range(3))
def test_a_rebuild_beside_workers_changes_nothing_that_is_right(
    engine: Engine, opened: Opened, reader: Engine, second_engine: Engine, seed: int
) -> None:
    story = long_story(seed)
    take(engine, in_few(story.steps), story.options)
    at_once = without_random_ids(engine)
    clear(engine)
    with rebuilding_all_the_while(reader, second_engine, story.options):
        take_side_by_side(workers(opened, 2), [story.steps[::2], story.steps[1::2]], story.options)
    assert without_random_ids(engine) == at_once
    assert checked(reader, options=story.options)[0] == []


@pytest.mark.parametrize("seed", range(3))
def test_a_rebuild_of_damaged_rows_beside_workers_ends_with_nothing_that_drifts(
    engine: Engine, opened: Opened, reader: Engine, second_engine: Engine, seed: int
) -> None:
    story = long_story(seed)
    half = len(story.steps) // 2
    shares = [story.steps[half::2], story.steps[half + 1 :: 2], story.steps[:half]]
    take(engine, in_few(story.steps[:half]), story.options)
    damage(engine, *some_damage(random.Random(seed)))
    with rebuilding_all_the_while(reader, second_engine, story.options):
        take_side_by_side(workers(opened, 3), shares, story.options)
    assert drift_keys(checked(reader, options=story.options)[0]) == []


def workers(opened: Opened, number: int) -> list[Engine]:
    return [opened(f"worker {each}") for each in range(number)]


@contextmanager
def rebuilding_all_the_while(reader: Engine, writer: Engine, options: ParseOptions) -> Iterator[None]:
    """Rebuild again and again until the block ends, and once wholly after it; raise what was raised."""
    is_over, errors = threading.Event(), []

    def work() -> None:
        try:
            is_last = False
            while not is_last:
                is_last = is_over.is_set()
                rebuilt(reader, writer, 2, options)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
    if errors:
        raise errors[0]


@contextmanager
def impatient(url: URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Engine, list[str]]]:
    """Yield an engine that waits a moment only, and the kinds of errors it met."""
    monkeypatch.setattr(repair, "LOCK_SECONDS", 0.1)
    monkeypatch.setattr(retry, "PAUSES_SECONDS", (0.01, 0.01))
    kinds: list[str] = []
    engine = open_database(url, busy_seconds=0.1)
    event.listen(engine, "handle_error", lambda context: kinds.append(type(context.original_exception).__name__))
    yield engine, kinds
    engine.dispose()


LOCKED = {"postgresql": "LockNotAvailable", "sqlite": "OperationalError"}


@pytest.mark.parametrize("name", ["a changed status", "a row without any fact", "an opt-out that was made earlier"])
def test_a_slice_whose_rows_are_locked_is_tried_again(
    engine: Engine, reader: Engine, migrated_url: URL, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    store(engine)
    before = everything(engine)
    damage(engine, DAMAGES[name][0])
    with engine.connect() as holder, impatient(migrated_url, monkeypatch) as (writer, kinds):
        lock_all(holder)
        event.listen(writer, "handle_error", lambda _: holder.rollback())
        rebuilt(reader, writer)
    assert kinds == [LOCKED[engine.dialect.name]]
    assert everything(engine) == before


def test_where_rows_stay_locked_the_error_passes_through_and_nothing_is_half_done(
    engine: Engine, reader: Engine, migrated_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(engine)
    damage(engine, DAMAGES["a missing campaign"][0], DAMAGES["a changed status"][0])
    damaged = everything(engine)
    with engine.connect() as holder, impatient(migrated_url, monkeypatch) as (writer, kinds):
        lock_all(holder)
        with pytest.raises(DBAPIError):
            rebuilt(reader, writer)
        assert kinds == [LOCKED[engine.dialect.name]] * 3
        holder.rollback()
    assert everything(engine) == damaged


def lock_all(connection: Connection) -> None:
    """Write to every row that there is, and leave the transaction open."""
    for model in (LedgerEntry, MessageStatus, CampaignStatus, OptOut):
        table = SQLModel.metadata.tables[model.__tablename__]
        key = next(iter(table.primary_key))
        connection.execute(update(table).values({key: key}))
