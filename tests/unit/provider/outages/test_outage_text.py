"""What is said of an outage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sync.provider.outages.find import OpenCampaign, OutageCost
from sync.provider.outages.losses import KnownOutage, losses
from sync.provider.outages.retries import RetrySchedule
from sync.provider.outages.silent_ids import SilentIds
from sync.provider.outages.text import outage_text, outages_text

DAY = datetime(2026, 6, 24, tzinfo=UTC)
SCHEDULE = RetrySchedule()


def at(hour: int, minute: int) -> datetime:
    return DAY + timedelta(hours=hour, minutes=minute)


NIGHT = at(23, 0)


def text_of(began: datetime, ended: datetime | None, now: datetime = NIGHT) -> str:
    outage = KnownOutage(number=3, began_at=began, ended_at=ended, kind="no_process")
    return outage_text(losses([outage], now, SCHEDULE)[0], now)


def test_an_outage_is_said_with_the_events_that_had_their_last_try_in_it() -> None:
    assert text_of(at(10, 2), at(10, 51)) == (
        "unreachable 2026-06-24 10:02:00Z to 2026-06-24 10:51:00Z (49 min); "
        "events first tried before 2026-06-24 10:15:00Z had their last try inside it"
    )
    assert text_of(at(10, 2), at(10, 22)).endswith("(20 min); nothing was lost, Zexa tried again after it")
    assert "may have had" in text_of(at(10, 2), at(10, 37))


def test_events_that_were_first_tried_in_an_earlier_outage_are_told_by_both_bounds() -> None:
    outages = [
        KnownOutage(number=number, began_at=began, ended_at=ended, kind="no_process")
        for number, (began, ended) in enumerate([(at(10, 0), at(10, 20)), (at(10, 46), at(10, 48))], 1)
    ]
    assert outage_text(losses(outages, NIGHT, SCHEDULE)[1], NIGHT).endswith(
        "events first tried between 2026-06-24 10:10:00Z and 2026-06-24 10:12:00Z had their last try inside it"
    )


def test_an_outage_that_lasts_is_said_with_the_time_that_is_left() -> None:
    assert text_of(at(10, 2), None, now=at(10, 12)) == (
        "unreachable since 2026-06-24 10:02:00Z; nothing is lost if it ends within 26 min"
    )
    assert "before 2026-06-24 10:15:00Z" in text_of(at(10, 2), None, now=at(10, 51))


def test_what_an_outage_cost_is_told_with_what_to_do_and_nothing_once_it_is_resolved() -> None:
    outage = KnownOutage(number=3, began_at=at(10, 2), ended_at=at(10, 51), kind="no_store")
    (loss,) = losses([outage], at(12, 0), SCHEDULE)
    campaign = OpenCampaign(
        campaign_id="cmp_1", name="Saldos\x1b", sent_at=at(10, 0), completed_at=None, message_total=1000, silent=18
    )
    cost = OutageCost(loss=loss, campaigns=[campaign], usual_opt_outs=[4, 1])
    ids = SilentIds(
        given=30,
        with_status=3,
        sent_later=2,
        unreadable_rows=1,
        without_status=tuple(f"msg_{number}" for number in range(25)),
        before=at(10, 17),
    )
    text = outages_text([cost], ids, at(12, 0), SCHEDULE, is_redis_away=False)
    for part in (
        "outage 3: unreachable",
        "answered 503",
        "2.5 (in the weeks before: 4, 1)",
        "cmp_1     Saldos\\x1b  1,000     18",
        "25 without one",
        "and 5 more",
        "Rows of the file without an id: 1.",
        "can be neither named nor asked for",
    ):
        assert part in text
    resolved = replace(outage, resolved_by="Ana", resolved_reason="imported", resolved_at=at(12, 0))
    (loss,) = losses([resolved], at(13, 0), SCHEDULE)
    text = outages_text([OutageCost(loss=loss)], None, at(13, 0), SCHEDULE, is_redis_away=True)
    assert "by Ana: imported" in text
    assert "neither named" not in text
    assert "Redis does not answer" in text
    assert outages_text([], None, at(13, 0), SCHEDULE, is_redis_away=False) == "No outage."
