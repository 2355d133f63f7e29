"""`zexa-sync status` counts events that may be opt-outs without a person: STOPs naming nobody, and unknown events."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner
from redis import Redis
from sqlalchemy import URL, Engine, event

from sync.cli import main
from sync.devtools.dev.embedded import RedisServer
from sync.events.opt_out_names import looks_like_opt_out
from sync.queue.connection import open_queue
from sync.status import in_database as module
from sync.status import measure
from sync.store.apply import apply
from tests.conftest import NOW
from tests.support.events_builder import AO, body, minute, raw
from tests.support.people import OPT_OUT_NAMES, delivered, stop

LIKE_OPT_OUTS = (
    *("message.optedout", "message.opted_out", "contact.optout", "message.unsubscribe", "recipient.unsubscribed"),
    *("message.stop", "message.STOPPED", "sms.stop_received", "\uff4dessage.\uff4fptout", "opt\u200b-out"),
    *(
        "email.complaint",
        "message.spam_report",
        "contact.suppressed",
        "number.blocklisted",
        "consent.revoked",
        "messages.optout",
    ),
)
OTHERS = (
    *("", "message.unknown", "message.queued", "campaign.stopped", "campaign.paused", "message.replied"),
    *("message.optin", "webhook.test", "message.option", "\U0001f600"),
)


@pytest.fixture
def status(
    migrated_url: URL, redis: Redis, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], tuple[Any, str]]:
    """What the command says, as JSON and as text."""
    assert redis.dbsize() == 0
    monkeypatch.setenv("DATABASE_URL", migrated_url.render_as_string(hide_password=False))
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    for name in ("ZEXA_DEFAULT_REGION", "REDIS_TLS_VERIFY", "DYNO"):
        monkeypatch.delenv(name, raising=False)

    def run() -> tuple[Any, str]:
        as_json = CliRunner().invoke(main, ["status", "--json"], catch_exceptions=False)
        as_text = CliRunner().invoke(main, ["status"], catch_exceptions=False)
        assert as_json.exit_code == as_text.exit_code == 0
        return json.loads(as_json.stdout), as_text.stdout

    return run


def give(engine: Engine, *bodies: bytes) -> None:
    apply(engine, [raw(content) for content in bodies], options=AO, now=NOW)


def unknown(name: str, number: int) -> bytes:
    return body(name, minute(1), message_id=f"u{number}", to="+244911000002")


def test_the_names_that_look_like_an_opt_out_are_told_from_the_others() -> None:
    assert [name for name in (*LIKE_OPT_OUTS, *OPT_OUT_NAMES) if not looks_like_opt_out(name)] == []
    assert [name for name in OTHERS if looks_like_opt_out(name)] == []


def test_stops_that_name_nobody_are_counted_until_somebody_is_named(
    engine: Engine, status: Callable[[], tuple[Any, str]]
) -> None:
    assert status()[0]["nameless_opt_outs"] == 0
    give(engine, stop(None, message_id="m1"), stop("undefined", message_id="m2"), stop("911000002", message_id="m3"))
    document, text = status()
    assert document["nameless_opt_outs"] == 2
    assert "STOPs naming nobody  2\n" in text
    give(engine, delivered("911000003", "m1"))
    assert status()[0]["nameless_opt_outs"] == 1


def test_ignored_facts_that_look_like_an_opt_out_are_counted(
    engine: Engine, status: Callable[[], tuple[Any, str]]
) -> None:
    document, text = status()
    assert document["ignored_opt_outs"] == 0
    assert "ignored opt-outs     0\n" in text
    names = [*LIKE_OPT_OUTS, *OTHERS] * 2
    give(engine, *(unknown(name, number) for number, name in enumerate(names)), stop("911000002"))
    document, text = status()
    assert document["ignored_opt_outs"] == 2 * len(LIKE_OPT_OUTS)
    assert f"ignored opt-outs     {2 * len(LIKE_OPT_OUTS)}: facts of an unknown event" in text


def test_counting_is_bounded_and_goes_by_the_index(
    engine: Engine, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(engine, *(unknown("message.stop" if number % 2 else "message.unknown", number) for number in range(40)))
    give(engine, *(stop(None, message_id=f"m{number}") for number in range(20)))
    executed: list[tuple[str, Any]] = []
    listener = lambda _c, _u, statement, parameters, *_: executed.append((statement, parameters))  # noqa: E731
    event.listen(engine, "before_cursor_execute", listener)
    database = measure(engine, open_queue(redis), default_region="AO").database
    event.remove(engine, "before_cursor_execute", listener)
    assert database is not None
    assert (database.nameless_opt_outs, database.ignored_opt_outs) == (20, 20)
    on_ledger = [(statement, parameters) for statement, parameters in executed if "FROM events" in statement]
    assert len(on_ledger) == 2
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # of forty rows it would read all
        for statement, parameters in on_ledger:
            plan = str(connection.exec_driver_sql(f"{explain} {statement}", parameters).all())
            assert "ix_events_ignored" in plan
            assert "SCAN events" not in plan
        ((statement, parameters),) = [
            (text, parameters) for text, parameters in executed if "FROM dead_letters" in text
        ]
        plan = str(connection.exec_driver_sql(f"{explain} {statement}", parameters).all())
        assert "ix_dead_letters_unresolved" in plan
    monkeypatch.setattr(module, "COUNTED_MAX", 7)
    database = measure(engine, open_queue(redis), default_region="AO").database
    assert database is not None
    assert (database.nameless_opt_outs, database.ignored_opt_outs) == (7, 7)
