"""What can be proved of one address: who stated what about it when, by which signed body, and what was sent since.

Reads only. Everything here is personal data, and belongs to whoever asked for this address by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Table, case, func, or_, select

from sync.addresses import spellings
from sync.opt_outs.merging import HISTORY
from sync.statements import hold_one_moment
from sync.store import LEDGER, MESSAGES, OPT_OUTS

Row = Mapping[str, Any]

_MESSAGE = ("message_id", "channel", "sender", "campaign_id", "status", "status_at", "failure_code")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known of one address. Rows are as the tables have them, times aware UTC.

    `opt_outs` have a column more, `is_active`. `statements` are rows of the history, the earliest first, with the body
    as it was signed. `facts` are the ledger's of the messages that the statements name: they tell whose a STOP without
    an address is. `messages_afterwards` have a status later than the first opt-out, those first that came first.
    """

    address: str
    opt_outs: Sequence[Row] = field(repr=False)
    statements: Sequence[Row] = field(repr=False)
    facts: Sequence[Row] = field(repr=False)
    messages_afterwards: Sequence[Row] = field(repr=False)

    @property
    def is_known(self) -> bool:
        """Return whether anybody ever stated anything about the address."""
        return bool(self.opt_outs or self.statements)


def gather_evidence(engine: Engine, address: str, *, default_region: str) -> Evidence:
    """Return what is known of `address`, in any spelling, as it stood at one moment.

    Reads every message of the table, which takes seconds where there are millions. Errors of the database are
    SQLAlchemy's DBAPIError and pass through.
    """
    spelled = spellings(None, address, default_region)
    with engine.begin() as connection:
        hold_one_moment(connection)

        def rows(query: Any) -> list[Row]:
            return [dict(row) for row in connection.execute(query).mappings()]

        statements = rows(_of(HISTORY, spelled).order_by(HISTORY.c.occurred_at, HISTORY.c.id))
        opted_out = [row["occurred_at"] for row in statements if row["kind"] == "opted_out"]
        message_ids = sorted({row["message_id"] for row in statements if row["message_id"]})
        facts = select(LEDGER).where(LEDGER.c.subject_id.in_(message_ids))
        return Evidence(
            address=spelled[0],
            opt_outs=rows(_opt_outs(spelled)),
            statements=statements,
            facts=rows(facts.order_by(LEDGER.c.subject_id, LEDGER.c.occurred_at, LEDGER.c.event)),
            messages_afterwards=rows(_messages_after(spelled, min(opted_out))) if opted_out else [],
        )


def _of(table: Table, spelled: Sequence[str]) -> Any:
    return select(table).where(table.c.address.in_(spelled))


def _opt_outs(spelled: Sequence[str]) -> Any:
    opted_out_at, opted_in_at = OPT_OUTS.c.opted_out_at, OPT_OUTS.c.opted_in_at
    is_in_force = or_(opted_in_at.is_(None), opted_in_at <= opted_out_at)
    is_active = case((opted_out_at.is_(None), False), else_=is_in_force).label("is_active")
    return _of(OPT_OUTS, spelled).add_columns(is_active).order_by(*OPT_OUTS.primary_key)


def _messages_after(spelled: Sequence[str], moment: datetime) -> Any:
    of_message = [MESSAGES.c[name] for name in _MESSAGE]
    query = select(*of_message).where(MESSAGES.c.recipient.in_(spelled), MESSAGES.c.status_at > moment)
    return query.order_by(MESSAGES.c.status_at, func.coalesce(MESSAGES.c.message_id, ""))
