"""What a running `zexa-sync dev` publishes for the commands beside it: the places of its stores, and its port.

The settings stand in a file of its data folder, readable by its owner only. The file is written once the system is
ready, and removed at the end. A command without settings of its own takes them from this file. This is never used in
production: there settings come from the environment.
"""

import json
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path

DEFAULT_FOLDER = Path(".zexa")
STATE_FILE = "running.json"
CONNECT_SECONDS = 1

# Who has one of them in the environment means another system than the one of `dev`.
OTHER_SYSTEMS = ("DATABASE_URL", "REDIS_URL", "DYNO")
SHARED = ("DATABASE_URL", "REDIS_URL", "REDIS_TLS_VERIFY", "PORT")


@contextmanager
def published(folder: Path, environ: Mapping[str, str]) -> Iterator[None]:
    """Publish the settings in `environ` to commands beside this process until the block ends."""
    settings = {name: text for name, text in environ.items() if name in SHARED or name.startswith("ZEXA_")}
    document = {"pid": os.getpid(), "began": began(os.getpid()), "settings": settings}
    path, draft = folder / STATE_FILE, folder / f"{STATE_FILE}.new"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(document, file)
    draft.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def join_running(environ: MutableMapping[str, str], folder: Path = DEFAULT_FOLDER) -> bool:
    """Add to `environ` the settings of the `zexa-sync dev` that runs in `folder`; return whether one does.

    What `environ` has already stays. With a database or a Redis of its own it is left alone.
    """
    if _means_another(environ):
        return False
    settings = _settings_of_living(folder / STATE_FILE)
    for name, text in settings.items():
        if not environ.get(name, "").strip():
            environ[name] = text
    return bool(settings)


def has_stopped(environ: Mapping[str, str], folder: Path = DEFAULT_FOLDER) -> bool:
    """Return whether `folder` has the data of a `zexa-sync dev` that `environ` would mean, if it ran."""
    return folder.is_dir() and not _means_another(environ)


def _means_another(environ: Mapping[str, str]) -> bool:
    return any(environ.get(name, "").strip() for name in OTHER_SYSTEMS)


def _settings_of_living(path: Path) -> dict[str, str]:
    """Return the settings of the run that wrote `path`, if this user owns the file and the run still lives.

    Otherwise return no settings.
    """
    try:
        if path.stat().st_uid != os.geteuid():
            return {}
        document = json.loads(path.read_text())
        pid, settings = int(document["pid"]), dict(document["settings"])
        is_alive = document["began"] is not None and began(pid) == document["began"] and _listens(settings["PORT"])
    except (OSError, ValueError, TypeError, KeyError):
        return {}
    return settings if is_alive else {}


def _listens(port: str) -> bool:
    with socket.create_connection(("127.0.0.1", int(port)), timeout=CONNECT_SECONDS):
        return True


def began(pid: int) -> str | None:
    """Return when the process `pid` began, in the system's own words, or None if none runs."""
    if not Path("/proc/self/stat").exists():
        return _began_by_ps(pid)
    try:
        # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: the name in parentheses may hold anything.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else fields[18]


def _began_by_ps(pid: int) -> str | None:
    """Return the same on a system without /proc."""
    command = ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)]
    output = subprocess.run(command, env=os.environ | {"LC_ALL": "C"}, capture_output=True, text=True, check=False)  # noqa: S603
    state, _, start = output.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else start.strip()
