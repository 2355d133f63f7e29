"""The Procfile's own commands as processes, started, signalled and read as a platform would."""

import hashlib
import hmac
import http.client
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL

from sync.devtools.dev.embedded import free_port
from tests.support.forked import ROOT, Forked

SECRET = "a secret of the tests"
START_SECONDS = 90  # for a machine that is busy with everything else too
Result = TypeVar("Result")
Process = subprocess.Popen[bytes] | Forked


def procfile() -> dict[str, str]:
    lines = (ROOT / "Procfile").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if line)


def wait_for(find: Callable[[], Result], *, seconds: float, what: str, pause_seconds: float = 0.02) -> Result:
    """Return what `find` returns once it is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := find():
            return result
        time.sleep(pause_seconds)
    raise AssertionError(f"{what} did not happen within {seconds} s")


def signature(body: bytes, secret: str = SECRET) -> str:
    """The provider's algorithm, independent of the product's own."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def preset(folder: Path, *assignments: str) -> str:
    """Return a PYTHONPATH with which a process begins by assigning, such as `models.schema.SCHEMA_SECONDS = 1`."""
    modules = [assignment.split(" = ")[0].rpartition(".")[0] for assignment in assignments]
    # Python imports this first.
    lines = [*(f"import {module}" for module in modules), *assignments]
    (folder / "sitecustomize.py").write_text("\n".join(lines) + "\n")
    return f"{folder}{os.pathsep}{ROOT}"


class Platform:
    """Runs the Procfile's processes with one environment, as a hosting platform does."""

    def __init__(self, folder: Path, environ: dict[str, str], *, forks: bool) -> None:
        """If `forks`, processes are forked with the libraries loaded, which takes a third of the time of a start."""
        self.folder = folder
        self.forks = forks
        self.port = free_port()
        inherited = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        binaries = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environ = inherited | {"PATH": binaries, "PORT": str(self.port), "WEB_CONCURRENCY": "1"} | environ
        self.processes: list[Process] = []

    def start(self, name: str, **environ: str) -> Process:
        """Start one process of the Procfile; its output goes to `NAME-N.log`."""
        log = self.folder / f"{name}-{len(self.processes)}.log"
        with log.open("wb") as output:
            begin = Forked if self.forks else subprocess.Popen
            process = begin(
                shlex.split(procfile()[name]),
                cwd=ROOT,
                env=self.environ | environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def run(self, name: str, **environ: str) -> tuple[int, str]:
        """Run one process of the Procfile to its end; return its exit status and what it said."""
        process = self.start(name, **environ)
        status = process.wait(60)
        return status, self.log_of(process)

    def log_of(self, process: Process) -> str:
        index = self.processes.index(process)
        (log,) = self.folder.glob(f"*-{index}.log")
        return log.read_text()

    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def start_web(self, **environ: str) -> Process:
        web = self.start("web", **environ)
        wait_for(lambda: self.is_serving(web), seconds=START_SECONDS, what="the web process serving")
        return web

    def is_serving(self, web: Process) -> bool:
        assert web.poll() is None, self.log_of(web)
        try:
            return self.request("GET", "/healthz")[0] == 200
        except OSError:
            return False

    def start_worker(self, **environ: str) -> Process:
        worker = self.start("worker", **environ)
        self.wait_until_started(worker)
        return worker

    def wait_until_started(self, worker: Process) -> None:
        def is_started() -> bool:
            assert worker.poll() is None, self.log_of(worker)
            return "worker.started" in self.log_of(worker)

        wait_for(is_started, seconds=START_SECONDS, what="the worker starting")

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def deliver(self, body: bytes, secret: str = SECRET) -> int:
        return self.request("POST", "/webhooks/zexa", body, X_Zexa_Signature=signature(body, secret))[0]

    def stop_all(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(35)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def platform(
    folder: Path, database_url: URL, redis_url: str, *, forks: bool = False, **environ: Any
) -> Iterator[Platform]:
    """A platform on these stores, nothing running. `forks` is for what a test needs beside what it tests."""
    folder.mkdir(parents=True, exist_ok=True)
    url = database_url.render_as_string(hide_password=False).replace("postgresql+psycopg://", "postgres://")
    settings = {"DATABASE_URL": url, "REDIS_URL": redis_url, "ZEXA_WEBHOOK_SECRET": SECRET}
    started = Platform(folder, settings | environ, forks=forks)
    try:
        yield started
    finally:
        started.stop_all()
