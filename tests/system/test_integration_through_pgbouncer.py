"""The integration suite, through PgBouncer in transaction mode, in a schema, beside another application's tables."""

import os
import subprocess
import sys

import pytest
from sqlalchemy import URL

from tests.conftest import ROOT
from tests.system.conftest import TEMPLATE

pytestmark = pytest.mark.needs("pgbouncer")

# What reaches the database in every way there is, in a few minutes on two cores. The rest runs likewise: set the same
# variables, and give pytest what to run. Each part has its schema from one of the two places that may name it.
PARTS = [
    ("setting", ["test_apply.py", "test_inbox.py"]),
    ("url", ["test_oracle.py", "test_dead_letters.py"]),
    ("url", ["test_suppression.py", "test_opt_outs_by_people.py", "test_database_of_others.py"]),
    ("setting", ["test_rebuild.py", "test_rollups.py"]),
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("named_by", "names"), PARTS, ids=["apply", "oracle", "suppression", "rebuild"])
def test_the_integration_suite_passes_through_a_transaction_pooler(
    named_by: str, names: list[str], pooler: URL
) -> None:
    url, environ = pooler, dict(os.environ)
    if named_by == "url":
        url = pooler.update_query_dict({"options": "-csearch_path=zexa"})
    else:
        environ["ZEXA_DATABASE_SCHEMA"] = "zexa-sync"
    environ |= {
        "ZEXA_TEST_POSTGRES_URL": url.set(drivername="postgresql").render_as_string(hide_password=False),
        "ZEXA_TEST_POSTGRES_TEMPLATE": TEMPLATE,
        "ZEXA_ORACLE_STREAMS": "6",
    }
    files = [f"tests/integration/{name}" for name in names]
    command = [sys.executable, "-m", "pytest", "-q", "-k", "postgresql", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8000:]
