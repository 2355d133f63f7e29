"""`@pytest.mark.needs("pgbouncer")`: a test that is left out, and says so, on a machine without that command."""

import os

import pytest

from tests.system.packages import PACKAGES, find_command, may_install


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
