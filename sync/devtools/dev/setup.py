"""What a run of `zexa-sync dev` is made of: the Procfile's commands, and each setting that the user left open.

Starts nothing. Never for production: nothing restarts a process that ends, and Redis asks for no password.
"""

import os
import shlex
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

from sqlalchemy import URL

from sync.devtools.dev.data_folder import kept_secret
from sync.devtools.dev.embedded import find_redis_binary, free_port, redis_command, redis_url
from sync.devtools.dev.processes import DevelopmentError
from sync.settings.webhook_secrets import read_secrets
from sync.settings.worker import WorkerSettings

ROOT = Path(__file__).parents[3]

# A browser that keeps its connection open would otherwise hold up Ctrl-C for as long as a platform allows.
WEB_STOP_SECONDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """`commands` are the Procfile's, by name, and those of a private Redis and a provider unless the user named others.

    `provider_port` is where that provider listens, None if there is none.
    """

    data: Path
    port: int
    commands: Mapping[str, list[str]]
    environ: Mapping[str, str] = field(repr=False)
    database_url: URL
    secret: bytes = field(repr=False)
    provider_port: int | None


def prepare(data: Path, port: int, user_environ: Mapping[str, str]) -> Setup:
    """Return the setup of a run on `port` with its data in `data`; `user_environ` is the user's environment.

    Raises SettingError if a setting is wrong, EmbeddedError if a private Redis is needed and there is
    none, DevelopmentError if there is nothing to run.
    """
    commands = _procfile()
    commands["web"] += ["--bind", f"127.0.0.1:{port}", "--graceful-timeout", str(WEB_STOP_SECONDS)]
    dev_environ = {"DATABASE_URL": f"sqlite:///{data / 'zexa.db'}", "WEB_CONCURRENCY": "1"}
    if not _is_given(user_environ, "ZEXA_WEBHOOK_SECRET"):
        dev_environ["ZEXA_WEBHOOK_SECRET"] = kept_secret(data)
    if not (_is_given(user_environ, "ZEXA_CONSOLE_KEY") or _is_given(user_environ, "DATABASE_URL")):
        # In a database of the user's own nobody is let in whom the user did not add.
        dev_environ["ZEXA_CONSOLE_KEY"] = kept_secret(data, "console-key")
    if not _is_given(user_environ, "REDIS_URL"):
        redis_port = free_port()
        dev_environ["REDIS_URL"] = redis_url(redis_port)
        commands["redis"] = redis_command(data / "redis", port=redis_port, binary=find_redis_binary())
    provider_port = None
    if not any(_is_given(user_environ, name) for name in ("ZEXA_API_KEY", "ZEXA_API_URL")):
        provider_port = free_port()
        dev_environ |= {"ZEXA_API_KEY": token_hex(16), "ZEXA_API_URL": f"http://127.0.0.1:{provider_port}/v1"}
        # Started by its name: the process that starts it need not load it.
        module = "sync.devtools.fake_provider"
        commands["provider"] = [sys.executable, "-m", module, str(provider_port), str(data / "provider.json")]
    dev_environ = {name: value for name, value in dev_environ.items() if not _is_given(user_environ, name)}
    binaries = os.pathsep.join([str(Path(sys.executable).parent), user_environ.get("PATH", os.defpath)])
    environ = {**user_environ, **dev_environ, "PATH": binaries, "PORT": str(port)}
    database_url = _absolute(WorkerSettings.read(environ).database_url)
    environ["DATABASE_URL"] = database_url.render_as_string(hide_password=False)
    return Setup(
        data=data,
        port=port,
        commands=commands,
        environ=environ,
        database_url=database_url,
        secret=read_secrets(environ)[0],
        provider_port=provider_port,
    )


def _is_given(environ: Mapping[str, str], name: str) -> bool:
    return bool(environ.get(name, "").strip())


def _absolute(database_url: URL) -> URL:
    """Return the URL of a SQLite file as seen from any folder: processes may run in another folder than this one."""
    if database_url.get_backend_name() != "sqlite":
        return database_url
    return database_url.set(database=str(Path(database_url.database or "").absolute()))


def _procfile() -> dict[str, list[str]]:
    path = ROOT / "Procfile"
    if not path.is_file():
        raise DevelopmentError(f"there is no {path}: run this from a checkout of the project")
    lines = (line.partition(":") for line in path.read_text().splitlines())
    return {name: shlex.split(command) for name, colon, command in lines if colon}


def require_free(port: int) -> None:
    """Raise DevelopmentError if another program listens on `port`, or this user may not."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            reason = (error.strerror or "it is unusable").lower()
            raise DevelopmentError(f"port {port} cannot be used, {reason}: name another with --port") from None
