"""The roll-ups are at every moment the sum of the rows of `message_status`, on both databases. That holds after random
streams of events and late corrections, with rebuilding and compacting in between, and with any number of workers.

The oracle counts rows in Python, by the standard library's time zones: it knows nothing of the views.
"""

import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from sqlalchemy import URL, Engine, delete, insert, select, text, update
from structlog.testing import capture_logs

from models import MessageStatus
from models.database import open_database
from models.tables import REPORT_CALENDAR, ROLLUP_DELTAS
from sync.cli import main
from sync.dead_letters.find import LetterSelection
from sync.dead_letters.replay import ReplayVerdict, replay
from sync.devtools.dev.embedded import RedisServer
from sync.events.event import Reason
from sync.events.raw import RawEvent
from sync.rebuild.retry import patiently
from sync.rebuild.rollups import check_rollups, rebuild_rollups
from sync.rebuild.walk import ROWS_PER_SLICE, Walk, WalkCounts, rebuild_rows
from sync.rollups.calendar import calendar
from sync.rollups.compact import compact
from sync.rollups.contribution import COUNTS
from sync.rollups.recount import remake, stored_timezone
from sync.store.apply import apply
from sync.store.dead_letters import NewDeadLetter, keep_dead_letters
from tests.conftest import NOW, ROOT
from tests.events_builder import AO, TEN, Row, body, clear, patient, raw, rows
from tests.processes import wait_for

LUANDA = "Africa/Luanda"
# Clocks change, and offsets are no whole hours.
ZONES = (LUANDA, "Europe/Lisbon", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia")
FINAL = ("delivered", "failed", "undeliverable")
DAILY_COUNTS = tuple(name for name in COUNTS if name != "unfinished")

Sums = dict[tuple[str, ...], dict[str, int]]
Step = Callable[[Engine], None]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


def counted(engine: Engine, timezone: str = LUANDA) -> dict[str, Sums]:
    """What the rows of `message_status` come to."""
    zone = ZoneInfo(timezone)
    daily: dict[tuple[str, ...], Counter[str]] = {}
    campaigns: dict[tuple[str, ...], Counter[str]] = {}
    for row in rows(engine, "message_status"):
        is_final = row["status"] in FINAL
        told = [row["status"] if is_final else "unfinished"]
        told += ["opt_outs"] if row["opted_out_at"] else []
        told += ["conflicts"] if row["conflict"] else []
        if is_final:
            day = str(row["status_at"].astimezone(zone).date())
            daily.setdefault((day, row["channel"] or "", row["sender"] or ""), Counter()).update(told)
        if row["campaign_id"]:
            campaigns.setdefault((row["campaign_id"],), Counter()).update(told)
    return {
        "daily": {key: {name: counts[name] for name in DAILY_COUNTS} for key, counts in daily.items()},
        "campaigns": {key: {name: counts[name] for name in COUNTS} for key, counts in campaigns.items()},
    }


def viewed(engine: Engine) -> dict[str, Sums]:
    """What the views of the reports say."""
    with engine.connect() as connection:
        daily = connection.execute(text("SELECT * FROM report_daily")).mappings().all()
        campaigns = connection.execute(text("SELECT * FROM report_campaigns WHERE messages <> 0")).mappings().all()
    return {
        "daily": {
            (str(row["day"]), row["channel"], row["sender"]): {name: row[name] for name in DAILY_COUNTS}
            for row in daily
        },
        "campaigns": {(row["campaign_id"],): {name: row[name] for name in COUNTS} for row in campaigns},
    }


def kept(engine: Engine) -> dict[str, Sums]:
    """What the roll-ups themselves say, without what waits."""
    daily, campaigns = rows(engine, "rollup_daily"), rows(engine, "rollup_campaigns")
    return {
        "daily": {
            (str(row["day"]), row["channel"], row["sender"]): {name: row[name] for name in DAILY_COUNTS}
            for row in daily
        },
        "campaigns": {(row["campaign_id"],): {name: row[name] for name in COUNTS} for row in campaigns},
    }


def waiting(engine: Engine) -> int:
    return len(rows(engine, "rollup_deltas"))


def set_timezone(engine: Engine, timezone: str) -> None:
    with engine.begin() as connection:
        if stored_timezone(connection) != timezone:
            connection.execute(delete(REPORT_CALENDAR))
            connection.execute(insert(REPORT_CALENDAR), [dict(row) for row in calendar(timezone)])


def give(engine: Engine, batch: list[RawEvent]) -> None:
    apply(engine, batch, options=AO, now=NOW)


def rebuilt(engine: Engine, timezone: str = LUANDA) -> WalkCounts:
    walk = Walk(options=AO, rows_per_slice=ROWS_PER_SLICE)
    rebuild_rows(engine, engine, walk)
    rebuild_rollups(engine, engine, walk.counts, timezone=timezone)
    return walk.counts


def counted_anew(engine: Engine, timezone: str = LUANDA) -> WalkCounts:
    counts = WalkCounts()
    counts.skip_tables()
    rebuild_rollups(engine, engine, counts, timezone=timezone)
    return counts


def drifts(engine: Engine) -> dict[str, tuple[int, int, int]]:
    counts = WalkCounts()
    check_rollups(engine, counts, lambda _drift: None)
    return {
        name: (counts.tables[name].changed, counts.tables[name].missing, counts.tables[name].surplus)
        for name in ("rollup_daily", "rollup_campaigns")
    }


# A thousand random streams


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
        name = pick(["delivered", "failed", "undeliverable", "optout", "read", "campaign"])
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


@pytest.mark.parametrize("hundred", range(5))
@settings(
    patient,
    max_examples=100,
    suppress_health_check=[*patient.suppress_health_check, HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32), timezone=st.sampled_from(ZONES))
def test_a_thousand_random_streams_leave_what_the_rows_come_to(
    engine: Engine, hundred: int, seed: int, timezone: str
) -> None:
    """Five hundred on each database, by hundreds so that they share the processors."""
    seed += hundred
    chance = random.Random(seed)
    clear(engine)
    set_timezone(engine, timezone)
    for batch in Stream(chance).batches():
        give(engine, batch)
        if chance.random() < 0.3:
            compact(engine, limit=chance.choice([1, 3, 1000]))
        if chance.random() < 0.05:
            rebuilt(engine, timezone)
    expected = counted(engine, timezone)
    assert viewed(engine) == expected
    while compact(engine, limit=chance.choice([2, 1000])):
        pass
    assert waiting(engine) == 0
    assert kept(engine) == expected
    assert viewed(engine) == expected


# Every writer of message_status


def story(engine: Engine, seed: int = 1) -> list[list[RawEvent]]:
    chance = random.Random(seed)
    stream = Stream(chance)
    stream.messages = [f"msg_{number}" for number in range(8)]
    clear(engine)
    return [[stream.event() for _ in range(6)] for _ in range(20)]


def test_rebuilding_damaged_rows_keeps_the_books(engine: Engine) -> None:
    """Rows changed by hand made the roll-ups wrong, and both are put right."""
    for batch in story(engine):
        give(engine, batch)
    with engine.begin() as connection:
        connection.execute(delete(MessageStatus).where(MessageStatus.message_id == "msg_0"))
        change = update(MessageStatus).where(MessageStatus.message_id == "msg_1")
        connection.execute(change.values(status="delivered", status_at=NOW + timedelta(days=9), channel="slack"))
        surplus = {"message_id": "msg_surplus", "status": "failed", "status_at": NOW, "campaign_id": "c"}
        connection.execute(insert(MessageStatus).values(surplus | {"conflict": False, "updated_at": NOW}))
    assert any(any(of) for of in drifts(engine).values())
    counts = rebuilt(engine)
    assert counts.is_complete
    assert counts.tables["rollup_daily"].drifting
    assert viewed(engine) == counted(engine)
    assert "msg_surplus" not in {row["message_id"] for row in rows(engine, "message_status")}
    assert drifts(engine) == {"rollup_daily": (0, 0, 0), "rollup_campaigns": (0, 0, 0)}


def test_rows_that_rebuilding_removes_leave_the_roll_ups(engine: Engine) -> None:
    give(engine, [raw(body("message.failed", TEN, message_id="msg_1", channel="sms", campaign_id="a"))])
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM events"))
    counts = rebuilt(engine)
    assert counts.tables["message_status"].surplus == 1
    assert counts.tables["rollup_daily"].drifting == 0
    assert viewed(engine) == counted(engine) == {"daily": {}, "campaigns": {}}


@pytest.mark.parametrize("table", ["rollup_daily", "rollup_campaigns", "rollup_deltas"])
def test_roll_ups_that_were_changed_by_hand_are_found_and_counted_anew(engine: Engine, table: str) -> None:
    for number, batch in enumerate(story(engine)):
        give(engine, batch)
        if number == 10:
            compact(engine)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {table} SET failed = failed + 1"))
        connection.execute(text("INSERT INTO rollup_daily VALUES ('2020-01-01', 'sms', '', 1, 0, 0, 0, 0)"))
    assert drifts(engine)["rollup_daily"][2] >= 1
    counts = counted_anew(engine)
    assert counts.facts == 0
    assert counts.drifting > 1
    assert waiting(engine) == 0
    assert kept(engine) == viewed(engine) == counted(engine)


def test_another_time_zone_makes_other_days(engine: Engine) -> None:
    for batch in story(engine):
        give(engine, batch)
    with engine.connect() as connection:
        assert stored_timezone(connection) == LUANDA
    for timezone in ZONES:
        counted_anew(engine, timezone)
        give(engine, [raw(body("message.failed", TEN + timedelta(hours=13), message_id=timezone, channel="sms"))])
        assert viewed(engine) == counted(engine, timezone)
        compact(engine)
        assert viewed(engine) == counted(engine, timezone)
    remake(engine, LUANDA)
    assert viewed(engine) == counted(engine)


def test_replaying_dead_letters_keeps_the_books(engine: Engine) -> None:
    """What an earlier version could not read, and this one can."""
    give(engine, [raw(body("message.failed", TEN, message_id="msg_1", channel="sms", campaign_id="a"))])
    letters = [
        raw(body("message.delivered", TEN + timedelta(days=1), message_id="msg_1", campaign_id="b")),
        raw(body("message.failed", TEN, message_id="msg_2")),
    ]
    with engine.begin() as connection:
        keep_dead_letters(
            connection, [NewDeadLetter(letter, Reason.REFUSED, "a mistake of ours") for letter in letters], AO
        )
    replayed = list(replay(engine, LetterSelection(), options=AO))
    assert [one.verdict for one in replayed] == [ReplayVerdict.APPLIED] * 2
    assert viewed(engine) == counted(engine)
    assert list(viewed(engine)["campaigns"]) == [("b",)]


# Several at once


def side_by_side(url: URL, works: list[Step]) -> None:
    """Run each work in a thread with an engine of its own, all started at one moment; raise what any raised."""
    start = threading.Barrier(len(works))
    errors: list[BaseException] = []

    def run(work: Step) -> None:
        engine = open_database(url)
        try:
            start.wait(10)
            work(engine)
        except BaseException as error:
            errors.append(error)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.parametrize("seed", range(3))
def test_workers_and_compactors_side_by_side_keep_the_books(engine: Engine, migrated_url: URL, seed: int) -> None:
    batches = story(engine, seed)

    def work(share: list[list[RawEvent]]) -> Step:
        return lambda own: [give(own, batch) for batch in share] and None

    def keep_compacting(own: Engine) -> None:
        for _ in range(30):
            compact(own, limit=5)

    # The second and the third worker have the same events.
    side_by_side(
        migrated_url, [work(batches[::2]), work(batches[1::2]), work(batches[1::2]), keep_compacting, keep_compacting]
    )
    assert viewed(engine) == counted(engine)
    while compact(engine):
        pass
    assert kept(engine) == counted(engine)


def test_counting_anew_beside_workers_and_compactors_loses_nothing(engine: Engine, migrated_url: URL) -> None:
    batches = story(engine)

    def work(own: Engine) -> None:
        for batch in batches:
            give(own, batch)

    def keep_compacting(own: Engine) -> None:
        for _ in range(30):
            compact(own, limit=5)

    def keep_remaking(own: Engine) -> None:
        for timezone in (*ZONES, LUANDA):
            patiently(lambda timezone=timezone: remake(own, timezone))

    side_by_side(migrated_url, [work, keep_compacting, keep_remaking])
    assert viewed(engine) == counted(engine)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one writer
def test_appending_waits_for_nobody(engine: Engine, migrated_url: URL) -> None:
    """A worker that stops in the middle of its transaction holds up no other that counts on the same day."""
    give(engine, [raw(body("message.failed", TEN, message_id="msg_1", channel="sms", campaign_id="a"))])
    other = open_database(migrated_url, statement_seconds=5)
    with engine.begin() as held:
        columns = [column for column in ROLLUP_DELTAS.c if column.name != "id"]
        held.execute(insert(ROLLUP_DELTAS).from_select([column.name for column in columns], select(*columns)))
        give(other, [raw(body("message.failed", TEN, message_id="msg_2", channel="sms", campaign_id="a"))])
        assert compact(other) == 2
        held.rollback()
    other.dispose()
    assert viewed(engine) == counted(engine)


def test_a_batch_that_is_undone_leaves_no_delta(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sync.store.apply.merge_opt_outs", fail)
    with pytest.raises(KeyboardInterrupt):
        give(engine, [raw(body("message.failed", TEN, message_id="msg_1", campaign_id="a"))])
    assert waiting(engine) == 0


def test_a_thousand_messages_of_one_day_are_one_delta(engine: Engine) -> None:
    give(engine, [raw(body("message.delivered", TEN, message_id=f"msg_{n}", channel="sms")) for n in range(1000)])
    (delta,) = rows(engine, "rollup_deltas")
    expected: Row = dict.fromkeys(COUNTS, 0) | {"delivered": 1000, "channel": "sms", "sender": "", "campaign_id": ""}
    assert delta | expected == delta


# The worker


def test_a_worker_compacts_and_says_which_days_it_counts_by(
    engine: Engine, migrated_url: URL, redis_server: RedisServer, redis: Redis
) -> None:
    assert redis.dbsize() == 0
    give(engine, [raw(body("message.failed", TEN, message_id="msg_1", channel="sms", campaign_id="a"))])
    assert waiting(engine) == 1
    environ = os.environ | {
        "DATABASE_URL": migrated_url.render_as_string(hide_password=False),
        "REDIS_URL": redis_server.url,
        "ZEXA_REPORT_TIMEZONE": "Europe/Lisbon",
    }
    command = [sys.executable, "-m", "sync", "worker", "--burst"]
    finished = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True, timeout=60)
    assert waiting(engine) == 0
    assert kept(engine) == counted(engine)
    said = finished.stdout + finished.stderr
    assert "rollups.other_timezone" in said
    assert "Africa/Luanda" in said


def test_a_worker_at_work_compacts_now_and_then(
    engine: Engine, migrated_url: URL, redis_server: RedisServer, redis: Redis
) -> None:
    assert redis.dbsize() == 0
    give(engine, [raw(body("message.failed", TEN, message_id="msg_1", channel="sms", campaign_id="a"))])
    environ = os.environ | {
        "DATABASE_URL": migrated_url.render_as_string(hide_password=False),
        "REDIS_URL": redis_server.url,
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "sync", "worker"], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: waiting(engine) == 0, seconds=60, what="compacting")
    finally:
        worker.terminate()
        assert worker.wait(30) == 0
    assert kept(engine) == counted(engine)


# The command


@pytest.fixture
def command(migrated_url: URL, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("DATABASE_URL", migrated_url.render_as_string(hide_password=False))
    for name in ("ZEXA_DEFAULT_REGION", "ZEXA_REPORT_TIMEZONE", "DYNO"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments: CliRunner().invoke(main, ["rebuild", *arguments], catch_exceptions=False)


def test_the_command_takes_the_time_zone_of_the_setting(
    engine: Engine, command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    give(engine, [raw(body("message.failed", TEN + timedelta(hours=13, minutes=30), message_id="msg_1"))])
    assert list(viewed(engine)["daily"]) == [("2026-06-25", "", "")]
    monkeypatch.setenv("ZEXA_REPORT_TIMEZONE", "Atlantic/Azores")
    checked = command("--check", "--reports")
    assert checked.exit_code == 0
    assert checked.stderr == (
        "note: the roll-ups count by the days of Africa/Luanda, and ZEXA_REPORT_TIMEZONE is Atlantic/Azores: "
        "`zexa-sync rebuild --reports` changes that\n"
    )
    assert list(viewed(engine)["daily"]) == [("2026-06-25", "", "")]
    assert command("--reports").exit_code == 0
    assert list(viewed(engine)["daily"]) == [("2026-06-24", "", "")]
    assert command("--check").stderr == ""


def test_a_roll_up_that_drifts_is_told_row_by_row(engine: Engine, command: Callable[..., Result]) -> None:
    give(engine, [raw(body("message.failed", TEN, message_id="msg_1", channel="sms", campaign_id="a"))])
    compact(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE rollup_campaigns SET failed = 3"))
    checked = command("--check", "--reports", "--json")
    assert checked.exit_code == 1
    drift, summary = (json.loads(line) for line in checked.stdout.splitlines())
    assert drift == {
        "table": "rollup_campaigns",
        "key": {"campaign_id": "a"},
        "drift": "changed",
        "columns": {"failed": {"stored": 3, "expected": 1}},
    }
    assert list(summary["summary"]["tables"]) == ["rollup_daily", "rollup_campaigns"]


def test_a_wrong_time_zone_is_one_line(command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEXA_REPORT_TIMEZONE", "Luanda")
    result = command("--check")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "ZEXA_REPORT_TIMEZONE" in result.stderr
