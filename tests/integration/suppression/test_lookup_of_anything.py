"""The look-up of an application: with any values as addresses, it raises nothing and allows no person wrongly."""

import gc
import math
import warnings
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import URL

from models.database import open_database
from sync.devtools.dev.embedded import RedisServer
from sync.queue.connection import open_queue
from sync.suppression import Lookup, LookupStatus, check, is_suppressed, lookup
from tests.support.events_builder import ANA, RUI

NO_TEXTS: list[Any] = [None, 912345678, 9.5, math.nan, b"912345678", True, [], ["912345678"], {}, {"a"}, object()]


@pytest.fixture
def asked(migrated_url: URL, redis: Redis) -> Iterator[Lookup]:
    reader = open_database(migrated_url, is_read_only=True)
    yield Lookup(reader, open_queue(redis), default_region="AO")
    reader.dispose()


def test_what_is_no_text_is_invalid_and_the_others_are_answered(asked: Lookup) -> None:
    answers = asked.check([ANA, *NO_TEXTS, "\udcff", "912 345 678"])
    assert [str(answer.status) for answer in answers] == ["allowed", *["invalid"] * (len(NO_TEXTS) + 1), "allowed"]
    assert [answer.input for answer in answers[1:-2]] == NO_TEXTS
    assert all(answer.is_suppressed() and answer.address is None and answer.problem for answer in answers[1:-1])


@pytest.mark.parametrize("scope", NO_TEXTS)
def test_a_scope_that_is_no_text_narrows_nothing(asked: Lookup, scope: Any) -> None:
    assert [answer.status for answer in asked.check([ANA], scope, scope)] == [LookupStatus.ALLOWED]


@pytest.mark.parametrize(
    ("staleness", "status"),
    [
        (math.nan, LookupStatus.UNKNOWN),
        (-math.inf, LookupStatus.UNKNOWN),
        (-1, LookupStatus.UNKNOWN),
        (-1e300, LookupStatus.UNKNOWN),
        (timedelta.min, LookupStatus.UNKNOWN),
        (math.inf, LookupStatus.ALLOWED),
        (1e300, LookupStatus.ALLOWED),
        (timedelta.max, LookupStatus.ALLOWED),
    ],
)
def test_an_age_that_is_no_number_allows_nobody(asked: Lookup, staleness: Any, status: LookupStatus) -> None:
    assert [answer.status for answer in asked.check([RUI], max_staleness=staleness)] == [status]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_application_is_answered_likewise(
    migrated_url: URL, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", str(migrated_url))
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    monkeypatch.setenv("ZEXA_SENDER_OF_THE_APPLICATION", "x")  # it may have variables of its own
    lookup.cache_clear()
    try:
        assert [answer.status for answer in check([None])] == [LookupStatus.INVALID]  # type: ignore[list-item]
        assert is_suppressed(None)  # type: ignore[arg-type]
        assert check([]) == []
    finally:
        # An application keeps its connections until its process ends.
        lookup.cache_clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
