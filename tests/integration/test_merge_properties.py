"""Both databases hold the same rows, in every column, for any order and batches in which events came.

test_oracle.py tests what the rows must be. This test also compares the columns that the oracle does not name.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import URL, Engine, create_engine, make_url, text
from structlog.testing import capture_logs

from models.database import open_database
from tests.conftest import migrate
from tests.events_builder import Row, clear, patient, without_random_ids
from tests.integration.test_oracle import Step, Story, stories, take


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A line for each of thousands of dead letters would hide what failed."""
    with capture_logs():
        yield


@pytest.fixture
def both_engines(tmp_path: Path, postgres_server: URL) -> Iterator[list[Engine]]:
    """A database of each kind at the newest schema."""
    name = f"zexa_both_{random.SystemRandom().getrandbits(64):x}"
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    urls = [make_url(f"sqlite:///{tmp_path}/zexa.db"), postgres_server.set(database=name)]
    for url in urls:
        migrate(url)
    engines = [open_database(url) for url in urls]
    yield engines
    for engine in engines:
        engine.dispose()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


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
    assert tables_after(on_postgresql, story, [*story.words[::-1], story.deliveries[::-1]]) == wanted


def tables_after(engine: Engine, story: Story, steps: list[Step]) -> dict[str, list[Row]]:
    clear(engine)
    take(engine, steps, story.options)
    return without_random_ids(engine)
