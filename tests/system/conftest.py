"""What the tests with Debian's packages share: a PostgreSQL that others use too, and PgBouncer in front of it.

`@pytest.mark.needs("pgbouncer")`: a test that is left out, and says so, on a machine without that command.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import URL

from models.database import open_database
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
