"""Every writer of `message_status` keeps the roll-ups right, alone and beside others."""

import random
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import URL, Engine, delete, event, insert, select, text, update
from structlog.testing import capture_logs

from models import MessageStatus
from models.database import open_database
from models.tables import ROLLUP_DELTAS
from sync.dead_letters.find import LetterSelection
from sync.dead_letters.replay import ReplayVerdict, replay
from sync.events.event import Reason
from sync.events.raw import RawEvent
from sync.rebuild.rollups import check_rollups, rebuild_rollups
from sync.rebuild.walk import WalkCounts
from sync.rollups.compact import compact
from sync.rollups.contribution import COUNTS
from sync.rollups.recount import remake, stored_timezone
from sync.store.dead_letters import NewDeadLetter, keep_dead_letters
from sync.store.retry import patiently
from tests.conftest import NOW
from tests.integration.rollups.books import LUANDA, ZONES, Stream, counted, give, rebuilt, stored_sums, viewed, waiting
from tests.support.events_builder import AO, TEN, Row, body, clear, raw, rows

Step = Callable[[Engine], None]
ROLLUPS = ("rollup_daily", "rollup_campaigns", "rollup_campaign_quarters")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


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
        for name in ROLLUPS
    }


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
    assert any(any(columns) for columns in drifts(engine).values())
    counts = rebuilt(engine)
    assert counts.is_complete
    assert counts.tables["rollup_daily"].drifting
    assert viewed(engine) == counted(engine)
    assert "msg_surplus" not in {row["message_id"] for row in rows(engine, "message_status")}
    assert drifts(engine) == dict.fromkeys(ROLLUPS, (0, 0, 0))


def test_rows_that_rebuilding_removes_leave_the_roll_ups(engine: Engine) -> None:
    give(engine, [raw(body("message.failed", TEN, message_id="msg_1", channel="sms", campaign_id="a"))])
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM events"))
    counts = rebuilt(engine)
    assert counts.tables["message_status"].surplus == 1
    assert counts.tables["rollup_daily"].drifting == 0
    assert viewed(engine) == counted(engine) == {"daily": {}, "campaigns": {}, "quarters": {}}


@pytest.mark.parametrize("table", [*ROLLUPS, "rollup_deltas"])
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
    assert stored_sums(engine) == viewed(engine) == counted(engine)


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


@pytest.mark.parametrize("deltas_at_once", [1, 1000])
def test_days_at_a_change_of_clocks_are_those_of_the_calendar(engine: Engine, deltas_at_once: int) -> None:
    """In Cairo an hour before midnight comes twice: by the offset until then, the second one would be another day."""
    change = datetime(2026, 10, 29, 21, tzinfo=UTC)
    remake(engine, "Africa/Cairo")
    for number, hours in enumerate((-80 * 24 + 0.5, -0.25, 0, 0.75, 1, 80 * 24 + 0.5)):
        failed = body("message.failed", change + timedelta(hours=hours), message_id=f"msg_{number}", channel="sms")
        give(engine, [raw(failed, change + timedelta(days=100))])
    while compact(engine, limit=deltas_at_once):
        pass
    assert stored_sums(engine) == viewed(engine) == counted(engine, "Africa/Cairo")
    assert {key[0]: counts["failed"] for key, counts in stored_sums(engine)["daily"].items()} == {
        "2026-08-11": 1,
        "2026-10-29": 3,
        "2026-10-30": 1,
        "2027-01-17": 1,
    }


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
    assert [letter.verdict for letter in replayed] == [ReplayVerdict.APPLIED] * 2
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
    assert stored_sums(engine) == counted(engine)


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
def test_what_is_applied_while_all_is_counted_anew_is_counted_once(engine: Engine, second_engine: Engine) -> None:
    """A worker commits before each statement that counts or removes."""
    batches = iter(story(second_engine))
    steps: list[str] = []

    def give_meanwhile(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("DELETE FROM rollup", "INSERT INTO rollup")):
            steps.append(statement)
            give(second_engine, next(batches))

    event.listen(engine, "before_cursor_execute", give_meanwhile)
    remake(engine, LUANDA)
    event.remove(engine, "before_cursor_execute", give_meanwhile)
    assert len(steps) == 7
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
