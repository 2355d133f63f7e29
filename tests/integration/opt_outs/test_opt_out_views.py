"""The views of opt-outs: which times hold for a statement, which opt-outs are in force, who was messaged after one.

Rows are written by hand, and expectations are counted in Python: nothing of the code that merges events is used.
"""

import random
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Text, TextClause, insert, inspect, select, text

from models.in_force import in_force
from models.tables import FURTHER_BODIES, HISTORY, LEDGER, MESSAGES, OPT_OUTS
from models.types import UTCDateTime
from models.views import ACTIVE_OPT_OUTS, OPT_OUT_STATEMENTS
from sync.events.opt_outs import is_in_force
from tests.conftest import NOW
from tests.support.events_builder import ANA, RUI, Row, minute

STOP = "message.optout"
TIMES = {"occurred_at": UTCDateTime(), "received_at": UTCDateTime()}


def state(connection: Connection, **values: Any) -> None:
    """Add a statement of an event that has a body, or of a person."""
    usual = {"kind": "opted_out", "channel": "sms", "address": ANA, "sender": "", "applied_at": NOW, "source": "event"}
    connection.execute(insert(HISTORY).values(**usual | values))


def fact(connection: Connection, subject_id: str, digest: str, occurred: float, received: float) -> None:
    connection.execute(
        insert(LEDGER).values(
            subject_id=subject_id, event=STOP, occurred_at=minute(occurred), received_at=minute(received),
            applied_at=NOW, body_id=1, is_dated=True, outcome="applied", digest=digest,
        )
    )  # fmt: skip


def further(connection: Connection, subject_id: str, digest: str, occurred: float, received: float) -> None:
    connection.execute(
        insert(FURTHER_BODIES).values(
            subject_id=subject_id, event=STOP, digest=digest, occurred_at=minute(occurred),
            received_at=minute(received), body_id=2, is_dated=True,
        )
    )  # fmt: skip


def asked(connection: Connection, query: str, **types: Any) -> list[Row]:
    statement: TextClause = text(query)
    return [dict(row) for row in connection.execute(statement.columns(**types)).mappings()]


def test_the_models_know_every_column_of_the_views(engine: Engine) -> None:
    for view in (ACTIVE_OPT_OUTS, OPT_OUT_STATEMENTS):
        assert {column["name"] for column in inspect(engine).get_columns(view.name)} == set(view.columns.keys())


def test_a_statement_has_the_times_of_its_own_body_whether_that_body_holds_or_not(engine: Engine) -> None:
    with engine.begin() as connection:
        fact(connection, "m1", "holds", 5, 6)
        further(connection, "m1", "other", 3, 9)
        fact(connection, "sha256:alone", "alone", 7, 8)
        state(connection, message_id="m1", event=STOP, digest="holds", occurred_at=minute(900))
        state(connection, message_id="m1", event=STOP, digest="other")
        state(connection, event=STOP, digest="alone")
        state(connection, kind="opted_in", channel=None, sender=None, occurred_at=minute(4), source="manual")
        statements = asked(
            connection,
            "SELECT digest, subject_id, occurred_at, received_at FROM opt_out_statements ORDER BY id",
            digest=Text(), subject_id=Text(), **TIMES,
        )  # fmt: skip
    assert [tuple(row.values()) for row in statements] == [
        ("holds", "m1", minute(5), minute(6)),
        ("other", "m1", minute(3), minute(9)),
        ("alone", "sha256:alone", minute(7), minute(8)),
        (None, None, minute(4), None),
    ]


@pytest.mark.parametrize(("opted_in", "is_active"), [(None, True), (5, True), (8, True), (8.001, False)])
def test_an_opt_out_is_in_force_unless_it_was_ended_after_it_was_received(
    engine: Engine, opted_in: float | None, is_active: bool
) -> None:
    with engine.begin() as connection:
        values = {
            "channel": "sms", "address": ANA, "sender": "", "opted_out_at": minute(4), "received_at": minute(8),
            "opted_in_at": None if opted_in is None else minute(opted_in), "source": "event", "updated_at": NOW,
        }  # fmt: skip
        connection.execute(insert(OPT_OUTS).values(**values))
        assert connection.execute(text("SELECT count(*) FROM active_opt_outs")).scalar_one() == is_active
        assert len(connection.execute(select(OPT_OUTS.c.address).where(in_force(OPT_OUTS))).all()) == is_active
        assert is_in_force(values["opted_in_at"], values["received_at"]) is is_active
        (row,) = asked(connection, "SELECT opt_outs, in_force FROM report_opt_outs")
        assert (row["opt_outs"], row["in_force"]) == (1, is_active)


Statement = tuple[str, str | None, str, str | None, datetime, datetime, str | None, str]


def is_ended(stop: Statement, others: list[Statement], moment: datetime) -> bool:
    """The rule, in the words in which it is promised."""
    _, channel, address, sender, occurred, received, _, _ = stop
    return any(
        kind == "opted_in"
        and scope_address == address
        and scope_channel in (None, channel)
        and scope_sender in (None, sender)
        and again <= moment
        and (again > received or (again > occurred and moment < received))
        for kind, scope_channel, scope_address, scope_sender, again, *_ in others
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_message_is_listed_with_the_first_opt_out_before_it_that_was_not_ended(engine: Engine, seed: int) -> None:
    chance = random.Random(seed)
    statements: list[Statement] = []
    messages = [(f"m{n}", chance.choice((ANA, RUI)), minute(chance.randrange(40))) for n in range(30)]
    for number in range(24):
        occurred, received = minute(chance.randrange(40)), minute(chance.randrange(40))
        kind = chance.choice(("opted_out", "opted_out", "opted_in"))
        scope = (None, "sms", "") if kind == "opted_in" else ("", "sms")
        digest = None if kind == "opted_in" or number % 4 == 0 else f"d{number:02}"
        statements.append(
            (
                kind, chance.choice(scope), chance.choice((ANA, RUI)), chance.choice(scope), occurred,
                occurred if digest is None else received, f"m{number}" if digest else None, digest or "",
            )
        )  # fmt: skip
    expected = {}
    for message_id, recipient, moment in messages:
        counted = [
            stop
            for stop in statements
            if stop[0] == "opted_out"
            and stop[2] == recipient
            and stop[4] < moment
            and stop[6] != message_id
            and not is_ended(stop, statements, moment)
        ]
        if counted:
            # The sort is stable, as ids are: of two words of people alike in all this, the one said first.
            stop = min(counted, key=lambda stop: (stop[4], stop[5], stop[1], stop[3], stop[7]))
            expected[message_id] = (stop[4], stop[1], stop[3], round((moment - stop[4]).total_seconds(), 6))
    with engine.begin() as connection:
        for kind, channel, address, sender, occurred, received, message_id, digest in statements:
            scope = {"kind": kind, "channel": channel, "address": address, "sender": sender}
            if digest and message_id:
                place = chance.choice((fact, further))
                place(
                    connection, message_id, digest, *((time - minute(0)).seconds / 60 for time in (occurred, received))
                )
                state(connection, **scope, message_id=message_id, event=STOP, digest=digest)
            else:
                state(connection, **scope, occurred_at=occurred, source="manual")
        for message_id, recipient, moment in messages:
            row = {"message_id": message_id, "recipient": recipient, "status": "delivered", "status_at": moment}
            connection.execute(insert(MESSAGES).values(**row, conflict=False, updated_at=NOW))
        messages_after = asked(
            connection,
            "SELECT message_id, opted_out_at, opt_out_channel, opt_out_sender, seconds_after_opt_out "
            "FROM sent_after_opt_out",
            message_id=Text(), opted_out_at=UTCDateTime(),
        )  # fmt: skip
    assert {row["message_id"]: tuple(row.values())[1:] for row in messages_after} == expected
    assert 0 < len(expected) < len(messages)
