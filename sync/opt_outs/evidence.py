"""What can be proved of one address: who stated what about it when, by which signed body, and what was sent since.

Reads only. Everything here is personal data, and is only for the person who asked for this address by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Table, and_, func, literal, select

from models.in_force import in_force
from models.statements import hold_snapshot
from models.tables import LEDGER, MESSAGES, OPT_OUTS
from models.views import OPT_OUT_STATEMENTS
from sync.events.addresses import persons_of, spellings_of
from sync.events.forget_keys import ForgetKey
from sync.opt_outs.sent_after import sent_after_of
from sync.store.ledger_read import stored_bodies

Row = Mapping[str, Any]

_MESSAGE = ("message_id", "channel", "sender", "campaign_id", "status", "status_at", "failure_code")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known of one address. Rows are as the tables have them, times aware UTC.

    `opt_outs` have a column more, `is_active`. `statements` are rows of the history, the earliest first, with the body
    as it was signed. `facts` are all bodies of the messages that the statements name: they identify the person of a
    STOP without an address. `messages_afterwards` have a status later than the first opt-out, in order of time;
    `status_origin` says of each how the status came to us. `late` are the rows of `sent_after_opt_out`, which leaves
    out the message that was answered and re-subscriptions.
    """

    address: str
    opt_outs: Sequence[Row] = field(repr=False)
    statements: Sequence[Row] = field(repr=False)
    facts: Sequence[Row] = field(repr=False)
    messages_afterwards: Sequence[Row] = field(repr=False)
    late: Sequence[Row] = field(repr=False)

    @property
    def is_known(self) -> bool:
        """Return whether anybody ever stated anything about the address."""
        return bool(self.opt_outs or self.statements)


def gather_evidence(
    engine: Engine, address: str, *, default_region: str, forget_keys: Sequence[ForgetKey] = ()
) -> Evidence:
    """Return what is known of `address`, in any spelling, as it stood at one moment.

    Of somebody who was forgotten with one of `forget_keys` that is what remains. Errors of the database are
    SQLAlchemy's DBAPIError and pass through.
    """
    addresses = persons_of(None, address, default_region)
    persons = [spelling.person for spelling in addresses]
    persons += [key.pseudonym(person) for person in persons for key in forget_keys]
    with engine.begin() as connection:
        hold_snapshot(connection)

        def rows(query: Any) -> list[Row]:
            return [dict(row) for row in connection.execute(query).mappings()]

        stated = OPT_OUT_STATEMENTS.c
        statements = rows(_rows_of(OPT_OUT_STATEMENTS, persons).order_by(stated.occurred_at, stated.id))
        opted_out = [row["occurred_at"] for row in statements if row["kind"] == "opted_out"]
        message_ids = {row["message_id"] for row in statements}
        subjects = sorted({row["subject_id"] for row in statements if row["subject_id"]})
        bodies = _bodies(connection, subjects)
        contents = {row["digest"]: row["body"] for row in bodies}
        afterwards = rows(_messages_after(persons, min(opted_out))) if opted_out else []
        return Evidence(
            address=addresses[0].text if addresses else address.strip(),
            opt_outs=rows(_opt_outs(persons)),
            statements=[{**row, "body": contents.get(row["digest"])} for row in statements],
            facts=[row for row in bodies if row["subject_id"] in message_ids],
            messages_afterwards=afterwards,
            late=sent_after_of(connection, [row["message_id"] for row in afterwards]),
        )


def _rows_of(table: Table, persons: Sequence[str]) -> Any:
    return select(table).where(table.c.person.in_(persons))


def _opt_outs(persons: Sequence[str]) -> Any:
    return (
        _rows_of(OPT_OUTS, persons).add_columns(in_force(OPT_OUTS).label("is_active")).order_by(*OPT_OUTS.primary_key)
    )


def _bodies(connection: Connection, subjects: Sequence[str]) -> list[Row]:
    """Return every body of `subjects`, with what the ledger knows of it, in the order in which they occurred."""
    query = stored_bodies(lambda subject: subject.in_(subjects))
    rows = [dict(row) for row in connection.execute(query).mappings()]
    return sorted(rows, key=lambda row: (row["subject_id"], row["occurred_at"], row["event"], row["digest"]))


def _messages_after(persons: Sequence[str], time: datetime) -> Any:
    is_of_status = and_(
        LEDGER.c.subject_id == MESSAGES.c.message_id, LEDGER.c.event == literal("message.").concat(MESSAGES.c.status)
    )
    status_origin = select(LEDGER.c.origin).where(is_of_status).scalar_subquery().label("status_origin")
    of_message = [*(MESSAGES.c[name] for name in _MESSAGE), status_origin]
    recipients = [text for person in persons for text in spellings_of(person)]
    query = select(*of_message).where(MESSAGES.c.recipient.in_(recipients), MESSAGES.c.status_at > time)
    return query.order_by(MESSAGES.c.status_at, func.coalesce(MESSAGES.c.message_id, ""))
