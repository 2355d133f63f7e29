"""Finds the messages of which no final status is known, and which may be asked for now."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Select, and_, or_, select

from models.statements import is_one_of, slices
from models.tables import ASKED_MESSAGES, MESSAGES
from sync.events.statuses import FINAL, Status
from sync.provider.asked import AGAIN, Due

# A message of which nothing was heard for so long is silent: at most 30 minutes it waits in a queue of the provider's.
SILENT_AFTER = timedelta(hours=1)
# A worker that asks by itself asks for a silent message so often, each time after twice the pause, for some five days.
TIMES_MAX = 7

_IS_UNFINISHED = or_(MESSAGES.c.status.is_(None), MESSAGES.c.status.in_([Status.QUEUED, Status.SENT]))
_KNOWN = select(MESSAGES.c.message_id, ASKED_MESSAGES.c.asked_at).outerjoin(
    ASKED_MESSAGES, ASKED_MESSAGES.c.message_id == MESSAGES.c.message_id
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskSelection:
    """Which messages to ask for: known ones, of which something was heard `since`, of one campaign; and these `ids`."""

    since: datetime | None = None
    campaign_id: str | None = None
    ids: Sequence[str] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueMessages:
    """Messages to ask for, those first that nobody asked for yet; and how many others were asked for just now."""

    due: list[Due]
    asked_just_now: int


def find_due(engine: Engine, selection: AskSelection, now: datetime) -> DueMessages:
    """Return the messages of `selection` that have no final status. Reads in short transactions of its own."""
    with engine.begin() as connection:
        asked_at_by_id = {row.message_id: row.asked_at for row in connection.execute(_known_unfinished(selection))}
    for piece in slices(list(dict.fromkeys(selection.ids))):
        with engine.begin() as connection:
            asked_at_by_id |= _listed(connection, piece)
    due = [Due(message_id, asked_at) for message_id, asked_at in asked_at_by_id.items() if _may_ask(asked_at, now)]
    due.sort(key=lambda message: message.asked_at or datetime.min.replace(tzinfo=now.tzinfo))
    return DueMessages(due=due, asked_just_now=len(asked_at_by_id) - len(due))


def _may_ask(asked_at: datetime | None, now: datetime) -> bool:
    return asked_at is None or asked_at <= now - AGAIN


def _known_unfinished(selection: AskSelection) -> Select[Any]:
    query = _KNOWN.where(_IS_UNFINISHED).order_by(MESSAGES.c.updated_at, MESSAGES.c.message_id)
    if selection.since is not None:
        query = query.where(MESSAGES.c.updated_at >= selection.since)
    if selection.campaign_id is not None:
        query = query.where(MESSAGES.c.campaign_id == selection.campaign_id)
    return query


def _listed(connection: Connection, ids: Sequence[str]) -> dict[str, datetime | None]:
    """Return those of `ids` without a final status, known or not, with when each was asked for."""
    is_final = and_(is_one_of(connection, MESSAGES.c.message_id, ids), MESSAGES.c.status.in_(sorted(FINAL)))
    final = set(connection.execute(select(MESSAGES.c.message_id).where(is_final)).scalars())
    query = select(ASKED_MESSAGES.c.message_id, ASKED_MESSAGES.c.asked_at)
    rows = connection.execute(query.where(is_one_of(connection, ASKED_MESSAGES.c.message_id, ids)))
    asked_times = {row.message_id: row.asked_at for row in rows}
    return {message_id: asked_times.get(message_id) for message_id in ids if message_id not in final}


def find_silent(engine: Engine, now: datetime, limit: int) -> list[Due]:
    """Return at most `limit` messages without a final status that are silent, the one that fell silent first first."""
    pauses = (SILENT_AFTER * 2**number for number in range(TIMES_MAX - 1))
    is_due_again = or_(
        *(
            and_(ASKED_MESSAGES.c.times == times, ASKED_MESSAGES.c.asked_at <= now - pause)
            for times, pause in enumerate(pauses, 1)
        )
    )
    is_silent = and_(_IS_UNFINISHED, MESSAGES.c.updated_at <= now - SILENT_AFTER)
    query = _KNOWN.where(is_silent, or_(ASKED_MESSAGES.c.message_id.is_(None), is_due_again))
    with engine.begin() as connection:
        rows = connection.execute(query.order_by(MESSAGES.c.updated_at, MESSAGES.c.message_id).limit(limit))
        return [Due(row.message_id, row.asked_at) for row in rows]
