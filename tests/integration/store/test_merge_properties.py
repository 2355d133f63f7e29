"""Both databases hold the same rows, in every column, for any order and batches in which events came.

test_oracle.py tests what the rows must be. This test also compares the columns that the oracle does not name.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Engine
from structlog.testing import capture_logs

from tests.integration.store.test_oracle import Step, Story, stories, take
from tests.support.events_builder import Row, clear, patient, without_random_ids


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A line for each of thousands of dead letters would hide what failed."""
    with capture_logs():
        yield


@settings(
    patient,
    max_examples=50,
    suppress_health_check=[*patient.suppress_health_check, HealthCheck.function_scoped_fixture],
)
@given(story=stories())
def test_both_databases_hold_the_same_rows_whatever_the_order_and_the_batches(
    both_engines: list[Engine], story: Story
) -> None:
    on_sqlite, on_postgresql = both_engines
    wanted = tables_after(on_sqlite, story, story.steps)
    assert tables_after(on_postgresql, story, story.steps) == wanted
    assert tables_after(on_postgresql, story, [*story.words[::-1], *story.answers, story.deliveries[::-1]]) == wanted


def tables_after(engine: Engine, story: Story, steps: list[Step]) -> dict[str, list[Row]]:
    clear(engine)
    take(engine, steps, story.options)
    return without_random_ids(engine)
