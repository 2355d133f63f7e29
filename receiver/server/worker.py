"""gunicorn's worker: uvicorn's, with this project's connections and without what it does not use."""

import asyncio
import os
import resource
import signal
from functools import partial
from typing import Any

from uvicorn_worker import UvicornWorker

from receiver.server.connection import Connection
from receiver.server.rooms import Rooms

# Each takes some 10 KB. Beyond that the one which has rested for longest makes room.
CONNECTIONS_MAX = 10_000
# For the stores, listeners, logs and what the interpreter opens.
SPARE_DESCRIPTORS = 100


class Worker(UvicornWorker):  # type: ignore[misc]
    """Serves one ASGI application on uvloop, with at most CONNECTIONS_MAX connections."""

    CONFIG_KWARGS = {
        "loop": "uvloop",
        "http": "h11",  # replaced below: a protocol of ours
        "ws": "none",
        "lifespan": "off",
        "interface": "asgi3",
        "access_log": False,
        "proxy_headers": False,  # no header of a client's changes how its request is read
        "server_header": False,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # gunicorn kills what takes longer than its own time, and there is something to do afterwards.
        self.config.timeout_graceful_shutdown = max(1, self.cfg.graceful_timeout - 1)

    def init_process(self) -> None:
        limit = raise_descriptor_limit(CONNECTIONS_MAX + SPARE_DESCRIPTORS)
        rooms = Rooms(min(CONNECTIONS_MAX, limit - SPARE_DESCRIPTORS))
        self.config.http = partial(Connection, rooms)
        super().init_process()

    def _install_sigquit_handler(self) -> None:
        """Take SIGQUIT, which gunicorn sends if its own process alone is sent SIGINT, for SIGTERM.

        uvicorn's worker would note it and serve on, until it is killed.
        """
        asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, os.kill, os.getpid(), signal.SIGTERM)


def raise_descriptor_limit(wanted: int) -> int:
    """Let this process have `wanted` open files, or as many as it may; return how many these are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return wanted if soft == resource.RLIM_INFINITY else soft
