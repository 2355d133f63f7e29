"""Processes that `tests.support.fork_server` forks: real ones, with an id of their own, begun in a fraction of a start.

For what a test needs beside what it tests. A start itself is tested with processes that are executed.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
MESSAGE_BYTES = 1 << 16
POLL_SECONDS = 0.005
CAN_FORK = sys.platform == "linux"


class ForkServer:
    """One such server, for this process alone."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = [sys.executable, "-m", "tests.support.fork_server", str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(
                words, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
        self._statuses: dict[int, int] = {}
        self._lock = threading.Lock()

    def start(self, words: Sequence[str], folder: Path, environ: Mapping[str, str], files: Sequence[int]) -> int:
        """Return the id of a new process with these standard files."""
        task = {"words": list(words), "folder": str(folder), "environ": dict(environ)}
        with self._lock:
            socket.send_fds(self._channel, [json.dumps(task).encode()], list(files))
            while "started" not in (message := self._read()):
                pass
            return message["started"]

    def status(self, pid: int) -> int | None:
        """Return how the process `pid` ended, as `subprocess` says it; None as long as it runs."""
        with self._lock:
            while pid not in self._statuses and self._has_message():
                self._read()
            return self._statuses.get(pid)

    def stop(self) -> None:
        self._channel.close()
        self._process.wait(20)

    def _read(self) -> dict[str, int]:
        content = self._channel.recv(MESSAGE_BYTES)
        assert content, f"the fork server ended: {self._process.wait(20)}"
        message: dict[str, int] = json.loads(content)
        if "ended" in message:
            self._statuses[message["ended"]] = message["status"]
        return message

    def _has_message(self) -> bool:
        try:
            self._channel.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        return True


@cache
def fork_server() -> ForkServer:
    return ForkServer()


def stop_fork_server() -> None:
    """Let the server end, if one was needed."""
    if fork_server.cache_info().currsize:
        fork_server().stop()
        fork_server.cache_clear()


class Forked:
    """A forked process, with as much of `subprocess.Popen` as tests use."""

    def __init__(
        self,
        args: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdout: IO[Any],
        stderr: IO[Any] | int = subprocess.STDOUT,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        """`args` are those of a command of the Procfile, or `python -m` and a module; standard input is empty."""
        assert stdin == subprocess.DEVNULL
        self.args = list(args)
        self.returncode: int | None = None
        self._server = fork_server()
        with open(os.devnull) as nothing:
            said = stdout if isinstance(stderr, int) else stderr
            files = [file.fileno() for file in (nothing, stdout, said)]
            self.pid = self._server.start(self.args, cwd, env, files)

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._server.status(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + timeout if timeout is not None else None
        while (status := self.poll()) is None:
            if deadline and timeout is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(POLL_SECONDS)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run_forked(
    args: Sequence[str], *, env: Mapping[str, str], cwd: Path = ROOT, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; return what it wrote, as `subprocess.run` does."""
    if not CAN_FORK:
        options = {"capture_output": True, "text": True, "timeout": timeout}
        return subprocess.run(args, check=False, env=env, cwd=cwd, stdin=subprocess.DEVNULL, **options)
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        process = Forked(args, cwd=cwd, env=env, stdout=stdout, stderr=stderr)
        try:
            status = process.wait(timeout)
        finally:
            process.kill()
        for file in (stdout, stderr):
            file.seek(0)
        return subprocess.CompletedProcess(process.args, status, stdout.read(), stderr.read())
