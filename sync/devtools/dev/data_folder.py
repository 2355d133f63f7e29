"""The folder that `zexa-sync dev` keeps its data in: one run at a time, and one secret for all runs.

A run holds a lock on the file `dev.lock` of the folder, and writes into the file which processes it started, one JSON
line each. If a run is killed, the operating system releases its lock, but the lines stay: the next run can stop the
processes left behind.
"""

import fcntl
import json
import os
import secrets
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sync.devtools.dev.processes import POLL_SECONDS, STOP_SECONDS, DevelopmentError
from sync.terminal.program import program
from sync.terminal.running_dev import began

SECRET_BYTES = 32
OUR_FILES = ("dev.lock", "running.json*", "secret", "console-key", "zexa.db*", "*.log", "redis", "provider.json*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A process. Its begin, in the system's own words, distinguishes it from a later process with the same pid."""

    name: str
    pid: int
    began: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Our hold on a data folder."""

    lock: int
    is_stale: bool  # the run before was killed
    stopped: Sequence[str]  # what it had left running

    def add(self, name: str, pid: int) -> None:
        """Write down a process of this run, in one write: a kill leaves a whole line or none."""
        mark = Mark(name=name, pid=pid, began=began(pid))
        os.write(self.lock, (json.dumps(asdict(mark)) + "\n").encode())


@contextmanager
def claim(folder: Path) -> Iterator[Claim]:
    """Lock `folder` for this run until the block ends, and stop processes that a killed run has left running there.

    Creates the folder if need be, for its owner only. Raises DevelopmentError if a run that lives has it, or if it
    cannot be written.
    """
    path = folder / "dev.lock"
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise DevelopmentError("the name of the data folder is no UTF-8: name another with --data") from None
    try:
        _make_private(folder)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise DevelopmentError(f"the data folder {folder} cannot be used: {error.strerror}") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DevelopmentError(_busy(folder, _marks(path))) from None
        is_stale = path.stat().st_size > 0
        stopped = [mark.name for mark in reversed(_marks(path)[1:]) if _stop(mark)]
        os.ftruncate(lock, 0)
        claimed_folder = Claim(lock=lock, is_stale=is_stale, stopped=stopped)
        claimed_folder.add("zexa-sync dev", os.getpid())
        try:
            yield claimed_folder
        finally:
            os.ftruncate(lock, 0)
    finally:
        os.close(lock)


def _make_private(folder: Path) -> None:
    """Create `folder`, and hide the project's files in it from other users: people's addresses are in them.

    A folder that holds anything else too stays as open as it is, for it is not the project's alone.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    entries = list(folder.iterdir())
    ours = [entry for entry in entries if any(entry.match(pattern) for pattern in OUR_FILES)]
    if len(ours) == len(entries):
        folder.chmod(0o700)
    for entry in ours:
        inside = [entry, *entry.rglob("*")] if entry.is_dir() and not entry.is_symlink() else [entry]
        for path in inside:
            if not path.is_symlink():
                path.chmod(0o700 if path.is_dir() else 0o600)


def _marks(path: Path) -> list[Mark]:
    """Return what stands in the lock: the run itself, then what it started. Lines of another form are left out."""
    marks = []
    for line in path.read_text(errors="replace").splitlines():
        with suppress(ValueError, TypeError):
            marks.append(Mark(**json.loads(line)))
    return marks


def _busy(folder: Path, marks: Sequence[Mark]) -> str:
    holder = f" (process {marks[0].pid})" if marks else ""
    return f"`{program()} dev` already runs on {folder}{holder}: stop it, or name another folder with --data"


def _stop(mark: Mark) -> bool:
    """Stop the process of `mark` and its session; return whether it was still running."""
    if mark.began is None or began(mark.pid) != mark.began:
        return False
    deadline = time.monotonic() + STOP_SECONDS
    with suppress(ProcessLookupError):
        os.kill(mark.pid, signal.SIGTERM)
        while began(mark.pid) == mark.began:
            if time.monotonic() > deadline:
                os.killpg(mark.pid, signal.SIGKILL)  # each leads a group of its own
            time.sleep(POLL_SECONDS)
    return True


def kept_secret(folder: Path, name: str = "secret") -> str:
    """Return the webhook secret of `folder`, or another by its `name`, made on first use; only its owner may read it.

    Kept, so that a signature made in one run is good in the next.
    """
    path = folder / name
    if not path.exists() or not path.read_text().strip():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_hex(SECRET_BYTES) + "\n")
    return path.read_text().strip()
