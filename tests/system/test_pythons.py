"""A clean clone, on every supported Python of this machine: `make run` to a row, and then the fast tests."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.devtools.dev.embedded import free_port
from tests.support.processes import ROOT, wait_for
from tests.system.pythons import VERSIONS, find_python

INSTALL_SECONDS = 600
KEPT = ("HOME", "LANG", "PATH", "TMPDIR")
OF_INSTALLERS = ("PIP_", "UV_", "SSL_CERT", "REQUESTS_CA", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


@pytest.fixture(params=VERSIONS)
def python(request: pytest.FixtureRequest) -> str:
    executable = find_python(request.param)
    if not executable:
        pytest.skip(f"left out: Python {request.param} is not installed")
    return executable


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """What git would give anybody, with what is not committed yet."""
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().split()]
    folder = tmp_path / "clone"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", *ignored))
    yield folder
    shutil.rmtree(folder)  # the environment in it is large


@pytest.mark.timeout(INSTALL_SECONDS * 3)
def test_make_run_reaches_a_row_and_the_fast_tests_pass(python: str, clone: Path) -> None:
    port = free_port()
    names = (name for name in os.environ if name in KEPT or name.startswith(OF_INSTALLERS))
    environ = {name: os.environ[name] for name in names} | {"PORT": str(port)}
    log = clone / "run.log"
    with log.open("wb") as output:
        run = subprocess.Popen(
            ["make", "run", f"PYTHON={python}"],
            cwd=clone,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:

        def is_running() -> bool:
            assert run.poll() is None, log.read_text()
            return "Ctrl-C stops all of it" in log.read_text()

        wait_for(is_running, seconds=INSTALL_SECONDS, what="make run")
        assert "one signed event arrived" in log.read_text()
        assert not list(clone.glob(".venv/lib/*/site-packages/pytest")), "make run installs test tools"
    finally:
        os.killpg(run.pid, signal.SIGINT)
        run.wait(60)
    environ.pop("PORT")
    tested = subprocess.run(
        ["make", "unit", f"PYTHON={python}"], cwd=clone, env=environ, capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stdout[-4000:] + tested.stderr[-4000:]
