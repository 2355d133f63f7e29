"""Statements for many rows: what a packed array holds is what the database reads."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import URL, BigInteger, Boolean, Engine, Text, bindparam, select
from sqlalchemy.types import TypeEngine

from models.database import open_database
from models.statements import PackedArray
from models.types import UTCDateTime
from tests.support.events_builder import patient

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
TIMES = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 - the zone is drawn
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=1))]),
)


@pytest.fixture(scope="module")
def postgres(postgres_server: URL) -> Iterator[Engine]:
    engine = open_database(postgres_server)
    yield engine
    engine.dispose()


def read_back(engine: Engine, kind: TypeEngine[object], values: Sequence[object]) -> list[object]:
    with engine.connect() as connection:
        return list(connection.execute(select(bindparam("values", values, type_=PackedArray(kind)))).scalar_one())


@given(st.lists(st.none() | TEXTS, max_size=6))
@patient
@example(["null", None, "NULL", "", " ", "a,b", "{a}", '"', "\\", "\\n", "\n\t\x01\x7f", "ã\u2028\U0001f600"])
def test_texts_are_read_as_they_are(postgres: Engine, texts: list[str | None]) -> None:
    assert read_back(postgres, Text(), texts) == texts


@given(st.lists(st.none() | TIMES, max_size=6))
@patient
def test_times_are_read_as_they_are(postgres: Engine, times: list[datetime | None]) -> None:
    assert read_back(postgres, UTCDateTime(), times) == times


@pytest.mark.parametrize(
    ("kind", "values"), [(Boolean(), [True, None, False]), (BigInteger(), [2**62, -1, None, 0]), (Text(), [])]
)
def test_numbers_and_truths_are_read_as_they_are(
    postgres: Engine, kind: TypeEngine[object], values: list[object]
) -> None:
    assert read_back(postgres, kind, values) == values


def test_a_naive_time_is_refused(postgres: Engine) -> None:
    with pytest.raises(Exception, match="naive"):
        read_back(postgres, UTCDateTime(), [datetime(2026, 6, 24, tzinfo=UTC), datetime(2026, 6, 24)])  # noqa: DTZ001
