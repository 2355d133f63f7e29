"""Every row that drifts is found by `check` and put right by `rebuild`; what is right is not written."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select
from sqlmodel import SQLModel
from structlog.testing import capture_logs

from models import CampaignStatus, MessageStatus, NamelessOptOut, OptOut
from sync.events.interpretation import ParseOptions
from sync.rebuild.walk import ROWS_PER_SLICE
from tests.integration.rebuild.damage import (
    DAMAGES,
    EARLIER,
    EVENTS,
    FACTS,
    OPT_OUT_OF_MSG_2,
    change,
    checked,
    damage,
    drift_keys,
    in_few,
    long_story,
    rebuilt,
    remove,
    some_damage,
    store,
    updated_at,
    written,
)
from tests.integration.store.test_oracle import Story, stories, take
from tests.support.events_builder import TABLES, Row, clear, everything, minute, patient
from tests.support.one_database import Opened

# A database serves all examples of a test and is emptied between them.
one_database = settings(
    patient,
    max_examples=50,
    suppress_health_check=[*patient.suppress_health_check, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.mark.parametrize("name", DAMAGES)
def test_every_damage_is_found_by_check_and_repaired_by_rebuild(engine: Engine, reader: Engine, name: str) -> None:
    do, *expected = DAMAGES[name]
    store(engine)
    before, stamps = everything(engine), updated_at(engine)
    damage(engine, do)
    damaged, damaged_stamps = everything(engine), updated_at(engine)
    assert damaged != before

    for rows_per_slice in (1, ROWS_PER_SLICE):
        drifts, counts = checked(reader, rows_per_slice)
        assert drift_keys(drifts) == expected
    assert (everything(engine), updated_at(engine)) == (damaged, damaged_stamps)

    repaired = rebuilt(reader, engine, 1)
    assert repaired.tables == counts.tables
    assert everything(engine) == before
    touched = {key for key, moment in updated_at(engine).items() if stamps[key] != moment}
    assert touched == {tuple(key) for *key, kind in expected if kind != "surplus"} & stamps.keys()
    assert checked(reader)[0] == []


def test_the_columns_that_differ_are_told_as_they_are_and_should_be(engine: Engine, reader: Engine) -> None:
    store(engine)
    damage(
        engine,
        change(MessageStatus, {"message_id": "msg_2"}, status="delivered", delivered_at=minute(7)),
        remove(CampaignStatus, campaign_id="cmp_2"),
        change(OptOut, OPT_OUT_OF_MSG_2, opted_out_at=EARLIER, source="manual", note="called us"),
    )
    campaign, message, opt_out = checked(reader)[0]
    assert message.columns == {"status": ("delivered", "undeliverable"), "delivered_at": (minute(7), None)}
    assert campaign.columns == {
        "status": (None, "sent"),
        "sent_at": (None, minute(1)),
        "details": (None, '{"campaign_id": "cmp_2"}'),
    }
    assert opt_out.columns == {
        "opted_out_at": (EARLIER, minute(3)),
        "source": ("manual", "event"),
        "note": ("called us", None),
    }


def test_facts_and_right_rows_are_counted(engine: Engine, reader: Engine) -> None:
    store(engine)
    damage(engine, DAMAGES["a changed status"][0], DAMAGES["a missing campaign"][0], DAMAGES["a missing row"][0])
    counts = rebuilt(reader, engine, 2)
    tables = {
        name: (counted.right, counted.changed, counted.missing, counted.surplus)
        for name, counted in counts.tables.items()
    }
    assert (counts.facts, counts.unreadable, counts.is_complete) == (FACTS, 0, True)
    assert tables == {
        "events": (len(EVENTS), 0, 0, 0),
        "message_status": (3, 1, 1, 0),
        "campaign_status": (1, 0, 1, 0),
        "opt_out_history": (3, 0, 0, 0),
        "opt_outs": (3, 0, 0, 0),
        "nameless_opt_outs": (1, 0, 0, 0),
    }


@one_database
@given(story=stories(), rows_per_slice=st.sampled_from([1, 2, 3, ROWS_PER_SLICE]))
def test_after_any_deliveries_and_words_nothing_drifts(engine: Engine, story: Story, rows_per_slice: int) -> None:
    clear(engine)
    take(engine, story.steps, story.options)
    drifts, counts = checked(engine, rows_per_slice, story.options)
    assert drift_keys(drifts) == []
    stored = everything(engine)
    assert counts.facts == len(stored["events"])
    stored["events"] += stored["further_bodies"]
    stored["opt_out_history"] = [row for row in stored["opt_out_history"] if row["digest"]]  # words are not compared
    assert {name: counted.right for name, counted in counts.tables.items()} == {
        name: len(stored[name]) for name in counts.tables
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A long story, and the rows that applying it left, to be put back for each test."""

    seed: int
    options: ParseOptions
    rows: dict[str, list[Row]]


@pytest.fixture(scope="module")
def applied(request: pytest.FixtureRequest, opened: Opened, as_migrated: Callable[[], None]) -> Applied:
    seed, engine = request.param, opened("engine")
    story = long_story(seed)
    as_migrated()
    with capture_logs():
        take(engine, in_few(story.steps), story.options)
    return Applied(seed=seed, options=story.options, rows=every_column(engine))


@pytest.mark.parametrize("applied", range(6), indirect=True)
def test_rebuilding_what_is_right_writes_nothing(engine: Engine, reader: Engine, applied: Applied) -> None:
    put_back(engine, applied.rows)
    before, stamps = everything(engine), updated_at(engine)
    assert rebuilt(reader, engine, 5, applied.options).drifting == 0
    assert (everything(engine), updated_at(engine)) == (before, stamps)


@pytest.mark.parametrize("applied", range(10), indirect=True)
def test_emptied_tables_get_the_rows_they_had(engine: Engine, reader: Engine, applied: Applied) -> None:
    put_back(engine, applied.rows)
    before = everything(engine)
    damage(engine, *(remove(model) for model in (MessageStatus, CampaignStatus, OptOut, NamelessOptOut)))
    rebuilt(reader, engine, 3, applied.options)
    assert everything(engine) == before
    assert checked(reader, options=applied.options)[0] == []


@pytest.mark.parametrize("applied", range(6), indirect=True)
def test_the_size_of_a_slice_changes_nothing(engine: Engine, reader: Engine, applied: Applied) -> None:
    put_back(engine, applied.rows)
    damage(engine, *some_damage(random.Random(applied.seed)))
    damaged = every_column(engine)
    sizes = (1, 3, ROWS_PER_SLICE)
    checks = [checked(reader, size, applied.options) for size in sizes]
    assert len(checks[0][0]) > 3
    assert all(check == checks[0] for check in checks)

    repaired = []
    for size in sizes:
        put_back(engine, damaged)
        counts = rebuilt(reader, engine, size, applied.options)
        assert checked(reader, options=applied.options)[0] == []
        repaired.append((everything(engine), counts.tables))
    assert all(outcome == repaired[0] for outcome in repaired)
    # An opt-out that was put right together with its message counts as right.
    tables = [counted.keys() - {"opt_outs"} for counted in (repaired[0][1], checks[0][1].tables)]
    assert tables[0] == tables[1]
    assert {name: repaired[0][1][name] for name in tables[0]} == {name: checks[0][1].tables[name] for name in tables[0]}


def every_column(engine: Engine) -> dict[str, list[Row]]:
    """Every row of every table, also what `everything` leaves out."""
    with engine.connect() as connection:
        return {
            name: [written(name, row) for row in connection.execute(select(SQLModel.metadata.tables[name])).mappings()]
            for name in TABLES
        }


def put_back(engine: Engine, stored: dict[str, list[Row]]) -> None:
    clear(engine)
    with engine.begin() as connection:
        for table, rows in stored.items():
            if rows:
                connection.execute(insert(SQLModel.metadata.tables[table]), rows)
