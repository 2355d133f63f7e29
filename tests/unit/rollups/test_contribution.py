"""What a row adds to the roll-ups, and which day a moment belongs to."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sync.rollups.calendar import FIRST, calendar
from sync.rollups.contribution import COUNTS, Change, deltas

TEN = datetime(2026, 6, 24, 10, 7, 3, tzinfo=UTC)
NONE = dict.fromkeys(COUNTS, 0)
OF_TEN = {"quarter_at": datetime(2026, 6, 24, 10, tzinfo=UTC), "channel": "sms", "sender": "", "campaign_id": "a"}


def row(status: str | None = "delivered", **values: Any) -> dict[str, Any]:
    at = TEN if status else None
    columns = {"status": status, "status_at": at, "channel": "sms", "sender": None, "campaign_id": "a"}
    return columns | {"opted_out_at": None, "conflict": False} | values


@pytest.mark.parametrize("status", ["delivered", "failed", "undeliverable"])
def test_a_final_status_counts_in_its_quarter_of_an_hour(status: str) -> None:
    assert deltas([row(status)], []) == [NONE | OF_TEN | {status: 1}]


def test_an_opt_out_and_a_conflict_count_with_their_message() -> None:
    (delta,) = deltas([row(opted_out_at=TEN + timedelta(days=3), conflict=True)], [])
    assert delta == NONE | OF_TEN | {"delivered": 1, "opt_outs": 1, "conflicts": 1}


@pytest.mark.parametrize("status", [None, "queued", "sent"])
def test_a_message_without_a_final_status_counts_with_its_campaign_only(status: str | None) -> None:
    nowhen = {"quarter_at": None, "channel": "", "sender": "", "campaign_id": "a"}
    assert deltas([row(status, opted_out_at=TEN)], []) == [NONE | nowhen | {"unfinished": 1, "opt_outs": 1}]
    assert deltas([row(status, campaign_id=None)], []) == []


def test_many_messages_of_one_key_are_one_delta() -> None:
    rows = [row(status_at=TEN + timedelta(seconds=number % 400)) for number in range(100)]
    assert deltas(rows, []) == [NONE | OF_TEN | {"delivered": 100}]


def test_what_a_row_was_is_taken_back_where_it_counted() -> None:
    late = TEN + timedelta(hours=1)
    (earlier, later) = deltas([], [Change(old=row("failed"), new=row(status_at=late, campaign_id=None))])
    assert earlier == NONE | OF_TEN | {"failed": -1}
    assert later == NONE | OF_TEN | {"quarter_at": late.replace(minute=0, second=0), "campaign_id": "", "delivered": 1}
    assert deltas([], [Change(old=row(), new=None)]) == [NONE | OF_TEN | {"delivered": -1}]


def test_a_change_that_counts_alike_is_no_delta() -> None:
    assert deltas([], [Change(old=row(), new=row(status_at=TEN + timedelta(seconds=1), sender=""))]) == []


def test_order_does_not_matter() -> None:
    changes = [Change(old=row("failed"), new=row()), Change(old=row(), new=None), Change(old=None, new=row("failed"))]
    assert deltas([], changes) == deltas([], changes[::-1]) == []


@pytest.mark.parametrize("timezone", ["Africa/Luanda", "Europe/Lisbon", "Asia/Kathmandu", "Australia/Lord_Howe"])
def test_the_calendar_gives_every_moment_the_offset_of_its_time_zone(timezone: str) -> None:
    rows, zone = calendar(timezone), ZoneInfo(timezone)
    assert rows[0]["begins_at"] == FIRST
    assert [row["ends_at"] for row in rows[:-1]] == [row["begins_at"] for row in rows[1:]]
    for row in rows:
        assert row["timezone"] == timezone
        for moment in (row["begins_at"], row["ends_at"] - timedelta(minutes=1)):
            if moment.year >= 2000:
                assert moment.astimezone(zone).utcoffset() == timedelta(seconds=row["offset_seconds"])


def test_no_day_of_any_time_zone_begins_within_a_quarter_of_an_hour() -> None:
    """Until 2011 clocks in Newfoundland went back at a minute past midnight."""
    for timezone in ("Africa/Luanda", "Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham", "America/Caracas"):
        assert all(row["offset_seconds"] % 900 == 0 for row in calendar(timezone))
        changes = [row["begins_at"] for row in calendar(timezone) if row["begins_at"].year >= 2012]
        assert all(moment.timestamp() % 900 == 0 for moment in changes)
