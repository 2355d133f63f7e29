"""What the tests of rebuild share."""

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlmodel import SQLModel

from models import Body, CampaignStatus, FurtherBody, LedgerEntry, MessageStatus, NamelessOptOut, OptOut, OptOutHistory
from sync.events.interpretation import ParseOptions
from sync.events.raw import RawEvent
from sync.rebuild.compare import Drift
from sync.rebuild.walk import ROWS_PER_SLICE, Walk, WalkCounts, check_rows, rebuild_rows
from sync.store.apply import apply
from tests.conftest import NOW
from tests.integration.store.test_oracle import Step, Story, make_story
from tests.support.events_builder import ANA, AO, RUI, Row, body, minute, raw
from tests.support.one_database import unguarded

Damage = Callable[[Connection], Any]
EARLIER = minute(-600)
EMAIL = "rui.costa@example.com"


OTHER_DIGEST = "0" * 64


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
    of_message("msg_4", "unknown", 6),
    of_message("msg_5", "unknown", 6),
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


def drift_keys(drifts: list[Drift]) -> list[tuple[str, ...]]:
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


def forget(**key: Any) -> Damage:
    """Delete statements, which the history refuses."""

    def do(connection: Connection) -> None:
        with unguarded(connection):
            connection.execute(delete(OptOutHistory).filter_by(**key))

    return do


def let_the_other_body_hold(connection: Connection) -> None:
    """Exchange the two bodies of the one fact that has two."""
    names = ("digest", "occurred_at", "received_at", "body_id", "is_dated", "origin")
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
    "a signed fact that is called polled": (
        change(LedgerEntry, {"subject_id": "msg_4", "event": "message.delivered"}, origin="polled"),
        ("events", "msg_4", "message.delivered", DIGESTS[5], "changed"),
    ),
    "another signed body that is called polled": (
        change(FurtherBody, {"subject_id": "msg_1"}, origin="polled"),
        ("events", "msg_1", "message.failed", DIGESTS[13], "changed"),
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


def long_story(seed: int) -> Story:
    """A story too long to be made smaller if it fails."""
    chance = random.Random(seed)
    return make_story(
        chance.choice,
        lambda items: chance.sample(items, len(items)),
        **{"deliveries": 80, "copies": 40, "words": 8, "answers": 12},
    )


def in_few(steps: Sequence[Step]) -> list[Step]:
    """The same in fewer transactions, for who needs the rows only: their order and batches change none."""
    deliveries = [raw_event for step in steps if isinstance(step, list) for raw_event in step]
    return [deliveries, *(step for step in steps if not isinstance(step, list))]


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


def written(table: str, row: Mapping[str, Any]) -> Row:
    """`row` without the columns that the database computes, and accepts from no client."""
    columns = SQLModel.metadata.tables[table].columns
    return {name: value for name, value in row.items() if columns[name].computed is None}


def ledger_entry(subject_id: str, content: bytes, name: str = "message.delivered") -> Damage:
    """A fact with its body, as an earlier version may have filed it."""
    key = {"subject_id": subject_id, "event": name, "received_at": minute(8)}
    moments = {"occurred_at": minute(8), "applied_at": minute(8)}
    digest = hashlib.sha256(content).hexdigest()

    def do(connection: Connection) -> None:
        body_row = connection.execute(insert(Body).values(key | {"body": content}).returning(Body.id))
        entry = {"outcome": "applied", "digest": digest, "is_dated": True, "body_id": body_row.scalar_one()}
        connection.execute(insert(LedgerEntry).values(key | moments | entry))

    return do
