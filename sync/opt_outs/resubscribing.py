"""Re-subscriptions: only a person ends an opt-out, and says why; no event, file or program does.

An opt-out is not removed. It ends at a moment, and what ended it stays in the history for good. A STOP that occurred
after that moment opts out again; one that occurred before it, and arrives late, does not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, update

from sync.addresses import spellings
from sync.merge import OptOutSource
from sync.opt_outs.merging import HISTORY
from sync.opt_outs.rows import OptOutKey, StoredOptOut, is_in_force, locked_rows
from sync.statements import bulk_insert
from sync.store import OPT_OUTS

_ONE = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resubscription:
    """Who ends opt-outs and why; of one channel or sender only where these are not None."""

    channel: str | None
    sender: str | None
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Of one address: the opt-outs that were in force and are not any more, and those that still are.

    Rows of `ended` are as they are now. Where the clock of one was ahead, it ends only just after its own moment.
    """

    address: str = field(repr=False)
    ended: Sequence[StoredOptOut] = field(repr=False)
    in_force: Sequence[StoredOptOut] = field(repr=False)


def resubscribe(
    connection: Connection,
    addresses: Sequence[str],
    resubscription: Resubscription,
    *,
    clock: Callable[[], datetime],
    default_region: str,
) -> list[Ended]:
    """End the opt-outs of `addresses`, each in any spelling, in the caller's transaction; note it in the history.

    Without a channel or sender all scopes of an address end. With one, an opt-out that holds for any of them stays:
    it says more than was taken back. The moment is that of `clock` once the rows are held: what opts out afterwards is
    later.
    """
    spelled: dict[str, set[str]] = {}
    for address in addresses:
        first, *others = spellings(resubscription.channel, address, default_region)
        spelled.setdefault(first, {first}).update(others)
    stored = locked_rows(connection, set().union(*spelled.values()))
    now = clock()
    in_force = {key: row for key, row in stored.items() if is_in_force(row)}
    ended = {
        key: dict(row) | {"opted_in_at": max(now, row["opted_out_at"] + _ONE)}
        for key, row in in_force.items()
        if resubscription.channel in (None, row["channel"]) and resubscription.sender in (None, row["sender"])
    }
    _end(connection, ended, resubscription, now)
    return [
        Ended(
            address=address,
            ended=[row for row in ended.values() if row["address"] in several],
            in_force=[row for key, row in in_force.items() if row["address"] in several and key not in ended],
        )
        for address, several in spelled.items()
    ]


def _end(
    connection: Connection, ended: dict[OptOutKey, dict[str, Any]], resubscription: Resubscription, now: datetime
) -> None:
    if not ended:
        return
    for row in ended.values():
        is_row = [OPT_OUTS.c[name] == row[name] for name in ("channel", "address", "sender")]
        values = {"opted_in_at": row["opted_in_at"], "updated_at": now}
        connection.execute(update(OPT_OUTS).where(*is_row).values(values))
    noted = [
        {name: row[name] for name in ("channel", "address", "sender")} | {"occurred_at": row["opted_in_at"]}
        for row in ended.values()
    ]
    insert, rows = bulk_insert(
        connection,
        HISTORY,
        noted,
        kind="opted_in",
        applied_at=now,
        source=OptOutSource.MANUAL,
        stated_by=resubscription.by,
        reason=resubscription.reason,
    )
    connection.execute(insert, rows)
