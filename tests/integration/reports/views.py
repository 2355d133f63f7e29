"""What the tests of reports share."""

import re
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from sync.events.raw import RawEvent
from sync.reports.queries import REPORTS, ReportSelection
from sync.store.apply import apply
from tests.conftest import NOW, ROOT
from tests.support.events_builder import ANA, AO, Row, body, raw


def read_comments(script: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Return what the file of the views says of each report and its columns, in its order."""
    comments: dict[str, tuple[str, dict[str, str]]] = {}
    for kind, view, column, literals in re.findall(
        r"^COMMENT ON (VIEW|COLUMN) (\w+)\.?(\w*) IS\s+('.*?');$", script, re.MULTILINE | re.DOTALL
    ):
        comment = re.sub(r"'\n\s*'", "", literals)[1:-1].replace("''", "'")
        if kind == "VIEW":
            comments[view] = comment, {}
        else:
            comments[view][1][column] = comment
    return comments


COMMENTS = read_comments((ROOT / "migrations" / "sql" / "views_postgresql.sql").read_text())
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def give(engine: Engine, *batch: RawEvent) -> None:
    apply(engine, batch, options=AO, now=NOW)


def asked(engine: Engine, name: str, **selection: Any) -> list[Row]:
    with engine.connect() as connection:
        return [dict(row) for row in REPORTS[name](connection, ReportSelection(**selection)).rows]


def failed(number: int, at: datetime, **data: Any) -> RawEvent:
    fields = {"message_id": f"msg_{number}", "channel": "sms", "to": ANA, "error": "busy"} | data
    return raw(body("message.failed", at, **fields))
