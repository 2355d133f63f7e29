"""Opt-outs by a person's word. Like an event's they are only ever added, and never weaken what stands."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from sync.addresses import is_address, is_storable, normalise
from sync.opt_out_rule import OptOutRow, OptOutSource, OptOutStatement, ended_at, is_in_force
from sync.store.opt_outs import hold_statements, read_rows, read_statements, state

_CHANNEL = re.compile(r"[a-z0-9_.-]{1,64}")


class Outcome(StrEnum):
    """What a statement did to a row of `opt_outs`."""

    NEW = "new"  # there was no opt-out of this channel, address and sender
    LATER = "later"  # there was an earlier one, in force or ended
    UNCHANGED = "unchanged"  # one at least as late stands
    ENDED = "ended"  # a re-subscription is later than the time stated, so nobody is kept from messaging


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Who says why, for which scope ('' is any) and as of when (None: now) somebody has opted out."""

    channel: str
    sender: str
    at: datetime | None
    by: str
    reason: str | None


def channel_of(given: str) -> str | None:
    """Return a channel as events spell it once they are read, '' for any; None where `given` names none."""
    channel = given.strip().lower()
    return channel if not channel or _CHANNEL.fullmatch(channel) else None


def address_of(channel: str, address: str, default_region: str) -> str | None:
    """Return `address` as it is stored, or None where nobody could be messaged there."""
    if not is_storable(address):
        return None
    normalised = normalise(channel, address, default_region)
    return normalised if is_address(channel or None, normalised) else None


def state_opt_outs(
    connection: Connection, addresses: Sequence[str], statement: Statement, now: datetime
) -> dict[str, Outcome]:
    """Opt normalised `addresses` out, in the caller's transaction; return what that did, by address.

    A time later than `now` is `now`. Each statement is kept in the history, also one that changes nothing: a person
    said so.
    """
    hold_statements(connection, alone=False)
    before, known = read_rows(connection, addresses), read_statements(connection, addresses)
    statements = []
    for address in dict.fromkeys(addresses):
        key = statement.channel, address, statement.sender
        statements.append(
            OptOutStatement(
                channel=statement.channel,
                address=address,
                sender=statement.sender,
                occurred_at=min(statement.at, now) if statement.at else time_in_force(ended_at(key, known), now),
                source=OptOutSource.MANUAL,
                stated_by=statement.by,
                reason=statement.reason,
            )
        )
    state(connection, statements, now)
    after = read_rows(connection, addresses)
    return {one.address: outcome_of(before.get(one.key), after[one.key]) for one in statements}


def time_in_force(ended: datetime | None, now: datetime) -> datetime:
    """Return the time of an opt-out that is said now: in force, although another machine's clock is ahead."""
    return max(now, ended) if ended else now


def outcome_of(before: OptOutRow | None, after: OptOutRow) -> Outcome:
    """Return what became of a row by a statement."""
    if not is_in_force(after.opted_in_at, after.received_at):
        return Outcome.ENDED
    if before is None:
        return Outcome.NEW
    was_in_force = is_in_force(before.opted_in_at, before.received_at)
    return Outcome.LATER if after.opted_out_at > before.opted_out_at or not was_in_force else Outcome.UNCHANGED
