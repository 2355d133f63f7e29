"""Which times belong to which day of a time zone, as rows of `report_calendar`. Pure, but for the machine's
knowledge of time zones."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sync.events.times import EARLIEST, LATEST

# Of before there is no event, so the first offset of the years that matter stands for all of it.
FIRST = datetime(1900, 1, 1, tzinfo=UTC)
_STEP = timedelta(days=1)
_EXACT = timedelta(minutes=1)


@cache
def calendar(timezone: str) -> tuple[dict[str, Any], ...]:
    """Return the rows of `report_calendar` for an IANA name, one for each span of one offset from UTC."""
    zone = ZoneInfo(timezone)
    begins = [(FIRST, EARLIEST.astimezone(zone).utcoffset())]
    time = EARLIEST
    while time < LATEST:
        after = time + _STEP
        offset = after.astimezone(zone).utcoffset()
        if offset != begins[-1][1]:
            begins.append((_turn(zone, time, after), offset))
        time = after
    ends = [begin for begin, _ in begins[1:]] + [LATEST]
    return tuple(
        {
            "begins_at": begin,
            "ends_at": end,
            "offset_seconds": int((offset or timedelta()).total_seconds()),
            "timezone": timezone,
        }
        for (begin, offset), end in zip(begins, ends, strict=True)
    )


def _turn(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the first time, to the minute, that has the offset of `after`."""
    offset = after.astimezone(zone).utcoffset()
    while after - before > _EXACT:
        middle = before + ((after - before) // _EXACT // 2) * _EXACT
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after
