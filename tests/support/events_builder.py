"""Bodies as the provider would word them, and the rows they end as, for tests of the core.

Of the code under test it knows the raw event and the tables, nothing of how one becomes the other.
"""

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, delete, select, text
from sqlmodel import SQLModel

from models import all_tables
from sync.events.interpretation import ParseOptions
from sync.events.raw import RawEvent

assert all_tables.__all__  # importing the module fills the metadata

BODIES = Path(__file__).parent / "bodies"
SAMPLE = (BODIES / "applied" / "documented_sample.json").read_bytes()

TEN = datetime(2026, 6, 24, 10, 0, tzinfo=UTC)
RECEIVED = datetime(2026, 6, 24, 12, 0, tzinfo=UTC)
ANA = "+244912345678"
RUI = "+244923000111"
REFUSED = "msg_refused"  # the message that the database of `refusing` takes no row of
AO = ParseOptions(default_region="AO")

# The tables that events are merged into, and the columns that say when a process worked, not what is true.
TABLES: dict[str, tuple[str, ...]] = {
    "events": ("applied_at", "body_id"),
    "bodies": ("id",),
    "further_bodies": ("body_id",),
    "message_status": ("updated_at",),
    "campaign_status": ("updated_at",),
    "opt_outs": ("updated_at",),
    "opt_out_history": ("id", "applied_at"),
    "nameless_opt_outs": (),
    "dead_letters": (),
}

# What workers keep besides: how it is divided between them at a moment depends on batches, their sum does not.
ROLLUPS = ("rollup_daily", "rollup_campaigns", "rollup_campaign_quarters", "rollup_deltas")

# A property is about what is true, not about how busy the machine is.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

Row = dict[str, Any]


def minute(number: float) -> datetime:
    """A moment of the sample's day, `number` minutes after ten."""
    return TEN + timedelta(minutes=number)


def body(event: str | None, at: datetime | None = None, **data: Any) -> bytes:
    """The body of an event that occurred `at`. A field that is None is left out; `from_` is `from`."""
    document: dict[str, Any] = {} if event is None else {"event": event}
    if at is not None:
        document["timestamp"] = at.isoformat().replace("+00:00", "Z")
    document["data"] = {name.rstrip("_"): value for name, value in data.items() if value is not None}
    return json.dumps(document).encode()


def raw(content: bytes, received_at: datetime = RECEIVED) -> RawEvent:
    return RawEvent(body=content, received_at=received_at)


def bodies(*fates: str) -> dict[str, bytes]:
    """The bodies of these `fates`, or all, by name: the files of tests/support/bodies and some too large for a file.

    A name is `fate/what it is`; the fate is `applied`, `ignored` or the reason of a dead letter.
    """
    return {name: content for name, content in _all_bodies().items() if not fates or name.split("/")[0] in fates}


@cache
def _all_bodies() -> dict[str, bytes]:
    return {f"{path.parent.name}/{path.stem}": path.read_bytes() for path in sorted(BODIES.glob("*/*"))} | _large()


def _large() -> dict[str, bytes]:
    long, nested = "9" * 1_000_000, {depth: b"[" * depth + b"]" * depth for depth in (10_000, 100_000)}
    failed = b'{"event": "message.failed", "data": {"message_id": "msg_1", "more": %b}}'
    return {
        "applied/a_long_reason": body("message.failed", TEN, message_id="msg_1", error=long),
        "applied/brackets_in_texts": body(
            "message.optout", TEN, to=ANA, a="[{" * 5_000, b=["["] * 5_000, c='"[' * 5_000
        ),
        "applied/nested_below_the_bound": body("campaign.sent", TEN, id="cmp_1", more=[[[[[[[[{"a": [{}]}]]]]]]]]),
        "applied/as_long_as_allowed": padded(body("message.delivered", TEN, message_id="msg_1"), 256 * 1024),
        "not_json/nested_10_000_deep": failed % nested[10_000],
        "not_json/nested_100_000_deep": failed % nested[100_000],
        "not_json/nothing_but_nesting": b"[" * 100_000,
        # What a pattern for texts may look at again and again.
        "not_json/a_text_without_end": b'["' + b'\\"[' * 80_000,
        "not_json/texts_without_end": b'[[" \\' * 50_000,
        "too_long/message_id": body("message.delivered", TEN, message_id=long),
        "too_long/campaign_id": body("campaign.sent", TEN, campaign_id=long),
        "too_long/recipient": body("message.delivered", TEN, message_id="msg_1", to=long),
        "too_long/sender": body("message.delivered", TEN, message_id="msg_1", from_=long),
        "too_long/event": body("message." + long, TEN, message_id="msg_1"),
        "too_long/id_of_two_byte_letters": body("message.delivered", TEN, message_id="ã" * 513),
    }


def padded(content: bytes, size: int) -> bytes:
    """`content` with blanks before its end, `size` bytes in all."""
    return content[:-1] + b" " * (size - len(content)) + content[-1:]


def rows(engine: Engine, table: str) -> list[Row]:
    """Every row of `table` in a fixed order, without the columns that say when we worked."""
    columns = [column for column in SQLModel.metadata.tables[table].columns if column.name not in TABLES.get(table, ())]
    with engine.connect() as connection:
        return sorted((dict(row) for row in connection.execute(select(*columns)).mappings()), key=repr)


def everything(engine: Engine) -> dict[str, list[Row]]:
    return {table: rows(engine, table) for table in TABLES}


def without_random_ids(engine: Engine) -> dict[str, list[Row]]:
    """Everything, but for the id of a person's word: that is random. The id of a STOP is its body's digest."""
    tables = everything(engine)
    for name in ("opt_outs", "opt_out_history"):
        for row in tables[name]:
            row["opt_out_id"] = None if row["source"] in ("manual", "import") else row["opt_out_id"]
        tables[name].sort(key=repr)
    return tables


def clear(engine: Engine) -> None:
    """Empty the tables. The history refuses that to everybody, so its triggers are away for as long as it takes."""
    tables = (*TABLES, *ROLLUPS)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # Not TRUNCATE: new files for every table and index take five times as long as these few rows.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("; ".join(f"DELETE FROM {table}" for table in tables)))
            return
        triggers = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
        for name, _ in triggers:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        for table in tables:
            connection.execute(delete(SQLModel.metadata.tables[table]))
        for _, definition in triggers:
            connection.exec_driver_sql(definition)
