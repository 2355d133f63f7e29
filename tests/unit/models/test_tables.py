"""The tables of statements: equal to the models, and loaded without them."""

import subprocess
import sys

import pytest
from sqlalchemy import Column, Computed, Table
from sqlalchemy.dialects import postgresql, sqlite

from models import all_tables, tables
from models.writable import WRITTEN

MODELS = all_tables.METADATA.tables


def described(column: Column[object]) -> dict[str, object]:
    """What a statement takes from a column."""
    kinds = [column.type.dialect_impl(dialect) for dialect in (postgresql.dialect(), sqlite.dialect())]
    computed = column.computed
    return {
        "name": column.name,
        "kinds": [repr(column.type), *map(repr, kinds)],
        "is_key": column.primary_key,
        "counts": column.autoincrement if column.primary_key else None,
        "default": column.default.arg if column.default is not None else None,  # type: ignore[attr-defined]
        "computed": (str(computed.sqltext), computed.persisted) if isinstance(computed, Computed) else None,
    }


@pytest.mark.parametrize("table", tables.METADATA.tables.values(), ids=lambda table: table.name)
def test_the_columns_of_a_table_are_those_of_its_model_in_the_same_order(table: Table) -> None:
    assert list(map(described, table.columns)) == list(map(described, MODELS[table.name].columns))


def test_every_model_has_a_table_and_no_migration_sees_it() -> None:
    assert tables.METADATA.tables.keys() == MODELS.keys()
    assert tables.METADATA is not all_tables.METADATA


def test_every_table_is_written_but_those_that_others_fill() -> None:
    of_others = {"report_calendar", "webhook_registrations", "asked_messages", "zexa_sync_compatibility"}
    of_others |= {"failure_codes", "failure_counts"}
    of_others |= {"forgotten_people", "forget_keys", "console_users", "console_tries", "audit_log"}
    assert set(WRITTEN) == MODELS.keys() - of_others
    assert len(WRITTEN) == len(set(WRITTEN))


@pytest.mark.parametrize(
    ("modules", "unneeded"),
    [
        ("receiver.gunicorn_config, receiver.app, receiver.api.endpoint", {"sqlmodel", "sqlalchemy.orm", "rich"}),
        ("sync.worker.command", {"sqlmodel", "sqlalchemy.orm", "rich", "flask"}),
        ("sync.devtools.dev.command", {"sqlmodel", "sqlalchemy.orm", "flask"}),
        ("sync.cli", {"sqlalchemy", "redis", "structlog", "rich"}),
    ],
    ids=["web", "worker", "dev", "help"],
)
def test_a_process_loads_nothing_slow_that_it_does_not_need(modules: str, unneeded: set[str]) -> None:
    code = f"import sys, {modules}; print(sorted({unneeded} & sys.modules.keys()))"
    environ = {
        "ZEXA_WEBHOOK_SECRET": "a secret of the tests",
        "DATABASE_URL": "sqlite:///none.db",
        "REDIS_URL": "redis://127.0.0.1:1",
    }
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert result.stdout == "[]\n"
