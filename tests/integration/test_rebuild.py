"""`zexa-sync rebuild`: rows follow from all bodies and words, on both databases and beside workers at work."""

import hashlib
import json
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, Connection, Engine, delete, event, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel
from structlog.testing import capture_logs

import sync.store.ledger_read
from models import (
    Body,
    CampaignStatus,
    FurtherBody,
    LedgerEntry,
    MessageStatus,
    NamelessOptOut,
    OptOut,
    OptOutHistory,
)
from models.database import open_database
from sync.cli import main
from sync.events.interpretation import ParseOptions
from sync.events.parse import parse
from sync.events.raw import RawEvent
from sync.rebuild import repair, retry
from sync.rebuild.compare import Drift, compare
from sync.rebuild.walk import ROWS_PER_SLICE, Walk, WalkCounts, check_rows, rebuild_rows
from sync.store.apply import apply
from sync.terminal.masking import masked_address, masked_text
from tests.conftest import NOW
from tests.events_builder import (
    ANA,
    AO,
    RUI,
    TABLES,
    Row,
    body,
    clear,
    everything,
    minute,
    patient,
    raw,
    without_random_ids,
)
from tests.integration.test_merge_meetings import Worker, give, held
from tests.integration.test_oracle import Step, Story, make_story, stories, take, work_side_by_side

Command = Callable[..., Result]
Damage = Callable[[Connection], Any]

EARLIER = minute(-600)
EMAIL = "rui.costa@example.com"
NOBODY: dict[str, Any] = {"channel": "sms", "sender": "", "message_id": None, "opted_in_at": None, "note": None}
OTHER_DIGEST = "0" * 64

# A database serves all examples of a test and is emptied between them.
one_database = settings(
    patient,
    max_examples=50,
    suppress_health_check=[*patient.suppress_health_check, HealthCheck.function_scoped_fixture],
)


def of_message(name: str, status: str, at: float | None, **data: Any) -> RawEvent:
    occurred_at = None if at is None else minute(at)
    return raw(body(f"message.{status}", occurred_at, **({"message_id": name} | data)))


EVENTS = [
    of_message("msg_1", "delivered", 2, channel="sms", to=ANA, from_="ZEXA"),
    of_message("msg_1", "failed", 1, error=f"{ANA} is busy"),
    of_message("msg_2", "undeliverable", 1, channel="sms", to=RUI),
    of_message("msg_2", "optout", 3),
    of_message("msg_3", "optout", 4, channel="email", to=EMAIL),
    of_message("msg_4", "delivered", 5, channel="sms", to=RUI),
    of_message("msg_4", "read", 6),
    of_message("msg_5", "read", 6),
    raw(body("campaign.sent", minute(1), campaign_id="cmp_1", name="June")),
    raw(body("campaign.completed", minute(9), campaign_id="cmp_1", name="June")),
    raw(body("campaign.sent", minute(1), campaign_id="cmp_2")),
    raw(body("message.optout", minute(1), channel="sms", to=ANA)),
    of_message("msg_6", "optout", 7),
    of_message("msg_1", "failed", 0.5, error="no route"),
]
# The last one is another body of a fact.
FACTS = len(EVENTS) - 1
DIGESTS = [hashlib.sha256(raw_event.body).hexdigest() for raw_event in EVENTS]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture
def reader(migrated_url: URL) -> Iterator[Engine]:
    """As the command opens it: nothing can be written."""
    engine = open_database(migrated_url, is_read_only=True)
    yield engine
    engine.dispose()


@pytest.fixture
def command(migrated_url: URL, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs the command on the test's database."""
    monkeypatch.setenv("DATABASE_URL", migrated_url.render_as_string(hide_password=False))
    monkeypatch.delenv("ZEXA_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("DYNO", raising=False)
    return lambda *arguments: CliRunner().invoke(main, ["rebuild", *arguments], catch_exceptions=False)


def checked(
    engine: Engine, rows_per_slice: int = ROWS_PER_SLICE, options: ParseOptions = AO
) -> tuple[list[Drift], WalkCounts]:
    drifts: list[Drift] = []
    walk = Walk(options=options, rows_per_slice=rows_per_slice)
    check_rows(engine, walk, drifts.append)
    assert len(drifts) == walk.counts.drifting
    return sorted(drifts, key=lambda drift: (drift.table, *drift.key.values())), walk.counts


def rebuilt(
    reader: Engine, writer: Engine, rows_per_slice: int = ROWS_PER_SLICE, options: ParseOptions = AO
) -> WalkCounts:
    walk = Walk(options=options, rows_per_slice=rows_per_slice)
    rebuild_rows(reader, writer, walk)
    return walk.counts


def found(drifts: list[Drift]) -> list[tuple[str, ...]]:
    return [(drift.table, *drift.key.values(), drift.kind) for drift in drifts]


def store(engine: Engine, *raw_events: RawEvent) -> None:
    apply(engine, raw_events or EVENTS, options=AO, now=NOW)


def damage(engine: Engine, *damages: Damage) -> None:
    with engine.begin() as connection:
        for do in damages:
            do(connection)


def change(model: Any, key: Mapping[str, Any], **values: Any) -> Damage:
    return lambda connection: connection.execute(update(model).filter_by(**key).values(values))


def remove(model: Any, **key: Any) -> Damage:
    return lambda connection: connection.execute(delete(model).filter_by(**key))


def add(model: Any, **values: Any) -> Damage:
    stamps = {"updated_at": NOW} if hasattr(model, "updated_at") else {}
    return lambda connection: connection.execute(insert(model).values(stamps | values))


def add_opt_out(**values: Any) -> Damage:
    """A row of `opt_outs`, received when it was made unless `values` say else."""
    return add(OptOut, **({"received_at": values["opted_out_at"]} | NOBODY | values))


def state(**values: Any) -> Damage:
    """What a person states, kept in the history, without a change of any row."""
    stated = {"kind": "opted_out", "channel": "sms", "sender": "", "source": "manual", "applied_at": NOW}
    return add(OptOutHistory, **(stated | {"stated_by": "Rosa", "reason": "by letter"} | values))


def forget(**key: Any) -> Damage:
    """Delete statements, which the history refuses."""

    def do(connection: Connection) -> None:
        with unguarded(connection):
            connection.execute(delete(OptOutHistory).filter_by(**key))

    return do


@contextmanager
def unguarded(connection: Connection) -> Iterator[None]:
    """Within the block, rows of the history can be deleted."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("ALTER TABLE opt_out_history DISABLE TRIGGER USER"))
        yield
        connection.execute(text("ALTER TABLE opt_out_history ENABLE TRIGGER USER"))
        return
    triggers = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
    for name, _ in triggers:
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
    yield
    for _, definition in triggers:
        connection.exec_driver_sql(definition)


def let_the_other_body_hold(connection: Connection) -> None:
    """Exchange the two bodies of the one fact that has two."""
    names = ("digest", "occurred_at", "received_at", "body_id", "is_dated")
    other = connection.execute(select(FurtherBody.__table__)).mappings().one()
    key = {"subject_id": other["subject_id"], "event": other["event"]}
    held = connection.execute(select(LedgerEntry.__table__).filter_by(**key)).mappings().one()
    connection.execute(update(LedgerEntry).filter_by(**key).values({name: other[name] for name in names}))
    connection.execute(update(FurtherBody).filter_by(**key).values({name: held[name] for name in names}))


def updated_at(engine: Engine) -> dict[tuple[Any, ...], datetime]:
    """When each row of the status tables and of `opt_outs` was written, by its key."""
    moments = {}
    with engine.connect() as connection:
        for table in ("message_status", "campaign_status", "opt_outs"):
            for row in connection.execute(select(SQLModel.metadata.tables[table])).mappings():
                keys = SQLModel.metadata.tables[table].primary_key
                moments[table, *(row[key.name] for key in keys)] = row["updated_at"]
    return moments


OPT_OUT_OF_MSG_2 = {"channel": "sms", "address": RUI, "sender": ""}
NAMELESS = {"subject_id": "msg_6", "digest": DIGESTS[12]}
LATER = {"received_at": minute(9), "holds_until": minute(69)}

# What is done to the rows, and what then drifts, by table, key and kind. It is one row but for the exchanged bodies.
DAMAGES: dict[str, tuple[Any, ...]] = {
    "a changed status": (
        change(MessageStatus, {"message_id": "msg_2"}, status="delivered"),
        ("message_status", "msg_2", "changed"),
    ),
    "a wrong conflict flag": (
        change(MessageStatus, {"message_id": "msg_1"}, conflict=False),
        ("message_status", "msg_1", "changed"),
    ),
    "a time that is a microsecond off": (
        change(MessageStatus, {"message_id": "msg_4"}, delivered_at=minute(5).replace(microsecond=1)),
        ("message_status", "msg_4", "changed"),
    ),
    "another recipient": (
        change(MessageStatus, {"message_id": "msg_4"}, recipient=ANA),
        ("message_status", "msg_4", "changed"),
    ),
    "a cleared column": (
        change(MessageStatus, {"message_id": "msg_1"}, failure_reason=None),
        ("message_status", "msg_1", "changed"),
    ),
    "a missing row": (remove(MessageStatus, message_id="msg_1"), ("message_status", "msg_1", "missing")),
    "a missing row of nothing but an opt-out": (
        remove(MessageStatus, message_id="msg_3"),
        ("message_status", "msg_3", "missing"),
    ),
    "a row without any fact": (
        add(MessageStatus, message_id="msg_0", status="sent", conflict=False),
        ("message_status", "msg_0", "surplus"),
    ),
    "a row above all facts": (
        add(MessageStatus, message_id="zzz", status="sent", conflict=False),
        ("message_status", "zzz", "surplus"),
    ),
    "a row of ignored facts only": (
        add(MessageStatus, message_id="msg_5", status="sent", conflict=False),
        ("message_status", "msg_5", "surplus"),
    ),
    "a message's row of a campaign's facts": (
        add(MessageStatus, message_id="cmp_1", conflict=False),
        ("message_status", "cmp_1", "surplus"),
    ),
    "a changed campaign": (
        change(CampaignStatus, {"campaign_id": "cmp_1"}, status="sent"),
        ("campaign_status", "cmp_1", "changed"),
    ),
    "a missing campaign": (remove(CampaignStatus, campaign_id="cmp_2"), ("campaign_status", "cmp_2", "missing")),
    "a campaign without any fact": (
        add(CampaignStatus, campaign_id="cmp_3", status="sent", details="{}"),
        ("campaign_status", "cmp_3", "surplus"),
    ),
    "a missing opt-out of a message": (
        remove(OptOut, **OPT_OUT_OF_MSG_2),
        ("opt_outs", "sms", RUI, "", "missing"),
    ),
    "a missing opt-out of no message": (
        remove(OptOut, address=ANA),
        ("opt_outs", "sms", ANA, "", "missing"),
    ),
    "an opt-out that was made earlier": (
        change(OptOut, OPT_OUT_OF_MSG_2, opted_out_at=EARLIER),
        ("opt_outs", "sms", RUI, "", "changed"),
    ),
    "an opt-out that nobody has ended": (
        change(OptOut, OPT_OUT_OF_MSG_2, opted_in_at=minute(900)),
        ("opt_outs", "sms", RUI, "", "changed"),
    ),
    "an opt-out that was received earlier": (
        change(OptOut, OPT_OUT_OF_MSG_2, received_at=EARLIER),
        ("opt_outs", "sms", RUI, "", "changed"),
    ),
    "an opt-out that was made later": (
        change(OptOut, OPT_OUT_OF_MSG_2, opted_out_at=minute(900), message_id="msg_9"),
        ("opt_outs", "sms", RUI, "", "changed"),
    ),
    "an opt-out of an earlier import in its place": (
        change(OptOut, OPT_OUT_OF_MSG_2, opted_out_at=EARLIER, source="import", note="list of May"),
        ("opt_outs", "sms", RUI, "", "changed"),
    ),
    "a statement that is missing": (
        forget(address=EMAIL),
        ("opt_out_history", EMAIL, "email", "", DIGESTS[4], "missing"),
    ),
    "a missing opt-out that names nobody": (
        remove(NamelessOptOut),
        ("nameless_opt_outs", *NAMELESS.values(), "missing"),
    ),
    "an opt-out that names nobody, received later": (
        change(NamelessOptOut, NAMELESS, **LATER),
        ("nameless_opt_outs", *NAMELESS.values(), "changed"),
    ),
    "an opt-out that names nobody though its message does": (
        add(NamelessOptOut, subject_id="msg_2", digest=DIGESTS[3], **LATER),
        ("nameless_opt_outs", "msg_2", DIGESTS[3], "surplus"),
    ),
    "a fact that occurred earlier": (
        change(LedgerEntry, {"subject_id": "msg_4", "event": "message.delivered"}, occurred_at=EARLIER),
        ("events", "msg_4", "message.delivered", DIGESTS[5], "changed"),
    ),
    "a fact that is not dated": (
        change(LedgerEntry, {"subject_id": "cmp_1", "event": "campaign.sent"}, is_dated=False),
        ("events", "cmp_1", "campaign.sent", DIGESTS[8], "changed"),
    ),
    "another body that occurred earlier": (
        change(FurtherBody, {"subject_id": "msg_1"}, occurred_at=EARLIER),
        ("events", "msg_1", "message.failed", DIGESTS[13], "changed"),
    ),
    "another body than the greatest holds": (
        let_the_other_body_hold,
        *(("events", "msg_1", "message.failed", digest, "changed") for digest in sorted([DIGESTS[1], DIGESTS[13]])),
    ),
}


@pytest.mark.parametrize("rows_per_slice", [1, ROWS_PER_SLICE])
@pytest.mark.parametrize("name", DAMAGES)
def test_every_damage_is_found_by_check_and_repaired_by_rebuild(
    engine: Engine, reader: Engine, name: str, rows_per_slice: int
) -> None:
    do, *expected = DAMAGES[name]
    store(engine)
    before, stamps = everything(engine), updated_at(engine)
    assert checked(reader)[0] == []
    damage(engine, do)
    damaged, damaged_stamps = everything(engine), updated_at(engine)
    assert damaged != before

    drifts, counts = checked(reader, rows_per_slice)
    assert found(drifts) == expected
    assert (everything(engine), updated_at(engine)) == (damaged, damaged_stamps)

    repaired = rebuilt(reader, engine, rows_per_slice)
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
    tables = {name: (of.right, of.changed, of.missing, of.surplus) for name, of in counts.tables.items()}
    assert (counts.facts, counts.unreadable, counts.is_complete) == (FACTS, 0, True)
    assert tables == {
        "events": (len(EVENTS), 0, 0, 0),
        "message_status": (3, 1, 1, 0),
        "campaign_status": (1, 0, 1, 0),
        "opt_out_history": (3, 0, 0, 0),
        "opt_outs": (3, 0, 0, 0),
        "nameless_opt_outs": (1, 0, 0, 0),
    }


def long_story(seed: int) -> Story:
    """A story too long to be made smaller if it fails."""
    chance = random.Random(seed)
    return make_story(chance.choice, lambda items: chance.sample(items, len(items)), deliveries=80, copies=40, words=8)


@one_database
@given(story=stories(), rows_per_slice=st.sampled_from([1, 2, 3, ROWS_PER_SLICE]))
def test_after_any_deliveries_and_words_nothing_drifts(engine: Engine, story: Story, rows_per_slice: int) -> None:
    clear(engine)
    take(engine, story.steps, story.options)
    drifts, counts = checked(engine, rows_per_slice, story.options)
    assert found(drifts) == []
    stored = everything(engine)
    assert counts.facts == len(stored["events"])
    stored["events"] += stored["further_bodies"]
    stored["opt_out_history"] = [row for row in stored["opt_out_history"] if row["digest"]]  # words are not compared
    assert {name: of.right for name, of in counts.tables.items()} == {name: len(stored[name]) for name in counts.tables}


@pytest.mark.parametrize("seed", range(6))
def test_rebuilding_what_is_right_writes_nothing(engine: Engine, reader: Engine, seed: int) -> None:
    story = long_story(seed)
    take(engine, story.steps, story.options)
    before, stamps = everything(engine), updated_at(engine)
    assert rebuilt(reader, engine, 5, story.options).drifting == 0
    assert (everything(engine), updated_at(engine)) == (before, stamps)


@pytest.mark.parametrize("seed", range(10))
def test_emptied_tables_get_the_rows_they_had(engine: Engine, reader: Engine, seed: int) -> None:
    story = long_story(seed)
    take(engine, story.steps, story.options)
    before = everything(engine)
    damage(engine, *(remove(model) for model in (MessageStatus, CampaignStatus, OptOut, NamelessOptOut)))
    rebuilt(reader, engine, 3, story.options)
    assert everything(engine) == before
    assert checked(reader, options=story.options)[0] == []


@pytest.mark.parametrize("seed", range(6))
def test_the_size_of_a_slice_changes_nothing(engine: Engine, reader: Engine, seed: int) -> None:
    story, chance = long_story(seed), random.Random(seed)
    take(engine, story.steps, story.options)
    damage(engine, *some_damage(chance))
    damaged = every_column(engine)
    sizes = (1, 2, 7, ROWS_PER_SLICE)
    checks = [checked(reader, size, story.options) for size in sizes]
    assert len(checks[0][0]) > 3
    assert all(one == checks[0] for one in checks)

    repaired = []
    for size in sizes:
        put_back(engine, damaged)
        counts = rebuilt(reader, engine, size, story.options)
        assert checked(reader, options=story.options)[0] == []
        repaired.append((everything(engine), counts.tables))
    assert all(one == repaired[0] for one in repaired)
    # An opt-out that was put right together with its message counts as right.
    tables = [counted.keys() - {"opt_outs"} for counted in (repaired[0][1], checks[0][1].tables)]
    assert tables[0] == tables[1]
    assert {name: repaired[0][1][name] for name in tables[0]} == {name: checks[0][1].tables[name] for name in tables[0]}


def some_damage(chance: random.Random) -> list[Damage]:
    """Half of a long story's rows are gone or wrong, and some are too many."""
    names = [f"msg_{number}" for number in range(4)]
    chance.shuffle(names)
    return [
        remove(MessageStatus, message_id=names[0]),
        *(change(MessageStatus, {"message_id": name}, status="queued", conflict=False) for name in names[1:3]),
        *(
            add(MessageStatus, message_id=f"{chance.choice('az')}{number}", status="sent", conflict=False)
            for number in range(3)
        ),
        remove(CampaignStatus, campaign_id="cmp_0"),
        add(CampaignStatus, campaign_id="cmp_9", status="sent", details="{}"),
        remove(OptOut, channel="") if chance.random() < 0.5 else remove(OptOut),
        lambda connection: connection.execute(update(OptOut).values(opted_out_at=EARLIER)),
        remove(NamelessOptOut),
        add(NamelessOptOut, subject_id=names[3], digest=OTHER_DIGEST, **LATER),
        change(LedgerEntry, {"event": "message.delivered"}, is_dated=False),
    ]


def every_column(engine: Engine) -> dict[str, list[Row]]:
    """Every row of every table, also what `everything` leaves out."""
    with engine.connect() as connection:
        return {
            name: [written(name, row) for row in connection.execute(select(SQLModel.metadata.tables[name])).mappings()]
            for name in TABLES
        }


def written(table: str, row: Mapping[str, Any]) -> Row:
    """`row` without the columns that the database computes, and accepts from no client."""
    columns = SQLModel.metadata.tables[table].columns
    return {name: value for name, value in row.items() if columns[name].computed is None}


def put_back(engine: Engine, stored: dict[str, list[Row]]) -> None:
    clear(engine)
    with engine.begin() as connection:
        for table, rows in stored.items():
            if rows:
                connection.execute(insert(SQLModel.metadata.tables[table]), rows)


def test_two_messages_of_one_lost_opt_out_are_one_row_that_drifts(engine: Engine, reader: Engine) -> None:
    stops = [of_message(f"msg_{number}", "optout", at, channel="sms", to=ANA) for number, at in enumerate([2, 5, 3])]
    store(engine, *stops)
    before = everything(engine)
    damage(engine, remove(OptOut))
    for size in (1, ROWS_PER_SLICE):
        (drift,) = checked(reader, size)[0]
        assert drift.columns["opted_out_at"] == (None, minute(5))
        assert drift.columns["message_id"] == (None, "msg_1")
    assert rebuilt(reader, engine, 1).tables["opt_outs"].missing == 1
    assert everything(engine) == before


@pytest.mark.parametrize(
    "stored",
    [
        {"address": "+244900000001", "source": "manual", "opted_out_at": EARLIER, "note": "called us"},
        {"address": "+244900000002", "source": "import", "opted_out_at": minute(900)},
        {"address": "+244900000003", "source": "event", "opted_out_at": minute(1), "message_id": "msg_lost"},
        {"address": "+244900000004", "source": "manual", "opted_out_at": EARLIER, "opted_in_at": minute(1)},
        {"address": RUI, "channel": "whatsapp", "source": "event", "opted_out_at": minute(3), "message_id": "msg_2"},
        {"address": RUI, "sender": "ZEXA", "source": "import", "opted_out_at": minute(3), "note": "list of June"},
    ],
)
def test_an_opt_out_that_nothing_states_stays_as_it_is(engine: Engine, reader: Engine, stored: dict[str, Any]) -> None:
    store(engine)
    damage(engine, add_opt_out(**stored))
    before, stamps = everything(engine), updated_at(engine)
    assert checked(reader)[0] == []
    rebuilt(reader, engine)
    assert (everything(engine), updated_at(engine)) == (before, stamps)


# What a person states beside the STOP of msg_2, which was received at two hours, and what the row then says.
WORDS: dict[str, tuple[Damage, dict[str, Any]]] = {
    "opted out later": (
        state(address=RUI, occurred_at=minute(900), reason="called us", opt_out_id="a word"),
        {"opted_out_at": minute(900), "received_at": minute(900), "source": "manual", "note": "called us"}
        | {"message_id": None, "opt_out_id": "a word"},
    ),
    "opted out earlier": (state(address=RUI, occurred_at=EARLIER, source="import", opt_out_id="a word"), {}),
    "opted in after it was received": (
        state(address=RUI, kind="opted_in", channel=None, sender=None, occurred_at=minute(900)),
        {"opted_in_at": minute(900)},
    ),
    "opted in before it was received": (
        state(address=RUI, kind="opted_in", channel=None, sender=None, occurred_at=minute(90)),
        {"opted_in_at": minute(90)},
    ),
    "opted in elsewhere": (state(address=RUI, kind="opted_in", channel="email", sender=None, occurred_at=NOW), {}),
}


@pytest.mark.parametrize("name", WORDS)
def test_what_people_state_counts_as_well_as_what_events_do(engine: Engine, reader: Engine, name: str) -> None:
    store(engine)
    words, columns = WORDS[name]
    (before,) = (row for row in everything(engine)["opt_outs"] if row["address"] == RUI)
    damage(engine, words, remove(OptOut, address=RUI))
    assert found(checked(reader)[0]) == [("opt_outs", "sms", RUI, "", "missing")]
    rebuilt(reader, engine)
    (after,) = (row for row in everything(engine)["opt_outs"] if row["address"] == RUI)
    assert after == before | columns
    assert checked(reader)[0] == []


def test_an_opt_out_that_only_another_body_addresses_is_found_again(engine: Engine, reader: Engine) -> None:
    store(engine, of_message("msg_1", "failed", 1, to=ANA))
    store(engine, of_message("msg_1", "failed", 2))
    store(engine, of_message("msg_1", "optout", 3))
    store(engine, of_message("msg_1", "undeliverable", 4, channel="sms"))
    assert [row["channel"] for row in everything(engine)["opt_outs"]] == [""]
    assert [row["channel"] for row in everything(engine)["message_status"]] == ["sms"]
    assert checked(reader)[0] == []
    before = everything(engine)
    damage(engine, remove(OptOut), forget())
    assert [row[0] for row in found(checked(reader)[0])] == ["opt_out_history"]
    rebuilt(reader, engine)
    assert everything(engine) == before


def test_what_only_another_body_tells_of_a_message_is_found_again(engine: Engine, reader: Engine) -> None:
    store(engine, of_message("msg_1", "failed", 1, channel="sms", to=ANA, error="busy"))
    store(engine, of_message("msg_1", "failed", 2))
    before = everything(engine)
    (row,) = before["message_status"]
    assert (row["channel"], row["recipient"], row["failure_reason"]) == ("sms", ANA, None)
    damage(engine, remove(MessageStatus))
    rebuilt(reader, engine)
    assert everything(engine) == before


def test_a_wrong_time_of_a_stop_is_put_right_before_what_follows_from_it(engine: Engine, reader: Engine) -> None:
    store(engine)
    before = everything(engine)
    damage(
        engine,
        change(LedgerEntry, {"subject_id": "msg_2", "event": "message.optout"}, occurred_at=EARLIER),
        change(OptOut, OPT_OUT_OF_MSG_2, opted_out_at=EARLIER),
    )
    rebuilt(reader, engine)
    assert everything(engine) == before


def ledger_entry(subject_id: str, content: bytes, name: str = "message.delivered") -> Damage:
    """A fact with its body, as an earlier version may have filed it."""
    key = {"subject_id": subject_id, "event": name, "received_at": minute(8)}
    moments = {"occurred_at": minute(8), "applied_at": minute(8)}
    digest = hashlib.sha256(content).hexdigest()

    def do(connection: Connection) -> None:
        kept = connection.execute(insert(Body).values(key | {"body": content}).returning(Body.id))
        entry = {"outcome": "applied", "digest": digest, "is_dated": True, "body_id": kept.scalar_one()}
        connection.execute(insert(LedgerEntry).values(key | moments | entry))

    return do


def test_bodies_that_cannot_be_read_are_counted_and_passed_over(engine: Engine, reader: Engine) -> None:
    store(engine)
    damage(engine, ledger_entry("msg_2", b"\xff"), ledger_entry("msg_8", b"{"), ledger_entry("msg_9", EVENTS[0].body))
    damage(
        engine,
        add(MessageStatus, message_id="msg_8", status="delivered", conflict=False),
        change(MessageStatus, {"message_id": "msg_2"}, status="delivered"),
    )
    drifts, counts = checked(reader)
    assert (counts.facts, counts.unreadable) == (FACTS + 3, 3)
    # A row that may stand on such a body alone stays; one that other facts make follows from these.
    assert found(drifts) == [("message_status", "msg_2", "changed")]
    rebuilt(reader, engine, 1)
    assert checked(reader)[0] == []
    assert {row["message_id"]: row["status"] for row in everything(engine)["message_status"]} == {
        "msg_1": "delivered",
        "msg_2": "undeliverable",
        "msg_3": None,
        "msg_4": "delivered",
        "msg_6": None,
        "msg_8": "delivered",
    }


def test_a_ledger_that_was_emptied_leaves_the_opt_outs_and_what_stated_them(engine: Engine, reader: Engine) -> None:
    store(engine, *EVENTS, of_message("msg_7", "optout", None, channel="whatsapp", to=ANA))
    before = everything(engine)
    damage(engine, remove(LedgerEntry), remove(FurtherBody), remove(Body))
    assert "missing" not in {drift.kind for drift in checked(reader, 2)[0]}
    counts = rebuilt(reader, engine, 2)
    after = everything(engine)
    assert {table for table, rows in after.items() if rows} == {"opt_outs", "opt_out_history"}
    assert after["opt_out_history"] == before["opt_out_history"]
    assert [keyed(row) for row in after["opt_outs"]] == [keyed(row) for row in before["opt_outs"]]
    assert all(row["opted_in_at"] is None for row in after["opt_outs"])
    assert {name: of.surplus for name, of in counts.tables.items() if of.surplus} == {
        "message_status": 6,
        "campaign_status": 2,
        "nameless_opt_outs": 1,
    }


def keyed(row: Row) -> tuple[str, ...]:
    return row["channel"], row["address"], row["sender"]


def test_a_slice_holds_a_bounded_number_of_rows_of_each_table(engine: Engine, reader: Engine) -> None:
    store(engine)
    damage(engine, *(add(MessageStatus, message_id=f"msg_1{number}", conflict=False) for number in range(9)))
    slices = list(compare(reader, options=AO, rows_per_slice=2))
    assert sum(one.facts for one in slices) == FACTS
    assert max(one.facts for one in slices) <= 3  # a subject has its facts together
    assert sum(len(one.drifts) for one in slices) == 9
    assert max(len(one.drifts) for one in slices) == 2


def test_an_opt_out_that_a_worker_has_added_by_the_end_of_check_is_no_drift(engine: Engine, reader: Engine) -> None:
    store(engine)
    (row,) = (row for row in everything(engine)["opt_outs"] if row["address"] == RUI)
    damage(engine, remove(OptOut))
    drifts: list[Drift] = []
    add_again = add(OptOut, **written("opt_outs", row))
    walk = Walk(options=AO, rows_per_slice=100, on_slice=lambda: damage(engine, add_again))
    check_rows(reader, walk, drifts.append)
    assert [drift.key["address"] for drift in drifts] == [EMAIL, ANA]
    assert walk.counts.tables["opt_outs"].missing == 2


def test_an_empty_database_has_nothing_to_rebuild(engine: Engine, reader: Engine) -> None:
    counts = rebuilt(reader, engine)
    assert (counts.facts, counts.drifting, counts.is_complete) == (0, 0, True)


def test_the_bodies_of_rows_that_drift_are_parsed_once(
    engine: Engine, reader: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(engine)
    before = everything(engine)
    damage(engine, lambda connection: connection.execute(update(MessageStatus).values(status="queued", conflict=True)))
    damage(engine, lambda connection: connection.execute(update(CampaignStatus).values(name="July")))
    bodies: list[bytes] = []
    monkeypatch.setattr(
        sync.store.ledger_read, "parse", lambda given, options: bodies.append(given.body) or parse(given, options)
    )
    rebuilt(reader, engine)
    assert everything(engine) == before
    assert sorted(bodies) == sorted(raw_event.body for raw_event in EVENTS)


def test_a_row_that_was_put_right_since_it_was_compared_is_not_written_again(engine: Engine, reader: Engine) -> None:
    store(engine)
    before, stamps = everything(engine), updated_at(engine)
    damage(engine, change(MessageStatus, {"message_id": "msg_2"}, status="delivered"))
    (found_wrong,) = compare(reader, options=AO, rows_per_slice=ROWS_PER_SLICE)
    damage(engine, change(MessageStatus, {"message_id": "msg_2"}, status="undeliverable"))
    repair.repair(engine, found_wrong, options=AO)
    assert (everything(engine), updated_at(engine)) == (before, stamps)


def test_a_fact_that_came_since_a_row_was_compared_counts(engine: Engine, reader: Engine) -> None:
    store(engine, EVENTS[1])
    damage(engine, change(MessageStatus, {"message_id": "msg_1"}, status="sent"))
    (found_wrong,) = compare(reader, options=AO, rows_per_slice=ROWS_PER_SLICE)
    store(engine, EVENTS[0])
    damage(engine, change(MessageStatus, {"message_id": "msg_1"}, status="sent"))
    repair.repair(engine, found_wrong, options=AO)
    assert checked(reader)[0] == []


# -- Beside workers


class Rebuilder(Worker):
    """Rebuilds in a thread, at each point at which its base class applies."""

    def _work(self, _step: Step) -> None:
        reader = open_database(self.engine.url, is_read_only=True)
        try:
            rebuilt(reader, self.engine)
        except BaseException as error:
            self.errors.append(error)
        finally:
            reader.dispose()


@pytest.fixture
def second_engine(migrated_url: URL) -> Iterator[Engine]:
    engine = open_database(migrated_url)
    yield engine
    engine.dispose()


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
    engine: Engine, second_engine: Engine, reader: Engine, meeting: str, is_rebuild_held: bool
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
        other = Worker(second_engine, meanwhile) if is_rebuild_held else Rebuilder(second_engine, [])
        with held(engine, step, other) as is_held:
            if is_rebuild_held:
                rebuilt(reader, engine)
            else:
                store(engine, *meanwhile)
        other.join()
        assert everything(engine) == at_once, f"held at step {step}"
        step, is_met = step + 1, is_held.is_set()
    assert step >= 3


def test_what_a_worker_commits_while_check_reads_is_no_drift(
    engine: Engine, second_engine: Engine, reader: Engine
) -> None:
    step, is_met = 0, True
    while is_met:
        clear(engine)
        store(engine, *EVENTS[::2])
        other = Worker(second_engine, EVENTS[1::2])
        with held(reader, step, other) as is_held:
            assert found(checked(reader)[0]) == [], f"check was held at step {step}"
        other.join()
        step, is_met = step + 1, is_held.is_set()
    assert step >= 8


@pytest.mark.parametrize("seed", range(3))
def test_a_rebuild_beside_workers_changes_nothing_that_is_right(
    engine: Engine, migrated_url: URL, reader: Engine, second_engine: Engine, seed: int
) -> None:
    story = long_story(seed)
    take(engine, story.steps, story.options)
    at_once = without_random_ids(engine)
    clear(engine)
    with rebuilding_all_the_while(reader, second_engine, story.options):
        work_side_by_side(migrated_url, [story.steps[::2], story.steps[1::2]], story.options)
    assert without_random_ids(engine) == at_once
    assert checked(reader, options=story.options)[0] == []


@pytest.mark.parametrize("seed", range(3))
def test_a_rebuild_of_damaged_rows_beside_workers_ends_with_nothing_that_drifts(
    engine: Engine, migrated_url: URL, reader: Engine, second_engine: Engine, seed: int
) -> None:
    story = long_story(seed)
    half = len(story.steps) // 2
    shares = [story.steps[half::2], story.steps[half + 1 :: 2], story.steps[:half]]
    take(engine, story.steps[:half], story.options)
    damage(engine, *some_damage(random.Random(seed)))
    with rebuilding_all_the_while(reader, second_engine, story.options):
        work_side_by_side(migrated_url, shares, story.options)
    assert found(checked(reader, options=story.options)[0]) == []


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
def impatient(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Let `engine` wait a moment only; yield the kinds of errors it met."""
    monkeypatch.setattr(repair, "LOCK_SECONDS", 0.1)
    monkeypatch.setattr(retry, "PAUSES_SECONDS", (0.01, 0.01))
    kinds: list[str] = []

    def shorten(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA busy_timeout = 100")

    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", shorten)
    event.listen(engine, "handle_error", lambda context: kinds.append(type(context.original_exception).__name__))
    yield kinds


LOCKED = {"postgresql": "LockNotAvailable", "sqlite": "OperationalError"}


@pytest.mark.parametrize("name", ["a changed status", "a row without any fact", "an opt-out that was made earlier"])
def test_a_slice_whose_rows_are_locked_is_tried_again(
    engine: Engine, reader: Engine, second_engine: Engine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    store(engine)
    before = everything(engine)
    damage(engine, DAMAGES[name][0])
    with engine.connect() as holder, impatient(second_engine, monkeypatch) as kinds:
        lock_all(holder)
        event.listen(second_engine, "handle_error", lambda _: holder.rollback())
        rebuilt(reader, second_engine)
    assert kinds == [LOCKED[engine.dialect.name]]
    assert everything(engine) == before


def test_where_rows_stay_locked_the_error_passes_through_and_nothing_is_half_done(
    engine: Engine, reader: Engine, second_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(engine)
    damage(engine, DAMAGES["a missing campaign"][0], DAMAGES["a changed status"][0])
    damaged = everything(engine)
    with engine.connect() as holder, impatient(second_engine, monkeypatch) as kinds:
        lock_all(holder)
        with pytest.raises(DBAPIError):
            rebuilt(reader, second_engine)
        assert kinds == [LOCKED[engine.dialect.name]] * 3
        holder.rollback()
    assert everything(engine) == damaged


def lock_all(connection: Connection) -> None:
    """Write to every row that there is, and leave the transaction open."""
    for model in (LedgerEntry, MessageStatus, CampaignStatus, OptOut):
        table = SQLModel.metadata.tables[model.__tablename__]
        key = next(iter(table.primary_key))
        connection.execute(update(table).values({key: key}))


# -- The command


def test_check_says_that_nothing_drifts_and_exits_0(engine: Engine, command: Command) -> None:
    store(engine)
    result = command("--check")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{FACTS} facts read.\n")
    assert result.stdout.endswith("\nNo row drifts.\n")
    assert result.stderr == ""


def test_check_prints_each_row_that_drifts_and_exits_1(engine: Engine, command: Command) -> None:
    store(engine)
    damage(engine, *(DAMAGES[name][0] for name in ("a changed status", "a missing row", "a campaign without any fact")))
    damage(engine, remove(OptOut, **OPT_OUT_OF_MSG_2))
    result = command("--check")
    assert result.exit_code == 1
    *rows, counts = result.stdout.split("\n\n")
    assert [row.splitlines()[0] for row in rows] == [
        "message_status msg_1: the row is missing",
        "message_status msg_2: the row says something else than its facts",
        "campaign_status cmp_3: no fact makes this row",
        "opt_outs sms +244…111 -: the row is missing",
        # What was counted when they were applied is no longer what the damaged rows come to.
        "rollup_daily 2026-06-24 sms -: the row says something else than its facts",
        "rollup_daily 2026-06-24 sms ZEXA: no fact makes this row",
    ]
    assert rows[1].splitlines()[1:] == ["  status  delivered → undeliverable"]
    assert "  conflict        - → yes" in rows[0].splitlines()
    assert "  status   sent → -" in rows[2].splitlines()
    assert "  opted_out_at  - → 2026-06-24 10:03:00Z" in rows[3].splitlines()
    table = [line.split() for line in counts.splitlines()]
    assert table[1:] == [
        ["right", "changed", "missing", "surplus"],
        ["events", "14", "0", "0", "0"],
        ["message_status", "3", "1", "1", "0"],
        ["campaign_status", "2", "0", "0", "1"],
        ["opt_out_history", "3", "0", "0", "0"],
        ["opt_outs", "2", "0", "1", "0"],
        ["nameless_opt_outs", "1", "0", "0", "0"],
        ["rollup_daily", "0", "1", "0", "1"],
        ["rollup_campaigns", "0", "0", "0", "0"],
        ["6", "rows", "drift."],
    ]


def test_rebuild_repairs_says_how_many_and_exits_0(engine: Engine, command: Command) -> None:
    store(engine)
    before = everything(engine)
    damage(engine, DAMAGES["a changed status"][0], DAMAGES["a row above all facts"][0])
    result = command()
    assert result.exit_code == 0
    table = [line.split() for line in result.stdout.splitlines()]
    assert table[1:] == [
        ["right", "changed", "added", "removed"],
        ["events", "14", "0", "0", "0"],
        ["message_status", "4", "1", "0", "1"],
        ["campaign_status", "2", "0", "0", "0"],
        ["opt_out_history", "3", "0", "0", "0"],
        ["opt_outs", "3", "0", "0", "0"],
        ["nameless_opt_outs", "1", "0", "0", "0"],
        # The repair took the damaged row's share from the roll-up, which it never had.
        ["rollup_daily", "1", "1", "0", "0"],
        ["rollup_campaigns", "0", "0", "0", "0"],
        ["3", "rows", "repaired."],
    ]
    assert everything(engine) == before
    assert command().stdout.endswith("\nNothing had to be repaired.\n")
    assert command("--check").exit_code == 0


def test_json_is_a_line_for_each_row_and_a_summary_last(engine: Engine, command: Command) -> None:
    store(engine)
    damage(engine, DAMAGES["a changed status"][0], change(OptOut, {"address": ANA}, opted_out_at=EARLIER))
    result = command("--check", "--json")
    assert result.exit_code == 1
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert rows[0] == {
        "table": "message_status",
        "key": {"message_id": "msg_2"},
        "drift": "changed",
        "columns": {"status": {"stored": "delivered", "expected": "undeliverable"}},
    }
    assert rows[1] == {
        "table": "opt_outs",
        "key": {"channel": "sms", "address": "+244…678", "sender": ""},
        "drift": "changed",
        "columns": {"opted_out_at": {"stored": "2026-06-24T00:00:00Z", "expected": "2026-06-24T10:01:00Z"}},
    }
    assert rows[2] == {
        "table": "rollup_daily",
        "key": {"day": "2026-06-24", "channel": "sms", "sender": ""},
        "drift": "changed",
        "columns": {
            "delivered": {"stored": 1, "expected": 2},
            "undeliverable": {"stored": 1, "expected": 0},
        },
    }
    right = {"changed": 0, "missing": 0, "surplus": 0}
    assert rows[3:] == [
        {
            "summary": {
                "is_check": True,
                "is_complete": True,
                "facts": FACTS,
                "unreadable": 0,
                "drifting": 3,
                "tables": {
                    "events": right | {"right": 14},
                    "message_status": right | {"right": 4, "changed": 1},
                    "campaign_status": right | {"right": 2},
                    "opt_out_history": right | {"right": 3},
                    "opt_outs": right | {"right": 2, "changed": 1},
                    "nameless_opt_outs": right | {"right": 1},
                    "rollup_daily": right | {"right": 1, "changed": 1},
                    "rollup_campaigns": right | {"right": 0},
                },
            }
        }
    ]
    (repaired,) = command("--json").stdout.splitlines()
    assert json.loads(repaired)["summary"]["repaired"] == 3
    assert json.loads(repaired)["summary"]["tables"]["message_status"] == {
        "right": 4,
        "changed": 1,
        "added": 0,
        "removed": 0,
    }


def test_no_more_rows_are_printed_than_asked_for_and_all_are_counted(engine: Engine, command: Command) -> None:
    store(engine)
    damage(engine, *(add(MessageStatus, message_id=f"zzz_{number:03}", conflict=False) for number in range(103)))
    for arguments, printed in (((), 100), (("--limit", "2"), 2), (("--limit", "0"), 0), (("--limit", "999"), 103)):
        result = command("--check", "--json", *arguments)
        *rows, summary = [json.loads(line) for line in result.stdout.splitlines()]
        assert (len(rows), summary["summary"]["drifting"], result.exit_code) == (printed, 103, 1)


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_numbers_and_addresses_are_masked_unless_asked_for(
    engine: Engine, command: Command, form: tuple[str, ...]
) -> None:
    store(engine)
    damage(
        engine,
        remove(OptOut),
        remove(MessageStatus),
        change(CampaignStatus, {"campaign_id": "cmp_1"}, details=json.dumps({"by": EMAIL, "to": ANA})),
    )
    whole = (ANA, ANA[1:], RUI, RUI[1:], EMAIL, "rui.costa")
    masked = command("--check", *form).stdout
    assert not [address for address in whole if address in masked]
    assert "+244\\u2026678" in masked if form else "+244…678" in masked
    shown = command("--check", "--show-addresses", *form).stdout
    assert not [address for address in whole if address not in shown]


def test_an_address_of_any_kind_is_masked() -> None:
    kinds = {
        "+244912345678": "+244…678",
        "00 244 912 345 678": "00 2…678",
        "+1234567": "+…",
        "12345": "1…",
        "ana@example.com": "a…@example.com",
        '"a@b"@example.com': '"…@example.com',
        "@ana912345678": "@…",
        "U012AB3CD": "U…",
        "": "…",
    }
    assert {address: masked_address(address) for address in kinds} == kinds
    text = "from 12345 to +244 912 345 678 (ana.b@example.com), code 404, <rui@example.com>"
    assert masked_text(text) == "from 12345 to +244…678 (a…@example.com), code 404, <r…@example.com>"


def test_what_could_change_a_terminal_is_escaped_and_long_values_are_cut(engine: Engine, command: Command) -> None:
    store(engine, of_message("msg_\x1b[2J", "failed", 1, error="x" * 900))
    damage(engine, remove(MessageStatus))
    shown = command("--check").stdout
    assert "message_status msg_\\x1b[2J: the row is missing" in shown
    assert f"  failure_reason  - → {'x' * 200}… (900 characters)\n" in shown
    assert "\x1b" not in shown
    assert "\x1b" not in command("--check", "--json").stdout


def test_unreadable_bodies_are_told(engine: Engine, command: Command) -> None:
    damage(engine, ledger_entry("msg_1", b"{"))
    assert "1 fact read.\n1 body cannot be read by this version and was passed over.\n" in command().stdout


def test_what_a_row_should_follow_from_is_told_by_its_table(engine: Engine, command: Command) -> None:
    store(engine)
    names = ("a changed campaign", "an opt-out that was made earlier", "another body than the greatest holds")
    damage(engine, *(DAMAGES[name][0] for name in names), forget(address=EMAIL))
    *rows, _ = command("--check").stdout.split("\n\n")
    digests = sorted([DIGESTS[1], DIGESTS[13]])
    assert sorted(row.splitlines()[0] for row in rows) == [
        "campaign_status cmp_1: the row says something else than its facts",
        *(f"events msg_1 message.failed {digest}: the row says something else than its bodies" for digest in digests),
        f"opt_out_history r…@example.com email - {DIGESTS[4]}: the row is missing",
        "opt_outs sms +244…111 -: the row says something else than all that was stated",
    ]
    assert "  holds  no → yes" in "\n".join(rows)


@pytest.mark.parametrize("arguments", [("--limit", "3"), ("--show-addresses",), ("--check", "--limit", "-1"), ("x",)])
def test_wrong_use_exits_2(engine: Engine, command: Command, arguments: tuple[str, ...]) -> None:
    store(engine)
    result = command(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("arguments", [("--check",), ()])
def test_ctrl_c_ends_after_the_slice_with_what_was_done(
    engine: Engine, command: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    store(engine, *[of_message(f"msg_{number}", "optout", 1, to=ANA) for number in range(9)])
    damage(engine, remove(MessageStatus), remove(OptOut))
    monkeypatch.setattr("sync.rebuild.command.ROWS_PER_SLICE", 2)
    with interrupted_in_the_second_slice():
        result = command(*arguments, "--json")
    assert result.exit_code == 1
    assert result.stderr == "stopped\n"
    summary = json.loads(result.stdout.splitlines()[-1])["summary"]
    assert (summary["is_complete"], summary["facts"]) == (False, 4)
    assert summary["tables"]["message_status"]["missing" if arguments else "added"] == 4
    assert set(summary["tables"]["opt_outs"].values()) == {0}
    assert len(everything(engine)["message_status"]) == (0 if arguments else 4)


@contextmanager
def interrupted_in_the_second_slice() -> Iterator[None]:
    """Within the block, press Ctrl-C when any engine reads bodies for the second time."""
    reads = []

    def interrupt(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "bodies.body" in statement:
            reads.append(statement)
            if len(reads) == 2:
                os.kill(os.getpid(), signal.SIGINT)

    event.listen(Engine, "before_cursor_execute", interrupt)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", interrupt)


def test_on_a_terminal_progress_is_shown_apart_from_the_data(
    engine: Engine, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(engine)
    damage(engine, DAMAGES["a changed status"][0])
    monkeypatch.setenv("FORCE_COLOR", "1")
    result = command("--check", "--json")
    assert f"{FACTS} of about {FACTS} facts, " in result.stderr
    assert [list(json.loads(line)) for line in result.stdout.splitlines()] == [
        ["table", "key", "drift", "columns"],
        ["table", "key", "drift", "columns"],  # of a roll-up
        ["summary"],
    ]


@pytest.mark.parametrize(
    ("environ", "status", "expected"),
    [
        ({"DATABASE_URL": " "}, 2, "DATABASE_URL is not set"),
        ({"ZEXA_DEFAULT_REGION": "Angola"}, 2, "ZEXA_DEFAULT_REGION is not a two-letter region"),
        ({"DATABASE_URL": "postgres://someone:hunter2@127.0.0.1:1/name"}, 1, "the database of DATABASE_URL failed ("),
        (
            {"DATABASE_URL": "sqlite:////nowhere/zexa.db"},
            1,
            "the database of DATABASE_URL failed (unable to open database file)",
        ),
    ],
)
@pytest.mark.parametrize("arguments", [("--check",), ()])
def test_a_failure_is_one_line_without_a_password(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    status: int,
    expected: str,
    arguments: tuple[str, ...],
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    result = command(*arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (status, "", 1)
    assert result.stderr.startswith(f"Error: {expected}")
    assert not [detail for detail in ("hunter2", "nowhere") if detail in result.stderr]


def test_help_says_what_it_does_not_do(command: Command) -> None:
    told = " ".join(command("--help").stdout.split())
    assert "a lost fact must not make a person reachable." in told
    assert "opt_out_history is only added to." in told
