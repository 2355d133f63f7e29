"""Opt-outs by a person's word. Like an event's they are only ever added, and never weaken what stands."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection

from sync.addresses import is_address, is_storable, normalise
from sync.merge import OptOutRow, OptOutSource
from sync.opt_outs.merging import merge_opt_outs
from sync.opt_outs.rows import StoredOptOut, locked_rows

_ONE = timedelta(microseconds=1)
_CHANNEL = re.compile(r"[a-z0-9_.-]{1,64}")


class Outcome(StrEnum):
    """What a statement did to a row of `opt_outs`."""

    NEW = "new"  # there was no opt-out of this channel, address and sender
    LATER = "later"  # there was an earlier one, in force or ended
    UNCHANGED = "unchanged"  # one at least as late stands
    ENDED = "ended"  # a re-subscription is later than the moment stated, so nobody is kept from messaging


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

    Each statement is noted in the history, also one that changes nothing: a person said so.
    """
    stored = locked_rows(connection, set(addresses))
    claims, outcomes = [], {}
    for address in dict.fromkeys(addresses):
        row = stored.get((statement.channel, address, statement.sender))
        moment = statement.at or moment_in_force(row, now)
        outcomes[address] = outcome_of(row, moment)
        claims.append(
            OptOutRow(
                channel=statement.channel,
                address=address,
                sender=statement.sender,
                opted_out_at=moment,
                message_id=None,
                source=OptOutSource.MANUAL,
                note=statement.reason,
                stated_by=statement.by,
            )
        )
    merge_opt_outs(connection, claims, now)
    return outcomes


def moment_in_force(row: StoredOptOut | None, now: datetime) -> datetime:
    """Return the moment of an opt-out that is said now: later than a re-subscription whose clock was ahead."""
    return max(now, row["opted_in_at"] + _ONE) if row and row["opted_in_at"] else now


def outcome_of(row: StoredOptOut | None, moment: datetime) -> Outcome:
    """Return what an opt-out of `moment`, said by a person, does to `row`."""
    if row is None:
        return Outcome.NEW
    opted_out_at: datetime | None = row["opted_out_at"]
    opted_in_at: datetime | None = row["opted_in_at"]
    if opted_in_at is not None and opted_in_at > max(moment, opted_out_at or moment):
        return Outcome.ENDED
    if opted_out_at is None:
        return Outcome.NEW
    return Outcome.LATER if moment > opted_out_at else Outcome.UNCHANGED
