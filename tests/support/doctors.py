"""What the tests of `doctor` share: a healthy installation with real processes, and the command run against it."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from click.testing import CliRunner
from redis import Redis
from sqlalchemy import URL, text

from models.database import open_database
from sync.cli import main
from sync.devtools.dev.embedded import private_redis
from sync.doctor.check import CHECKS
from tests.conftest import migrate
from tests.support.postgres_servers import PrivatePostgres, private_postgres
from tests.support.processes import SECRET, Platform, platform, wait_for

SECONDS_MAX = 10
PASSWORD = "a-password-of-the-tests"
# What no output may hold.
PRIVATE = (SECRET, PASSWORD, "+244912345678", "912345678", "ana@example.com")


@dataclass(frozen=True)
class Answer:
    """What the command said, and how it ended."""

    exit_code: int
    checks: list[dict[str, str]]
    seconds: float
    output: str = field(repr=False)

    def check(self, name: str) -> dict[str, str]:
        return next(check for check in self.checks if check["check"] == name)

    def status(self, name: str) -> str:
        return self.check(name)["status"]


@dataclass(frozen=True)
class Installation:
    platform: Platform
    primary: PrivatePostgres
    redis: Redis

    @property
    def url(self) -> URL:
        return self.primary.url

    @property
    def environ(self) -> dict[str, str]:
        names = ("DATABASE_URL", "REDIS_URL", "ZEXA_WEBHOOK_SECRET")
        return {name: self.platform.environ[name] for name in names}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.platform.port}/webhooks/zexa"

    def doctor(self, *options: str, **environ: str | None) -> Answer:
        return doctor(self.environ | environ, *options)


def doctor(environ: Mapping[str, str | None], *options: str) -> Answer:
    """Run the command with `environ`, and hold what holds of every answer."""
    cleared = {name: None for name in os.environ if name.startswith(("ZEXA_", "REDIS_", "DATABASE_"))}
    begun = time.monotonic()
    result = CliRunner().invoke(main, ["doctor", "--json", *options], env={**cleared, **environ})
    seconds = time.monotonic() - begun
    assert result.exit_code in (0, 1), result.output
    document = json.loads(result.stdout)
    checks: list[dict[str, str]] = document["checks"]
    assert sorted(check["check"] for check in checks) == sorted(CHECKS)
    assert document["ok"] is (result.exit_code == 0)
    for private in PRIVATE:
        assert private not in result.output
    assert seconds < SECONDS_MAX
    return Answer(result.exit_code, checks, seconds, result.output)


def assert_first(answer: Answer, name: str, finding: str, remedy: str, *, status: str = "problem") -> None:
    """Hold that the check `name` comes first, with what was found and the remedy."""
    first = answer.checks[0]
    assert (first["check"], first["status"]) == (name, status), answer.output
    assert finding in first["found"], answer.output
    assert remedy in first["remedy"], answer.output
    assert answer.exit_code == (1 if status == "problem" else 0)


@contextmanager
def installation(folder: Path, **environ: str) -> Iterator[Installation]:
    """Run web and worker on servers that keep what they confirm, as those of other tests do not."""
    with (
        private_postgres() as primary,
        private_redis(folder / "redis") as server,
        Redis.from_url(server.url, decode_responses=True) as redis,
        platform(folder / "platform", primary.url, server.url, forks=True, **environ) as started,
    ):
        migrate(primary.url)
        redis.config_set("maxmemory", "100mb")
        started.start_web()
        started.start_worker()
        ours = Installation(started, primary, redis)
        wait_for(lambda: _is_healthy(ours), seconds=30, what="a healthy installation")
        yield ours


def _is_healthy(ours: Installation) -> bool:
    """Say if nothing is wrong, and web has told that it runs: until then it is a warning, and no problem."""
    answer = ours.doctor()
    return answer.exit_code == 0 and answer.status("web") == "ok"


@contextmanager
def configured(redis: Redis, **settings: str | int) -> Iterator[None]:
    """Give the running Redis other settings for a while."""
    names = {name: name.replace("_", "-") for name in settings}
    before: dict[str, Any] = {}
    for name in names.values():
        before |= redis.config_get(name)  # type: ignore[operator]
    try:
        for name, value in settings.items():
            redis.config_set(names[name], value)
        yield
    finally:
        for name in names.values():
            redis.config_set(name, before[name])


def execute(url: URL, *statements: str) -> None:
    engine = open_database(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@contextmanager
def answering(status: int, body: bytes = b"", **headers: str) -> Iterator[str]:
    """Run another program than ours, which answers every request likewise; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/webhooks/zexa"
        server.shutdown()


def spelled(url: URL) -> str:
    """Return `url` as people write it."""
    return url.render_as_string(hide_password=False).replace("postgresql+psycopg://", "postgres://")
