"""The description of look-ups over HTTP: it is what the process does, as somebody finds who tries what it allows."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import CheckConstraint

from models import OptOut
from receiver.api.openapi import DOCUMENT
from receiver.api.question import MEMBERS
from receiver.server.paths import CHECK_PATH, METRICS_PATH, OPENAPI_PATH
from sync.suppression import LookupStatus, Match
from tests.support.processes import Platform

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
# PostgreSQL refuses more texts than SQLite does; of both, `tests/integration/suppression` looks anything up.
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
TOKEN = "a-token-of-the-tests"
EXAMPLES_MAX = "60"
SCHEMAS = DOCUMENT["components"]["schemas"]


@pytest.fixture
def web(migrated_platform: Platform) -> Platform:
    migrated_platform.start_web(ZEXA_LOOKUP_TOKEN=TOKEN)
    return migrated_platform


@on_postgresql
@pytest.mark.slow
def test_what_schemathesis_sends_is_answered_as_described(web: Platform, tmp_path: Path) -> None:
    location = f"http://127.0.0.1:{web.port}{OPENAPI_PATH}"
    command = [Path(sys.executable).parent / "schemathesis", "run", location, "--checks", "all", "--seed", "1"]
    options = ["--max-examples", EXAMPLES_MAX, "--header", f"Authorization: Bearer {TOKEN}", "--no-color"]
    # In a folder of its own, in which it keeps its findings.
    ran = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"(\d+) generated, \1 passed", ran.stdout), ran.stdout
    answered = [json.loads(line) for line in web.logs().splitlines() if '"event": "request"' in line]
    assert {line["path"] for line in answered} >= {CHECK_PATH, METRICS_PATH, OPENAPI_PATH}
    assert {200, 400, 401, 405, 422} <= {line["status"] for line in answered if line["path"] == CHECK_PATH}
    assert max(line["status"] for line in answered) < 500


@on_sqlite
def test_the_description_is_served_as_it_stands_to_anybody(web: Platform) -> None:
    status, headers, document = web.request("GET", OPENAPI_PATH)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(document) == DOCUMENT


def test_the_description_names_what_the_code_does() -> None:
    assert SCHEMAS["Question"]["properties"].keys() == MEMBERS
    assert SCHEMAS["Result"]["properties"]["status"]["enum"] == list(LookupStatus)
    assert list(SCHEMAS["Match"]["properties"]) == list(Match._fields)
    (constraint,) = [argument for argument in OptOut.__table_args__ if isinstance(argument, CheckConstraint)]
    assert SCHEMAS["Match"]["properties"]["source"]["enum"] == re.findall(r"'(\w+)'", str(constraint.sqltext))
