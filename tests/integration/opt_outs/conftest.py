"""Fixtures that the tests of opt outs share."""

from functools import partial

import pytest

from tests.integration.opt_outs.commands import Command


@pytest.fixture
def command(command_line: Command) -> Command:
    """Runs `opt-outs` on the test's database and an empty Redis."""
    return partial(command_line, "opt-outs")
