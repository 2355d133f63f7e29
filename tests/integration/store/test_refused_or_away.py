"""What the database refuses is a dead letter; a database that is away loses nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event, make_url, text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from models.database import open_database
from sync.store.tally import Tally
from tests.integration.store.ledger import active, digest, give, message, message_event, only_row
from tests.support.events_builder import ANA, REFUSED, RUI, SAMPLE, everything, raw, rows

# What the database refuses


def test_only_what_the_database_refuses_becomes_a_dead_letter(refusing: Engine) -> None:
    good = [message_event("delivered", 1, message_id=f"msg_{number}", channel="sms", to=ANA) for number in range(5)]
    bad = message_event("failed", 1, message_id=REFUSED, channel="sms", to=RUI)
    with capture_logs() as logs:
        tally = give(refusing, *good[:3], bad, b"{", *good[3:], message_event("optout", 2, message_id="msg_0"))
    assert tally == Tally(received=8, applied=6, dead=2)
    tables = everything(refusing)
    assert {row["message_id"] for row in tables["message_status"]} == {f"msg_{number}" for number in range(5)}
    assert bad.body not in {entry["body"] for entry in tables["bodies"]}
    assert len(tables["bodies"]) == len(tables["events"]) == 6
    assert active(refusing) == [ANA]
    letters = {letter["body"]: letter for letter in tables["dead_letters"]}
    assert letters.keys() == {bad.body, b"{"}
    assert (letters[bad.body]["reason"], letters[bad.body]["digest"]) == ("refused", digest(bad.body))
    for words in (letters[bad.body]["error"], repr(logs)):
        assert RUI not in words
        assert REFUSED not in words
    assert sorted(line["reason"] for line in logs) == ["not_json", "refused"]


def test_what_the_driver_refuses_becomes_a_dead_letter_too(engine: Engine) -> None:
    """As it does with a text that cannot be encoded: no error of the database, and none that passes."""
    good, bad = (
        message_event("delivered", 1, channel="sms", to=ANA),
        message_event("failed", 1, message_id=REFUSED, to=RUI),
    )

    def refuse(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "INTO events" in statement and REFUSED in repr(parameters):
            raise UnicodeEncodeError("utf-8", RUI, 0, 1, "not allowed")

    event.listen(engine, "before_cursor_execute", refuse)
    assert give(engine, good, bad) == Tally(received=2, applied=1, dead=1)
    assert message(engine)["message_id"] == "msg_1"
    letter = only_row(rows(engine, "dead_letters"))
    assert (letter["body"], letter["reason"]) == (bad.body, "refused")
    assert RUI not in letter["error"]


def test_what_was_refused_can_be_applied_once_the_database_takes_it(refusing: Engine) -> None:
    bad = message_event("optout", 1, message_id=REFUSED, channel="sms", to=ANA)
    assert give(refusing, bad) == give(refusing, bad) == Tally(received=1, dead=1)
    assert (len(rows(refusing, "dead_letters")), active(refusing)) == (1, [])
    with refusing.begin() as connection:
        on_postgres = refusing.dialect.name == "postgresql"
        connection.execute(
            text("ALTER TABLE message_status DROP CONSTRAINT own_rule" if on_postgres else "DROP TRIGGER own_rule")
        )
    assert give(refusing, bad) == Tally(received=1, applied=1)
    assert active(refusing) == [ANA]


def test_a_body_that_was_read_once_never_stops_a_later_opt_out(engine: Engine) -> None:
    """A message's facts are read again from the ledger: what could be read when it came, but not then, would
    turn the STOP into a dead letter."""
    nested = {depth: b"[" * depth + b"]" * depth for depth in range(50, 1000)}
    failed = b'{"event": "message.failed", "data": {"message_id": "msg_%d", "more": %b}}'
    numbers = {depth: f"+2449{depth:08}" for depth in nested}
    give(engine, *(failed % (depth, more) for depth, more in nested.items()))
    stops = [
        message_event("optout", 1, message_id=f"msg_{depth}", channel="sms", to=to) for depth, to in numbers.items()
    ]
    assert give(engine, *stops) == Tally(received=len(stops), applied=len(stops))
    assert active(engine) == sorted(numbers.values())


# A database that is away


@pytest.fixture(params=["sqlite", "postgresql"])
def absent(request: pytest.FixtureRequest) -> Iterator[Engine]:
    urls = {
        "sqlite": "sqlite:////nowhere/at/all/zexa.db",
        "postgresql": "postgresql+psycopg://zexa@127.0.0.1:1/zexa",
    }
    engine = open_database(make_url(urls[request.param]))
    yield engine
    engine.dispose()


def test_a_database_that_is_away_raises(absent: Engine) -> None:
    for batch in ([SAMPLE], [SAMPLE, b"{"], [b"{"]):
        with pytest.raises(DBAPIError):
            give(absent, *batch)


def test_a_database_that_cannot_be_written_raises_and_nothing_is_applied(engine: Engine) -> None:
    reader = open_database(engine.url, is_read_only=True)
    batch = [message_event("optout", 1, channel="sms", to=ANA), raw(b"{")]
    with pytest.raises(DBAPIError) as caught:
        give(reader, *batch)
    assert ANA not in str(caught.value)
    reader.dispose()
    assert not any(everything(engine).values())
    assert give(engine, *batch) == Tally(received=2, applied=1, dead=1)


def test_a_connection_lost_in_the_middle_raises_and_nothing_is_applied(engine: Engine) -> None:
    batch = [message_event("optout", 1, channel="sms", to=ANA), message_event("delivered", 2), raw(b"{")]

    def lose(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "INTO opt_outs" in statement:
            connection.connection.driver_connection.close()

    event.listen(engine, "before_cursor_execute", lose)
    with pytest.raises(DBAPIError):
        give(engine, *batch)
    event.remove(engine, "before_cursor_execute", lose)
    assert not any(everything(engine).values())
    assert give(engine, *batch) == Tally(received=3, applied=2, dead=1)
    assert active(engine) == [ANA]


def test_a_body_that_an_earlier_version_could_read_stops_no_later_event_of_its_message(engine: Engine) -> None:
    give(engine, message_event("failed", 1, to=ANA), message_event("optout", 2, channel="sms", to=ANA))
    with engine.begin() as connection:
        connection.execute(text("UPDATE bodies SET body = :body WHERE event = 'message.failed'"), {"body": b"[" * 200})
    tally = give(engine, message_event("delivered", 3, to=ANA), message_event("failed", 4, to=ANA))
    assert (tally.applied, tally.dead) == (2, 0)
    assert only_row(rows(engine, "message_status"))["status"] == "failed"
