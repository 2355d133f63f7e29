"""The statements by which opt-outs become rows of `opt_outs`, and of the history that proves them.

Every function works inside the caller's transaction. A row of `opt_outs` only ever gets later: `opted_out_at` by
what events and people state, `opted_in_at` by a person's word alone. Rows are written in the order of their
keys, `opt_outs` before `opt_out_history`, so that workers wait for each other and never in a circle.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, and_, func, or_

from models import OptOutHistory
from sync.merge import OptOutRow, fold_opt_outs
from sync.statements import bulk_insert
from sync.store import OPT_OUTS

HISTORY: Table = OptOutHistory.__table__  # type: ignore[attr-defined]


def merge_opt_outs(connection: Connection, claims: Iterable[OptOutRow], now: datetime) -> None:
    """Put what opt-outs claim into `opt_outs`, and each claim of an event, once, into the history."""
    claims = list(claims)
    if not claims:
        return
    rows = [
        {
            "channel": claim.channel,
            "address": claim.address,
            "sender": claim.sender,
            "opted_out_at": claim.opted_out_at,
            "source": claim.source,
            "message_id": claim.message_id,
            "note": claim.note,
        }
        for claim in fold_opt_outs(claims).values()
    ]
    insert, rows_given = bulk_insert(connection, OPT_OUTS, rows, updated_at=now)
    new, old = insert.excluded, OPT_OUTS.c
    message_ids = func.coalesce(new.message_id, ""), func.coalesce(old.message_id, "")
    is_same = and_(new.opted_out_at == old.opted_out_at, message_ids[0] == message_ids[1])
    # `OptOutRow.strength`, in SQL.
    is_greater = or_(
        old.opted_out_at.is_(None),
        new.opted_out_at > old.opted_out_at,
        and_(new.opted_out_at == old.opted_out_at, message_ids[0] > message_ids[1]),
        and_(is_same, new.source != "failure", old.source == "failure"),
    )
    values = {name: new[name] for name in ("opted_out_at", "source", "message_id", "note", "updated_at")}
    keys = list(OPT_OUTS.primary_key)
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=values, where=is_greater), rows_given)
    _note(connection, claims, now)


def _note(connection: Connection, claims: Iterable[OptOutRow], now: datetime) -> None:
    rows = [_history_row(claim) for claim in claims]
    rows.sort(key=lambda row: (row["address"], row["channel"], row["sender"], row["digest"] or ""))
    insert, rows_given = bulk_insert(connection, HISTORY, rows, kind="opted_out", applied_at=now)
    connection.execute(insert.on_conflict_do_nothing(), rows_given)


def _history_row(claim: OptOutRow) -> dict[str, Any]:
    fact = claim.fact
    return {
        "channel": claim.channel,
        "address": claim.address,
        "sender": claim.sender,
        "occurred_at": claim.opted_out_at,
        "received_at": fact.received_at if fact else None,
        "source": claim.source,
        "message_id": claim.message_id,
        "event": fact.name if fact else None,
        "digest": fact.digest if fact else None,
        "body": fact.body if fact else None,
        "stated_by": claim.stated_by,
        "reason": claim.note,
    }
