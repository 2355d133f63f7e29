"""The tables without SQLModel: equal to the models, and loaded without them."""

import subprocess
import sys

import pytest
from sqlalchemy import Table
from sqlmodel import SQLModel

from models import all_tables, plain_tables
from models.plain_tables import (
    DEAD_LETTERS,
    FORGET_KEYS,
    INBOX,
    LAST_REACHABLE,
    LEDGER,
    MESSAGES,
    NAMELESS_OPT_OUTS,
    OPT_OUTS,
    OUTAGES,
    TASKS,
    WRITTEN,
)

assert all_tables.__all__  # importing the module fills the metadata


@pytest.mark.parametrize(
    "plain",
    [INBOX, DEAD_LETTERS, LEDGER, MESSAGES, NAMELESS_OPT_OUTS, OPT_OUTS, OUTAGES, LAST_REACHABLE, FORGET_KEYS, TASKS],
    ids=lambda table: table.name,
)
def test_the_columns_of_a_plain_table_are_those_of_its_model(plain: Table) -> None:
    model = SQLModel.metadata.tables[plain.name]
    for column in plain.columns:
        of_model = model.columns[column.name]
        assert repr(column.type) == repr(of_model.type)
        assert (column.nullable, column.primary_key) == (of_model.nullable, of_model.primary_key)
    required = {column.name for column in model.columns if not column.nullable and column.computed is None}
    assert plain is not INBOX or required <= {column.name for column in plain.columns}


def test_every_table_is_written_but_those_that_others_fill() -> None:
    of_others = {"report_calendar", "webhook_registrations", "asked_messages", "zexa_sync_compatibility"}
    of_others |= {"failure_codes", "failure_counts"}
    of_others |= {"forgotten_people", "forget_keys", "console_users", "console_tries", "audit_log"}
    assert set(WRITTEN) == SQLModel.metadata.tables.keys() - of_others
    assert len(WRITTEN) == len(set(WRITTEN))
    assert plain_tables.INBOX.metadata is not SQLModel.metadata


def test_the_web_process_loads_no_models() -> None:
    code = (
        "import sys, receiver.app, receiver.api.endpoint; print(sorted({'sqlmodel', 'pydantic'} & sys.modules.keys()))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout == "[]\n"
