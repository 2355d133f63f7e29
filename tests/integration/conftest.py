"""A database of each kind at once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, make_url

from models.database import open_database
from tests.conftest import administrating, new_database


@pytest.fixture
def both_engines(
    tmp_path: Path, migrated_file: Path, postgres_server: URL, migrated_template: str
) -> Iterator[list[Engine]]:
    """A database of each kind at the newest schema."""
    with administrating(postgres_server) as admin, new_database(admin, migrated_template) as name:
        file = shutil.copyfile(migrated_file, tmp_path / "zexa.db")
        engines = [open_database(url) for url in (make_url(f"sqlite:///{file}"), postgres_server.set(database=name))]
        yield engines
        for engine in engines:
            engine.dispose()
