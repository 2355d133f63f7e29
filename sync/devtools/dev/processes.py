"""Runs processes together: starts, watches and stops them. None of them outlives the block that runs them.

Each leads a session of its own: a terminal's Ctrl-C reaches only us, and what a process started itself is
stopped with it.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sync.terminal.signals import StopAsked

STOP_SECONDS = 10
POLL_SECONDS = 0.02
LOG_LINES = 12


class DevelopmentError(Exception):
    """The run cannot go on; the text is for a person, and its first line says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path
    outlives_others: bool  # stopped only once all others have ended


class Processes:
    """The processes of one run, in one folder with their logs. Leaving its block stops them all.

    `on_start` is called with each process right after its start.
    """

    def __init__(
        self,
        *,
        logs: Path,
        folder: Path,
        environ: Mapping[str, str],
        on_start: Callable[[Child], None],
        is_stop_asked: Callable[[], bool],
    ) -> None:
        self._logs = logs
        self._folder = folder
        self._environ = environ
        self._on_start = on_start
        self._is_stop_asked = is_stop_asked
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _stop([child for child in self._children if not child.outlives_others])
        _stop([child for child in self._children if child.outlives_others])

    def start(
        self,
        name: str,
        command: Sequence[str],
        environ: Mapping[str, str] | None = None,
        *,
        outlives_others: bool = False,
    ) -> Child:
        """Start `command`, with what `environ` adds to the environment; what it says goes to NAME.log, begun anew."""
        log = self._logs / f"{name}.log"
        with log.open("wb") as output:
            try:
                process = subprocess.Popen(  # noqa: S603 - the Procfile's own commands, and a Redis we looked up
                    command,
                    cwd=self._folder,
                    env={**self._environ, **(environ or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise DevelopmentError(f"{name} cannot be started: {command[0]}: {error.strerror}") from None
        child = Child(name=name, process=process, log=log, outlives_others=outlives_others)
        self._children.append(child)
        self._on_start(child)
        return child

    def run(self, name: str, command: Sequence[str]) -> None:
        """Run `command` to its end; raise DevelopmentError if it fails, StopAsked if a signal asks to stop."""
        child = self.start(name, command)
        while not _has_ended(child):
            if self._is_stop_asked():
                raise StopAsked
            time.sleep(POLL_SECONDS)
        self._children.remove(child)
        if child.process.returncode != 0:
            raise _ended(child)

    def wait_until(self, is_done: Callable[[], bool], *, seconds: float, pause_seconds: float = POLL_SECONDS) -> bool:
        """Wait until `is_done`, at most `seconds`, and return whether it was.

        Raises DevelopmentError as soon as one of the processes ends, StopAsked if a signal asks to stop.
        """
        deadline = time.monotonic() + seconds
        while not is_done():
            self._check()
            if time.monotonic() > deadline:
                return False
            time.sleep(pause_seconds)
        return True

    def _check(self) -> None:
        if self._is_stop_asked():
            raise StopAsked
        for child in self._children:
            if _has_ended(child):
                raise _ended(child)


def _ended(child: Child) -> DevelopmentError:
    status = child.process.returncode
    how = f"with exit status {status}" if status >= 0 else f"by {signal.Signals(-status).name}"
    lines = child.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    return DevelopmentError("\n".join([f"{child.name} ended {how}; its log is {child.log} and ends:", *lines]))


def _has_ended(child: Child) -> bool:
    if child.process.returncode is not None:
        return True
    if child.process.poll() is None:
        return False
    # What its session still runs, such as the workers of a gunicorn that was killed.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.process.pid, signal.SIGKILL)
    return True


def _stop(children: Sequence[Child]) -> None:
    """Ask `children` to end with SIGTERM, all at once; kill each child that does not end within STOP_SECONDS."""
    for child in children:
        if not _has_ended(child):
            child.process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        while not _has_ended(child) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if not _has_ended(child):
            os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
