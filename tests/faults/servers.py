"""A Redis of a test's own, to be killed, frozen and filled; and how processes are. Never the one that tests share."""

import random
import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from redis import Redis

from sync.devtools.dev.embedded import RedisServer, private_redis

# Below every usual range of outgoing ports. If nothing listens on a port of that range, a client that connects to it
# again and again may get the same port as its own, and then talks to itself.
STEADY_PORTS = range(12_000, 30_000)


def steady_port() -> int:
    """Return a port that stays this test's, also while none of its servers listens on it."""
    while True:
        port = random.choice(STEADY_PORTS)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


class OwnRedis:
    """A Redis that keeps what it confirmed: every write is on disk before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = steady_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = Redis.from_url(self.url)
        self._server: RedisServer | None = None
        self._stack = ExitStack()

    def start(self) -> None:
        self._server = self._stack.enter_context(private_redis(self.folder, port=self.port))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    @contextmanager
    def killed(self) -> Iterator[None]:
        """Gone at once, and back at the end with all that it confirmed."""
        self.kill()
        yield
        self.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        with paused([psutil.Process(self._process.pid)]):
            yield

    @contextmanager
    def full(self) -> Iterator[None]:
        """No memory for another write, even if keys are removed. Commands that need no memory still work."""
        self._set(maxmemory=1, **{"maxmemory-policy": "noeviction"})
        yield
        self._set(maxmemory=0)

    @contextmanager
    def without_replicas(self) -> Iterator[None]:
        """Every write is refused, for want of a replica that would confirm it."""
        self._set(**{"min-replicas-to-write": 1})
        yield
        self._set(**{"min-replicas-to-write": 0})

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """A replica, as after a failover that its clients have not noticed."""
        self.client.replicaof("127.0.0.1", 1)
        yield
        self.client.replicaof("NO", "ONE")

    def close(self) -> None:
        self.client.close()
        self._stack.close()

    @property
    def _process(self) -> subprocess.Popen[bytes]:
        assert self._server is not None
        return self._server.process

    def _set(self, **settings: Any) -> None:
        for name, value in settings.items():
            self.client.config_set(name, value)


@contextmanager
def paused(processes: Iterable[psutil.Process]) -> Iterator[None]:
    processes = list(processes)
    try:
        for process in processes:
            process.suspend()
        yield
    finally:
        for process in processes:
            process.resume()


def kill_together(process: subprocess.Popen[bytes]) -> None:
    """Kill `process` and all it started, in one moment: none sees another go."""
    master = psutil.Process(process.pid)
    master.suspend()  # it makes no others from here on
    for child in master.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()
    master.kill()
    process.wait()
