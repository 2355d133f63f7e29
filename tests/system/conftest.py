"""What the tests with Debian's packages share: PgBouncer, a PostgreSQL that others use too, and a console to look at.

`@pytest.mark.needs("pgbouncer")`: a test that is left out, and says so, on a machine without that command.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import URL, make_url

from models.database import open_database
from sync.devtools.dev.embedded import RedisServer
from tests.support.browser import chromedriver
from tests.support.console_platform import ConsolePlatform, console_platform
from tests.system.packages import PACKAGES, find_command, may_install
from tests.system.pgbouncer import pgbouncer

# Another application's Alembic, and a table of its own with a name that we use.
TEMPLATE = "of_others"
FOREIGN = (
    "CREATE TABLE public.alembic_version (version_num varchar(32) PRIMARY KEY)",
    "INSERT INTO public.alembic_version VALUES ('9f3c1d')",
    "CREATE TABLE public.events (id serial PRIMARY KEY, title text NOT NULL)",
)


@pytest.fixture(scope="session")
def shared_server(postgres_server: URL) -> URL:
    """The server, after another application has come and made its tables in the template, and German its dates."""
    admin = open_database(postgres_server).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {TEMPLATE}")
        connection.exec_driver_sql(f"ALTER ROLE {postgres_server.username} SET DateStyle = 'German, DMY'")
    admin.dispose()
    others = open_database(postgres_server.set(database=TEMPLATE))
    with others.begin() as connection:
        for statement in FOREIGN:
            connection.exec_driver_sql(statement)
    others.dispose()
    return postgres_server


@pytest.fixture(scope="session")
def pooler(shared_server: URL) -> Iterator[URL]:
    with TemporaryDirectory(prefix="zexa-pgbouncer-") as folder, pgbouncer(shared_server, Path(folder)) as url:
        yield url


@pytest.fixture(scope="session")
def console(
    tmp_path_factory: pytest.TempPathFactory, migrated_file: Path, redis_server: RedisServer
) -> Iterator[ConsolePlatform]:
    folder = tmp_path_factory.mktemp("console")
    url = make_url(f"sqlite:///{shutil.copyfile(migrated_file, folder / 'zexa.db')}")
    with console_platform(folder / "logs", url, redis_server.url) as started:
        yield started


@pytest.fixture(scope="session")
def driver() -> Iterator[str]:
    command = find_command("chromedriver")
    assert command
    with chromedriver(command) as url:
        yield url


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for command in marker.args:
            assert command in PACKAGES, f"{command} is not in tests/system/packages.py"
            if find_command(command):
                continue
            reason = f"left out: {command} is not installed (Debian's package {PACKAGES[command]})"
            if os.environ.get("CI") == "true" and may_install():
                pytest.fail(reason)
            pytest.skip(reason)
