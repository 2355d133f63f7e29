"""The messages behind a number: the filter that stands in an address of a page, and in words above the rows.

Nobody's address is part of a filter, so it may stand in a URL.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode

from flask import url_for
from markupsafe import Markup
from sqlalchemy import Connection, select

from models.tables import CAMPAIGNS, MESSAGES
from receiver.console.language import _
from receiver.console.pages import ROWS_ON_A_PAGE, asked
from receiver.server.paths import CONSOLE_PATH
from sync.events.times import EARLIEST, LATEST
from sync.reports.messages import CountedKind, CountedMessages, MessagePage, counted_messages

# What stands for "no event names one", as '' stands for any. A name that is nothing but this has one more of it.
NONE = "-"
KEY_CHARACTERS_MAX = 1200  # of an id, which may have 1,024, and what stands before it
TIME = "%Y-%m-%dT%H:%M:%SZ"
FILTERS = ("campaign", "status", "day", "until", "channel", "sender", "like", "from", "before")
_TITLES = {
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
    asked: CountedMessages
    campaign_name: str | None
    page: MessagePage
    next_link: str | None


def asked_day(name: str) -> date | None:
    """Return the day that stands in the address under `name`; None if there is none on which an event can be."""
    try:
        day = date.fromisoformat(asked(name))
    except ValueError:
        return None
    return day if EARLIEST.date() < day < LATEST.date() else None


def asked_time(name: str) -> datetime | None:
    """Return the time, UTC, that stands in the address under `name`; None if there is none."""
    try:
        time = datetime.strptime(asked(name), TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return time if EARLIEST <= time < LATEST else None


def asked_messages(connection: Connection) -> CountedMessages:
    """Return what the address of this page asks for; it may be too much to be listed.

    A reason of failures may quote an address, so a message is named that failed for the same reason.
    """
    of_one = select(MESSAGES.c.failure_code, MESSAGES.c.failure_reason).where(MESSAGES.c.message_id == asked("like"))
    like = connection.execute(of_one).one_or_none() if asked("like") else None
    named = asked("status")
    return CountedMessages(
        kind=CountedKind(named) if named in set(CountedKind) else CountedKind.ENDED,
        campaign_id=asked("campaign") or None,
        since=asked_day("day"),
        until=asked_day("until"),
        channel=_named("channel"),
        sender=_named("sender"),
        code=None if like is None else like.failure_code or "",
        reason=None if like is None else like.failure_reason or "",
        begins_at=asked_time("from"),
        ends_at=asked_time("before"),
    )


def _named(name: str) -> str | None:
    text = asked(name)
    return None if not text else text if text.strip(NONE) else text[:-1]


def rows_link(**filters: Any) -> str:
    """Return where the messages that a number counts are listed, by the filters that `asked_messages` reads.

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


def listed(connection: Connection, wanted: CountedMessages) -> Listing:
    """Return the page of `wanted`, which is bounded, that the address asks for."""
    page = counted_messages(connection, wanted, after=asked("after", KEY_CHARACTERS_MAX), limit=ROWS_ON_A_PAGE)
    name = select(CAMPAIGNS.c.name).where(CAMPAIGNS.c.campaign_id == wanted.campaign_id)
    parameters = {name: asked(name) for name in FILTERS}
    shown: dict[str, Any] = {name: text for name, text in parameters.items() if text}
    return Listing(
        title=title_of(wanted.kind),
        asked=wanted,
        campaign_name=connection.execute(name).scalar() if wanted.campaign_id else None,
        page=page,
        next_link=url_for("console.messages", **shown, after=page.after) if page.after else None,
    )


def title_of(kind: CountedKind) -> Markup:
    return _(_TITLES[kind])
