"""A console on a database of each kind, with what a few deliveries and people have left in it."""

import gc
import json
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import Engine, select

from models.tables import HISTORY
from receiver.console.pages import STORES
from sync.devtools.dev.embedded import RedisServer
from sync.events.interpretation import ParseOptions
from sync.events.raw import RawEvent
from sync.store.apply import apply
from sync.users import passwords
from sync.users.accounts import Role
from tests.support.consoles import Visitor, console_app, enter

ANA, RUI = "+244912345678", "+244923000111"
DELIVERED, STOPPED, FAILED = "msg_delivered", "msg_stopped", "msg_failed"


def delivery(event: str, at: datetime, **data: str) -> RawEvent:
    body = {"event": event, "timestamp": at.isoformat(), "data": data}
    return RawEvent(body=json.dumps(body).encode(), received_at=at + timedelta(seconds=1))


def deliveries() -> list[RawEvent]:
    """What is known of three messages of today, one campaign, and a body that nobody can read."""
    at = datetime.now(UTC) - timedelta(seconds=90)
    of_ana = {"to": ANA, "channel": "sms", "from": "ACME", "campaign_id": "cmp_spring"}
    return [
        delivery("message.delivered", at, message_id=DELIVERED, **of_ana),
        delivery("message.delivered", at, message_id=STOPPED, **of_ana),
        delivery("message.optout", at + timedelta(seconds=20), message_id=STOPPED, **of_ana),
        delivery(
            "message.failed",
            at,
            message_id=FAILED,
            to=RUI,
            channel="whatsapp",
            error_code="30007",
            error="call +244923000111",
            campaign_id="cmp_spring",
        ),
        delivery("campaign.sent", at, campaign_id="cmp_spring", name="Spring"),
        RawEvent(body=b"{no json", received_at=at),
    ]


@pytest.fixture
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A try costs nothing. What it costs in truth is a rule of test_users_command.py."""
    monkeypatch.setattr(passwords, "METHOD", "scrypt:256:8:1")
    passwords.hash_of_nobody.cache_clear()
    yield
    passwords.hash_of_nobody.cache_clear()


@pytest.fixture
def filled(engine: Engine) -> Engine:
    apply(engine, deliveries(), options=ParseOptions(default_region="AO"), now=datetime.now(UTC))
    return engine


@pytest.fixture
def app(filled: Engine, redis: Redis, redis_server: RedisServer) -> Iterator[Flask]:  # noqa: ARG001
    app = console_app(filled, redis_server.url)
    yield app
    app.extensions["stop"]()
    for opened in (app.extensions[STORES].reader, app.extensions[STORES].writer):
        opened.dispose()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def operator(app: Flask, filled: Engine) -> Visitor:
    return enter(app, filled, "Maria", Role.OPERATOR)


@pytest.fixture
def viewer(app: Flask, filled: Engine) -> Visitor:
    return enter(app, filled, "Rui", Role.VIEWER)


@pytest.fixture
def statement(filled: Engine) -> int:
    """The id of the statement that the recipient of STOPPED made."""
    with filled.connect() as connection:
        return int(connection.execute(select(HISTORY.c.id).where(HISTORY.c.message_id == STOPPED)).scalar_one())
