"""The messages behind a number: the filter that stands in an address of a page, and in words above the rows.

Nobody's address is part of a filter, so it may stand in a URL.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import request, url_for
from markupsafe import Markup
from sqlalchemy import Connection, select

from models.tables import CAMPAIGNS, MESSAGES
from receiver.console.language import _, zone
from receiver.console.pages import ROWS_ON_A_PAGE, parameter
from receiver.server.paths import CONSOLE_PATH
from sync.events.times import EARLIEST, LATEST
from sync.reports.messages import CountedKind, CountedMessages, MessagePage, counted_messages
from sync.reports.reasons import FailureReason, reason_of

# What stands for "no event names one", as '' stands for any. A name that is nothing but this has one more of it.
NONE = "-"
KEY_CHARACTERS_MAX = 1200  # of an id, which may have 1,024, and what stands before it
TIME = "%Y-%m-%dT%H:%M:%SZ"
FILTERS = ("campaign", "status", "since", "day", "until", "channel", "sender", "like", "unlike", "from", "before")
FAILURE_DAYS_MAX = 31
REASONS_LEFT_OUT_MAX = 10
TITLES = {
    CountedKind.ALL: "Messages that are known",
    CountedKind.ENDED: "Messages that ended",
    CountedKind.DELIVERED: "Messages that were delivered",
    CountedKind.FAILED: "Messages that failed",
    CountedKind.UNDELIVERABLE: "Messages that are undeliverable",
    CountedKind.MISSED: "Messages that did not arrive",
    CountedKind.UNFINISHED: "Messages that have not ended",
    CountedKind.OPT_OUTS: "Messages that were answered with an opt-out",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is listed, and a page of it. `campaign_name` is None if no event tells it."""

    title: Markup
    selection: CountedMessages
    campaign_name: str | None
    page: MessagePage
    next_link: str | None


def day_parameter(name: str) -> date | None:
    """Return the day that stands in the address under `name`; None if there is none on which an event can be."""
    try:
        day = date.fromisoformat(parameter(name))
    except ValueError:
        return None
    return day if EARLIEST.date() < day < LATEST.date() else None


def time_parameter(name: str) -> datetime | None:
    """Return the time, UTC, that stands in the address under `name`; None if there is none."""
    try:
        time = datetime.strptime(parameter(name), TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return time if EARLIEST <= time < LATEST else None


def message_selection(connection: Connection) -> CountedMessages:
    """Return what the address of this page asks for; it may be too much to be listed."""
    named = parameter("status")
    return CountedMessages(
        kind=CountedKind(named) if named in set(CountedKind) else CountedKind.ENDED,
        campaign_id=parameter("campaign") or None,
        since=day_parameter("day"),
        until=day_parameter("until"),
        channel=_named("channel"),
        sender=_named("sender"),
        like=_reasons_named(connection, [parameter("like")]).get(parameter("like")),
        begins_at=time_parameter("from"),
        ends_at=time_parameter("before"),
    )


def failure_selection(connection: Connection) -> CountedMessages:
    """Return which failures the address of this page asks for: of so many days at the most, of this one by itself."""
    like, unlike = parameter("like"), request.args.getlist("unlike")[:REASONS_LEFT_OUT_MAX]
    until = day_parameter("day") or day_parameter("until") or datetime.now(zone()).date()
    reasons = _reasons_named(connection, [like, *unlike])
    return CountedMessages(
        kind=CountedKind.MISSED,
        since=max(
            day_parameter("day") or day_parameter("since") or until, until - timedelta(days=FAILURE_DAYS_MAX - 1)
        ),
        until=until,
        channel=reasons[like].channel if like in reasons else None,
        like=reasons.get(like),
        unlike=frozenset(reasons[name] for name in unlike if name in reasons),
    )


def _reasons_named(connection: Connection, ids: Iterable[str]) -> dict[str, FailureReason]:
    """Return for which reason these messages failed. A reason may quote an address, so a URL names a message."""
    columns = [MESSAGES.c[name] for name in ("message_id", "channel", "failure_code", "failure_reason")]
    query = select(*columns).where(MESSAGES.c.message_id.in_([name for name in ids if name and "\0" not in name]))
    return {row["message_id"]: reason_of(row) for row in connection.execute(query).mappings()}


def _named(name: str) -> str | None:
    text = parameter(name)
    return None if not text else text if text.strip(NONE) else text[:-1]


def rows_link(**filters: Any) -> str:
    """Return where the messages that a number counts are listed, by the filters that `message_selection` reads.

    '' of a filter means that no event names one. A `step` is one of a campaign's progress, and
    `until_step` the last of several.
    """
    if (step := filters.pop("step", None)) is not None:
        filters |= {"from": step.begins_at.strftime(TIME), "before": step.ends_at.strftime(TIME)}
    if (last := filters.pop("until_step", None)) is not None:
        filters["before"] = last.ends_at.strftime(TIME)
    parameters: dict[str, Any] = {
        name: f"{value}{NONE}" if isinstance(value, str) and not value.strip(NONE) else value
        for name, value in filters.items()
        if value is not None
    }
    # Quicker than `url_for`, for the hundreds of numbers that a page may have.
    return f"{CONSOLE_PATH}messages?{urlencode(parameters)}"


def listed(connection: Connection, selection: CountedMessages) -> Listing:
    """Return the page of `selection`, which is bounded, that the address asks for."""
    page = MessagePage(rows=(), after=None)
    if selection.like or not parameter("like"):
        page = counted_messages(
            connection, selection, after=parameter("after", KEY_CHARACTERS_MAX), limit=ROWS_ON_A_PAGE
        )
    name = select(CAMPAIGNS.c.name).where(CAMPAIGNS.c.campaign_id == selection.campaign_id)
    filters: dict[str, Any] = {name: request.args.getlist(name) for name in FILTERS}
    return Listing(
        title=title_of(selection.kind),
        selection=selection,
        campaign_name=connection.execute(name).scalar() if selection.campaign_id else None,
        page=page,
        next_link=url_for(request.endpoint or "", **filters, after=page.after) if page.after else None,
    )


def title_of(kind: CountedKind) -> Markup:
    return _(TITLES[kind])
