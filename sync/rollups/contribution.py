"""What a row of `message_status` adds to the roll-ups. Pure.

A roll-up is the sum of the contributions of all rows. So a change of a row changes the roll-ups by what the new row
adds less what the old row added. The order in which such changes are summed does not matter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sync.events.statuses import Status

# Every offset from UTC since 2000, and every change of clocks since 2012, is at a multiple of this duration. So each
# quarter of an hour lies within one day of any time zone: https://data.iana.org/time-zones/tz-link.html
QUARTER_SECONDS = 900

# The final statuses, in the order in which they are counted and shown.
FINAL = ("delivered", "failed", "undeliverable")
COUNTS = (*FINAL, "unfinished", "opt_outs", "conflicts")
_DELIVERED, _FAILED, _UNDELIVERABLE, _UNFINISHED, _OPT_OUTS, _CONFLICTS = range(len(COUNTS))
_ZEROS = [0] * len(COUNTS)
_PLACES: Mapping[str | None, int] = {
    Status.DELIVERED: _DELIVERED,
    Status.FAILED: _FAILED,
    Status.UNDELIVERABLE: _UNDELIVERABLE,
}

# The columns of `message_status` that it depends on.
COUNTED = ("status", "status_at", "channel", "sender", "campaign_id", "opted_out_at", "conflict")

Row = Mapping[str, Any]
Key = tuple[int | None, str, str, str]  # quarter since 1970, channel, sender, campaign


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A row of `message_status` before and after; None if there is none."""

    old: Row | None
    new: Row | None


def counted_sender(sender: str) -> str:
    """Return under which name a sender is counted: one for all that differ in upper and lower case.

    The view `rollup_daily_plain` says the same. Only letters of ASCII, as databases differ in the others.
    """
    return sender if sender.isupper() or "@" in sender else sender.translate(_UPPER_CASE)


_UPPER_CASE = {ord("a") + place: ord("A") + place for place in range(26)}


def deltas(inserted: Iterable[Row], changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Return by how much the roll-ups change: rows of `rollup_deltas`, one a key, none that changes nothing."""
    sums: dict[Key, list[int]] = {}
    for row in inserted:
        _add(sums, row, 1)
    for change in changes:
        if change.old is not None:
            _add(sums, change.old, -1)
        if change.new is not None:
            _add(sums, change.new, 1)
    return [_row(key, counts) for key, counts in sums.items() if any(counts)]


def _add(sums: dict[Key, list[int]], row: Row, sign: int) -> None:
    # This runs for every message that is applied: it costs about a microsecond, and should not cost more.
    place, campaign_id = _PLACES.get(row["status"], _UNFINISHED), row["campaign_id"] or ""
    key: Key
    if place == _UNFINISHED or row["status_at"] is None:
        if not campaign_id:
            return
        place, key = _UNFINISHED, (None, "", "", campaign_id)
    else:
        quarter = int(row["status_at"].timestamp() // QUARTER_SECONDS)
        key = (quarter, row["channel"] or "", counted_sender(row["sender"] or ""), campaign_id)
    counts = sums.get(key)
    if counts is None:
        counts = sums[key] = _ZEROS.copy()
    counts[place] += sign
    if row["opted_out_at"] is not None:
        counts[_OPT_OUTS] += sign
    if row["conflict"]:
        counts[_CONFLICTS] += sign


def _row(key: Key, counts: list[int]) -> dict[str, Any]:
    quarter, channel, sender, campaign_id = key
    begins_at = None if quarter is None else datetime.fromtimestamp(quarter * QUARTER_SECONDS, UTC)
    named = {"campaign_id": campaign_id, "quarter_at": begins_at, "channel": channel, "sender": sender}
    return named | dict(zip(COUNTS, counts, strict=True))
