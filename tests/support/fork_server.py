"""Starts Python's processes by forking one that has the libraries loaded: half of a start is to import them.

Run by `tests.support.forked`. What is forked has an id, an environment, files and signals of its own, and runs the
words it is given to the end of the interpreter. Nothing of this project is loaded before the fork: each process reads
all of it anew. There are no threads and no connections here.
"""

import array
import contextlib
import gc
import importlib
import importlib.util
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import time
from typing import Any, NoReturn

LIBRARIES = (
    *(
        "aiohttp",
        "alembic.autogenerate",
        "alembic.command",
        "alembic.config",
        "alembic.ddl.postgresql",
        "asyncio",
        "click",
    ),
    *("flask", "gunicorn.app.wsgiapp", "gunicorn.arbiter", "hiredis", "httptools", "idna", "jinja2", "logging.config"),
    *("msgspec.json", "phonenumbers", "prometheus_client", "psycopg", "redis.asyncio", "rich.console", "rich.table"),
    *("rq.cli", "rq.serializers", "rq.worker", "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite"),
    *("structlog", "urllib3", "uvicorn.config", "uvicorn.protocols.http.httptools_impl", "uvicorn_worker", "uvloop"),
)
MESSAGE_BYTES = 1 << 20
STANDARD_FILES = (0, 1, 2)


class _Become(BaseException):
    """Instead of `os.execvp` in a forked process: its command is one of those that are loaded."""

    def __init__(self, words: list[str]) -> None:
        super().__init__()
        self.words = words


def serve(channel: socket.socket) -> dict[str, Any] | None:
    """Fork what is asked for, and tell of what ended, until nobody listens. Return in each child what it is to be."""
    wake, woken = socket.socketpair()
    for end in (wake, woken):
        end.setblocking(False)
    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with selectors.DefaultSelector() as selector:
        for end in (wake, channel):
            selector.register(end, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if wake in ready:
                wake.recv(MESSAGE_BYTES)
                _tell_of_ended(channel)
            if channel in ready:
                received = _receive(channel)
                if received is None:
                    return None
                task, files = received
                assert threading.active_count() == 1
                if not (pid := os.fork()):
                    break
                for file in files:
                    os.close(file)
                _tell(channel, started=pid)
    signal.set_wakeup_fd(-1)
    for end in (wake, woken, channel):
        end.close()
    for number, file in zip(STANDARD_FILES, files, strict=True):
        os.dup2(file, number)
        os.close(file)
    return task


def _tell_of_ended(channel: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        _tell(channel, ended=pid, status=os.waitstatus_to_exitcode(status))


def _tell(channel: socket.socket, **message: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # the next read says that nobody listens any more
        channel.send(json.dumps(message).encode())


def _receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    size = array.array("i").itemsize * len(STANDARD_FILES)
    try:
        content, control, _, _ = channel.recvmsg(MESSAGE_BYTES, socket.CMSG_SPACE(size))
    except ConnectionResetError:  # it left without reading who had ended
        return None
    if not content:
        return None
    files = array.array("i")
    for _level, _kind, data in control:
        files.frombytes(data[:size])
    return json.loads(content), list(files)


def become(task: dict[str, Any]) -> NoReturn:
    """Run the words of `task` in its folder and its environment, as the process that this is from now on."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if task["leads"]:
        os.setsid()
    os.chdir(task["folder"])
    os.environ.clear()
    os.environ.update(task["environ"])
    time.tzset()
    os.execvp = _become_loaded(os.execvp)  # type: ignore[assignment]
    _reopen()
    _customize()
    words: list[str] = task["words"]
    try:
        _run(words)
    except _Become as become_other:
        _run(become_other.words)
    sys.exit()


def _reopen() -> None:
    """Make the standard streams anew: those of the server remember whether its files can be sought."""
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        old = getattr(sys, name)
        new = open(number, mode, encoding=old.encoding, errors=old.errors, closefd=False)  # noqa: SIM115
        if name == "stderr":
            new.reconfigure(line_buffering=True)
        for place in (name, f"__{name}__"):
            setattr(sys, place, new)


def _customize() -> None:
    """Do what Python does at its start if there is a PYTHONPATH."""
    folders = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    sys.path[:0] = folders
    sys.modules.pop("sitecustomize", None)
    if folders and importlib.util.find_spec("sitecustomize"):
        importlib.import_module("sitecustomize")


def _become_loaded(execute: Any) -> Any:
    def execvp(file: str, words: list[str]) -> None:
        if file in SCRIPTS:
            raise _Become(list(words))
        execute(file, words)

    return execvp


def _run(words: list[str]) -> None:
    if words[0] in SCRIPTS:
        sys.argv = list(words)
        sys.exit(SCRIPTS[words[0]]())
    python, option, module, *arguments = words
    assert os.path.basename(python).startswith("python"), words
    assert option == "-m", words
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _alembic() -> Any:
    return importlib.import_module("alembic.config").main(prog="alembic")


def _gunicorn() -> Any:
    return importlib.import_module("gunicorn.app.wsgiapp").run(prog="gunicorn")


def _rq() -> Any:
    return importlib.import_module("rq.cli").main(prog_name="rq")


SCRIPTS = {"alembic": _alembic, "gunicorn": _gunicorn, "rq": _rq}


def main() -> None:
    """Serve the socket whose number is the argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    task = serve(socket.socket(fileno=int(sys.argv[1])))
    if task:
        become(task)


if __name__ == "__main__":
    main()
