"""What the tests of rollups share."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, text

from sync.events.raw import RawEvent
from sync.rebuild.rollups import rebuild_rollups
from sync.rebuild.walk import ROWS_PER_SLICE, Walk, WalkCounts, rebuild_rows
from sync.rollups.contribution import COUNTS
from sync.store.apply import apply
from tests.conftest import NOW
from tests.support.events_builder import AO, TEN, body, raw, rows

LUANDA = "Africa/Luanda"

# Clocks change, and offsets are no whole hours.
ZONES = (LUANDA, "Europe/Lisbon", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia")
FINAL = ("delivered", "failed", "undeliverable")
DAILY_COUNTS = tuple(name for name in COUNTS if name != "unfinished")
Sums = dict[tuple[str, ...], dict[str, int]]


def counted(engine: Engine, timezone: str = LUANDA) -> dict[str, Sums]:
    """What the rows of `message_status` come to."""
    zone = ZoneInfo(timezone)
    daily: dict[tuple[str, ...], Counter[str]] = {}
    campaigns: dict[tuple[str, ...], Counter[str]] = {}
    quarters: dict[tuple[str, ...], Counter[str]] = {}
    for row in rows(engine, "message_status"):
        is_final = row["status"] in FINAL
        count_names = [row["status"] if is_final else "unfinished"]
        count_names += ["opt_outs"] if row["opted_out_at"] else []
        count_names += ["conflicts"] if row["conflict"] else []
        if is_final:
            day = str(row["status_at"].astimezone(zone).date())
            daily.setdefault((day, row["channel"] or "", row["sender"] or ""), Counter()).update(count_names)
        if row["campaign_id"]:
            campaigns.setdefault((row["campaign_id"],), Counter()).update(count_names)
            if is_final:
                quarters.setdefault((row["campaign_id"], str(quarter_of(row["status_at"]))), Counter()).update(
                    count_names
                )
    return {
        "daily": {key: {name: counts[name] for name in DAILY_COUNTS} for key, counts in daily.items()},
        "campaigns": {key: {name: counts[name] for name in COUNTS} for key, counts in campaigns.items()},
        "quarters": {key: {name: counts[name] for name in FINAL} for key, counts in quarters.items()},
    }


def quarter_of(time: datetime) -> datetime:
    return time.replace(minute=time.minute // 15 * 15, second=0, microsecond=0)


def viewed(engine: Engine) -> dict[str, Sums]:
    """What the views of the reports say, and how far campaigns had come by their roll-up."""
    with engine.connect() as connection:
        daily = connection.execute(text("SELECT * FROM report_daily")).mappings().all()
        campaigns = connection.execute(text("SELECT * FROM report_campaigns WHERE messages <> 0")).mappings().all()
        quarters = connection.execute(text("SELECT * FROM rollup_campaign_quarters_now")).mappings().all()
    return {
        "daily": {
            (str(row["day"]), row["channel"], row["sender"]): {name: row[name] for name in DAILY_COUNTS}
            for row in daily
        },
        "campaigns": {(row["campaign_id"],): {name: row[name] for name in COUNTS} for row in campaigns},
        "quarters": of_quarters(quarters),
    }


def of_quarters(records: Iterable[Mapping[str, Any]]) -> Sums:
    """Rows of nothing but zeros are none: deltas may wait that cancel each other."""
    counts = {(row["campaign_id"], utc_text(row["quarter_at"])): {name: row[name] for name in FINAL} for row in records}
    return {key: of_key for key, of_key in counts.items() if any(of_key.values())}


def utc_text(time: Any) -> str:
    """A time as either database gives it: SQLite gives text."""
    return str((datetime.fromisoformat(time).replace(tzinfo=UTC) if isinstance(time, str) else time).astimezone(UTC))


def stored_sums(engine: Engine) -> dict[str, Sums]:
    """What the roll-ups themselves say, without what waits."""
    daily, campaigns = rows(engine, "rollup_daily"), rows(engine, "rollup_campaigns")
    return {
        "daily": {
            (str(row["day"]), row["channel"], row["sender"]): {name: row[name] for name in DAILY_COUNTS}
            for row in daily
        },
        "campaigns": {(row["campaign_id"],): {name: row[name] for name in COUNTS} for row in campaigns},
        "quarters": of_quarters(rows(engine, "rollup_campaign_quarters")),
    }


def waiting(engine: Engine) -> int:
    return len(rows(engine, "rollup_deltas"))


def give(engine: Engine, batch: list[RawEvent]) -> None:
    apply(engine, batch, options=AO, now=NOW)


def rebuilt(engine: Engine, timezone: str = LUANDA) -> WalkCounts:
    walk = Walk(options=AO, rows_per_slice=ROWS_PER_SLICE)
    rebuild_rows(engine, engine, walk)
    rebuild_rollups(engine, engine, walk.counts, timezone=timezone)
    return walk.counts


# Random streams


class Stream:
    """Events of a few messages whose every part differs between events: late corrections move them between days,
    channels, senders and campaigns."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        pick = chance.choice
        # Around a midnight of every zone, and around changes of clocks.
        self.begin = pick(
            [TEN, datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 0, 50, tzinfo=UTC)]
        ) + timedelta(minutes=pick([0, 7, 13 * 60, 14 * 60 - 1]))
        self.messages = [f"msg_{number}" for number in range(pick([1, 2, 5]))]

    def event(self) -> RawEvent:
        pick = self.chance.choice
        name = pick(["delivered", "failed", "undeliverable", "optout", "unknown", "campaign"])
        at = pick([None, self.begin + timedelta(minutes=pick([0, 1, 14, 15, 60, 24 * 60]), seconds=pick([0, 59]))])
        if name == "campaign":
            total = pick([None, 1, 7])
            return raw(body(f"campaign.{pick(['sent', 'completed'])}", at, campaign_id=pick("ab"), messages=total))
        return raw(
            body(
                f"message.{name}",
                at,
                message_id=pick(self.messages),
                channel=pick([None, "sms", "email"]),
                to=pick([None, "+244912345678"]),
                from_=pick([None, "ZEXA"]),
                campaign_id=pick([None, "a", "b"]),
                error=pick([None, "busy"]),
            ),
            self.begin + timedelta(hours=pick([30, 31])),
        )

    def batches(self) -> list[list[RawEvent]]:
        events = [self.event() for _ in range(self.chance.randint(1, 12))]
        events += self.chance.choices(events, k=self.chance.randint(0, 4))
        self.chance.shuffle(events)
        batches = []
        while events:
            size = self.chance.randint(1, 6)
            batches.append(events[:size])
            del events[:size]
        return batches
