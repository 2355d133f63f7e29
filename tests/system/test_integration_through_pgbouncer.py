"""The whole integration suite, through PgBouncer in transaction mode, in a schema, beside another application's tables.

The parts differ in what names the schema and in the server that holds the queue. Tests marked `direct` are left out.
"""

import os
import subprocess
import sys

import pytest
from sqlalchemy import URL

from tests.conftest import ROOT
from tests.support.redis_servers import server_binary
from tests.system.conftest import TEMPLATE

pytestmark = pytest.mark.needs("pgbouncer")

FILES = sorted((ROOT / "tests" / "integration").rglob("test_*.py"))
PARTS = 8
ORACLE_STREAMS = "6"  # the suite proper tries more


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("part", range(PARTS))
def test_the_integration_suite_passes_through_a_transaction_pooler(part: int, pooler: URL) -> None:
    files = FILES[part::PARTS]
    environ = os.environ | {"ZEXA_TEST_POSTGRES_TEMPLATE": TEMPLATE, "ZEXA_ORACLE_STREAMS": ORACLE_STREAMS}
    if part % 2:
        environ |= {"ZEXA_TEST_REDIS": "redis-6.2", "ZEXA_DATABASE_SCHEMA": "zexa-sync"}
        url = pooler
    else:
        environ |= {"ZEXA_TEST_REDIS": "valkey"}
        url = pooler.update_query_dict({"options": "-csearch_path=zexa"})
    server_binary(environ["ZEXA_TEST_REDIS"])
    environ["ZEXA_TEST_POSTGRES_URL"] = url.set(drivername="postgresql").render_as_string(hide_password=False)
    chosen = ["-k", "postgresql", "-m", "not direct", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command = [sys.executable, "-m", "pytest", "-q", *chosen, *files]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20000:]
