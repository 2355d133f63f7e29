"""Processes that `tests.support.fork_server` forks: real ones, with an id of their own, begun in a fraction of a start.

For what a test needs beside what it tests. A start itself is tested with processes that are executed.
"""

import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
MESSAGE_BYTES = 1 << 16
POLL_SECONDS = 0.005
CAN_FORK = sys.platform == "linux"
File = IO[Any] | int


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

    def start(
        self, words: Sequence[str], folder: Path, environ: Mapping[str, str], files: Sequence[int], *, leads: bool
    ) -> int:
        """Return the id of a new process with these standard files; if it `leads`, a session of its own."""
        task = {"words": list(words), "folder": str(folder), "environ": dict(environ), "leads": leads}
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


class Executor:
    """Executes what is asked for instead, on systems where not every library may be used after a fork."""

    def __init__(self) -> None:
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(
        self, words: Sequence[str], folder: Path, environ: Mapping[str, str], files: Sequence[int], *, leads: bool
    ) -> int:
        python = [sys.executable, *words[1:]] if words[0] == "python" else words
        stdin, stdout, stderr = files
        process = subprocess.Popen(
            python, cwd=folder, env=environ, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=leads
        )
        self._processes[process.pid] = process
        return process.pid

    def status(self, pid: int) -> int | None:
        return self._processes[pid].poll()

    def stop(self) -> None:
        pass


@cache
def fork_server() -> ForkServer | Executor:
    return ForkServer() if CAN_FORK else Executor()


def stop_fork_server() -> None:
    """Let the server end, if one was needed."""
    if fork_server.cache_info().currsize:
        fork_server().stop()
        fork_server.cache_clear()


class Forked:
    """A forked process, with as much of `subprocess.Popen` as tests use. What it writes is read once it has ended."""

    def __init__(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path = ROOT,
        stdin: File = subprocess.DEVNULL,
        stdout: File = subprocess.DEVNULL,
        stderr: File = subprocess.DEVNULL,
        start_new_session: bool = False,
    ) -> None:
        """`args` are those of a command of the Procfile, or `python -m`, a module, and its arguments."""
        self.args = list(args)
        self.returncode: int | None = None
        self._server = fork_server()
        self._written: dict[str, IO[str]] = {}
        with ExitStack() as stack:
            files = [self._opened(stack, "stdin", stdin), self._opened(stack, "stdout", stdout)]
            files.append(files[1] if stderr == subprocess.STDOUT else self._opened(stack, "stderr", stderr))
            self.pid = self._server.start(self.args, cwd, env, files, leads=start_new_session)

    def _opened(self, stack: ExitStack, name: str, file: File) -> int:
        """Return the number of `file`; what is to be read later is written into a file that is kept."""
        if file == subprocess.DEVNULL:
            return stack.enter_context(open(os.devnull, "r+")).fileno()
        if file == subprocess.PIPE:
            self._written[name] = tempfile.TemporaryFile("w+")  # noqa: SIM115
            return self._written[name].fileno()
        return file if isinstance(file, int) else file.fileno()

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._server.status(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            time.sleep(POLL_SECONDS)
        return status

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; return what it wrote to the outputs that are `PIPE`."""
        self.wait(timeout)
        texts = {}
        for name, file in self._written.items():
            with file:
                file.seek(0)
                texts[name] = file.read()
        return texts.get("stdout", ""), texts.get("stderr", "")

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run_forked(
    args: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path = ROOT,
    stdin: File = subprocess.DEVNULL,
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; return what it wrote, as `subprocess.run` does."""
    process = Forked(args, cwd=cwd, env=env, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        stdout, stderr = process.communicate(timeout)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.wait(), stdout, stderr)
