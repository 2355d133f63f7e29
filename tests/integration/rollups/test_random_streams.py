"""After any stream of events the roll-ups are the sum of the rows, whatever is compacted meanwhile."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert
from structlog.testing import capture_logs

from models.tables import REPORT_CALENDAR
from sync.rollups.calendar import calendar
from sync.rollups.compact import compact
from sync.rollups.recount import stored_timezone
from tests.integration.rollups.books import ZONES, Stream, counted, give, rebuilt, stored_sums, viewed, waiting
from tests.support.events_builder import clear, patient


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


def set_timezone(engine: Engine, timezone: str) -> None:
    with engine.begin() as connection:
        if stored_timezone(connection) != timezone:
            connection.execute(delete(REPORT_CALENDAR))
            connection.execute(insert(REPORT_CALENDAR), [dict(row) for row in calendar(timezone)])


@pytest.mark.parametrize("timezone", ZONES)
@settings(
    patient,
    max_examples=42,
    suppress_health_check=[*patient.suppress_health_check, HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32))
def test_five_hundred_random_streams_leave_what_the_rows_come_to(engine: Engine, timezone: str, seed: int) -> None:
    """Half of them on each database, by time zones, whose calendars take longer to write than a stream."""
    chance = random.Random(f"{timezone} {seed}")
    clear(engine)
    set_timezone(engine, timezone)
    for batch in Stream(chance).batches():
        give(engine, batch)
        if chance.random() < 0.3:
            compact(engine, limit=chance.choice([1, 3, 1000]))
        if chance.random() < 0.05:
            rebuilt(engine, timezone)
    expected = counted(engine, timezone)
    assert viewed(engine) == expected
    while compact(engine, limit=chance.choice([2, 1000])):
        pass
    assert waiting(engine) == 0
    assert stored_sums(engine) == expected
    assert viewed(engine) == expected
