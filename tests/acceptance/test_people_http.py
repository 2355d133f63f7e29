"""Look-ups over HTTP, at the Procfile's own web process: a person who said STOP is found under every spelling."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import make_url

from models.database import open_database
from sync.devtools.dev.embedded import RedisServer
from sync.store.apply import apply
from tests.conftest import NOW, migrate
from tests.support.events_builder import AO, raw
from tests.support.people import (
    CHANNELS,
    EMAIL_KEPT,
    EMAILS,
    GLUED,
    NUMBERS,
    NUMERIC_SENDERS,
    SENDERS,
    TWO_NUMBERS,
    UNREADABLE,
    stop,
)
from tests.support.processes import Platform, platform

TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="module")
def lasting_web(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One web process, whose database knows some opt-outs."""
    folder = tmp_path_factory.mktemp("people")
    url = make_url(f"sqlite:///{folder}/zexa.db")
    migrate(url)
    engine = open_database(url)
    stops = [stop("911000002", channel="SMS", from_="ZEXA"), stop(EMAILS["name"], channel="e-mail", from_="923000000")]
    stops += [stop(pair[place % 2]) for place, pair in enumerate(TWO_NUMBERS.values())]
    apply(engine, [raw(content) for content in stops], options=AO, now=NOW)
    engine.dispose()
    with platform(folder / "logs", url, redis_server.url, forks=True) as started:
        started.start_web(ZEXA_LOOKUP_TOKEN=TOKEN)
        yield started


@pytest.fixture
def web(lasting_web: Platform, redis: Redis) -> Platform:
    """The same, with nothing in the queue."""
    assert redis.llen("rq:queue:zexa") == 0
    return lasting_web


def statuses(web: Platform, addresses: Sequence[str], **members: Any) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content_Type": "application/json"}
    question = json.dumps({"addresses": addresses} | members).encode()
    status, _, document = web.request("POST", "/v1/suppressions/check", question, **headers)
    assert status == 200
    return {result["input"]: result["status"] for result in json.loads(document)["results"]}


def test_whoever_opted_out_is_found_under_every_spelling(web: Platform) -> None:
    asked = [form.format("911000002") for form in NUMBERS.values()] + list(EMAILS.values())
    asked += [spelling for pair in TWO_NUMBERS.values() for number in pair for spelling in (number, number[1:])]
    assert statuses(web, asked) == dict.fromkeys(asked, "suppressed")


def test_what_is_nobodys_address_is_invalid(web: Platform) -> None:
    asked = [form.format(number) for form in GLUED for number in ("911000002", "911000005")] + list(UNREADABLE)
    asked += [form.format("911000005") for form in ("{}.0", "244{}.00", "{},0")]
    assert statuses(web, asked) == dict.fromkeys(asked, "invalid")


def test_a_scope_is_one_however_it_is_spelled(web: Platform) -> None:
    for sender in SENDERS:
        assert statuses(web, ["911000002"], sender=sender) == {"911000002": "suppressed"}, sender
    for sender in NUMERIC_SENDERS:
        assert statuses(web, [EMAIL_KEPT], sender=sender) == {EMAIL_KEPT: "suppressed"}, sender
    for channel in (text for text in CHANNELS["email"] if text.isascii()):
        assert statuses(web, [EMAIL_KEPT], channel=channel) == {EMAIL_KEPT: "suppressed"}, channel
    assert statuses(web, ["911000002"], sender="ZEXB") == {"911000002": "allowed"}
