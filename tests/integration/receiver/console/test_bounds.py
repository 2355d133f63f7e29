"""No page reads for ever: a statement ends in time on either database, and the page says so."""

import sys
import time

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from receiver.console import stores as console_stores
from receiver.console.pages import STORES
from receiver.console.serve import SWITCH_SECONDS, console_app
from receiver.console.stores import Stores, begin_page
from sync.devtools.dev.embedded import RedisServer
from tests.support.consoles import Visitor, console_settings

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


def test_a_statement_of_a_page_ends_in_time(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    stores: Stores = app.extensions[STORES]
    if stores.reader.dialect.name == "postgresql":
        for engine in (stores.reader, stores.writer):
            with engine.begin() as connection:
                assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "5s"
        return
    monkeypatch.setattr(console_stores, "STATEMENT_SECONDS", 0.3)
    begun = time.monotonic()
    begin_page()
    with stores.reader.connect() as connection, pytest.raises(DBAPIError):
        connection.execute(text(ENDLESS))
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_page_of_a_statement_that_was_ended_says_so(
    operator: Visitor, filled: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with filled.begin() as connection:
        connection.execute(text("DROP VIEW report_daily"))
        connection.execute(text(f"CREATE VIEW report_daily AS SELECT '2026-01-01' AS day, * FROM ({ENDLESS})"))
    monkeypatch.setattr(console_stores, "STATEMENT_SECONDS", 0.3)
    response = operator.get("/")
    assert response.status_code == 503
    assert "The database did not answer in time" in response.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_threads_that_make_pages_give_way_to_deliveries_soon(engine: Engine, redis_server: RedisServer) -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.005)  # what Python begins with
    try:
        console_app(console_settings(engine, redis_server.url))
        assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
    finally:
        sys.setswitchinterval(before)
