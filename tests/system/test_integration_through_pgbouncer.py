"""The integration suite, through PgBouncer in transaction mode, in a schema, beside another application's tables."""

import os
import subprocess
import sys

import pytest
from sqlalchemy import URL

from tests.conftest import ROOT
from tests.system.conftest import TEMPLATE

# What reaches the database in every way there is, and takes about four minutes on two cores. The rest runs likewise:
# set the same variables, and give pytest what to run.
OF_THE_SUITE = {
    "apply": ["test_apply.py", "test_inbox.py", "test_dead_letters.py"],
    "oracle": ["test_oracle.py"],
    "suppression": ["test_suppression.py", "test_opt_outs_by_people.py"],
    "rebuild": ["test_rebuild.py", "test_rollups.py"],
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("named_by", ["url", "setting"])
@pytest.mark.parametrize("part", OF_THE_SUITE)
def test_the_integration_suite_passes_through_a_transaction_pooler(part: str, named_by: str, pooler: URL) -> None:
    url, environ = pooler, dict(os.environ)
    if named_by == "url":
        url = pooler.update_query_dict({"options": "-csearch_path=zexa"})
    else:
        environ["ZEXA_DATABASE_SCHEMA"] = "zexa-sync"
    environ |= {
        "ZEXA_TEST_POSTGRES_URL": url.set(drivername="postgresql").render_as_string(hide_password=False),
        "ZEXA_TEST_POSTGRES_TEMPLATE": TEMPLATE,
    }
    files = [f"tests/integration/{name}" for name in OF_THE_SUITE[part]]
    command = [sys.executable, "-m", "pytest", "-q", "-k", "postgresql", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8000:]
