"""Fixtures that the tests of dead letters share."""

from functools import partial

import pytest
from redis import Redis
from rq import Queue

from sync.queue.connection import open_queue
from tests.integration.dead_letters.letters import Command


@pytest.fixture
def command(command_line: Command) -> Command:
    """Runs `dead-letters` on the test's database and an empty Redis."""
    return partial(command_line, "dead-letters")


@pytest.fixture
def queue(redis: Redis) -> Queue:
    return open_queue(redis)
