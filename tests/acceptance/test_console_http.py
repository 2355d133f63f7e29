"""The console of the Procfile's own web process: signing in over HTTP, and what of it stands in a log."""

import re
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import URL, Engine

from sync.devtools.dev.embedded import RedisServer
from sync.users.accounts import LinkKind, Role
from tests.support.consoles import KEY, PASSWORD, add_person, link_of
from tests.support.processes import Platform, platform

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ADDRESS = "+244912345678"
SPELLED = "912 345 678"
TERM = "whatwaslookedfor"
TOKEN = re.compile(rb'name="form_token" value="([^"]+)"')


class Client:
    """A browser that keeps one cookie and the token of the form seen last."""

    def __init__(self, running: Platform) -> None:
        self.running = running
        self.cookie = ""
        self.token = ""

    def get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        return self.remember(self.running.request("GET", path, Cookie=f"zexa_console={self.cookie}"))

    def post(self, path: str, **fields: str) -> tuple[int, dict[str, str], bytes]:
        body = urlencode(fields | {"form_token": self.token}).encode()
        headers = {"Cookie": f"zexa_console={self.cookie}", "Content_Type": "application/x-www-form-urlencoded"}
        return self.remember(self.running.request("POST", path, body, **headers))

    def remember(self, answer: tuple[int, dict[str, str], bytes]) -> tuple[int, dict[str, str], bytes]:
        _, headers, page = answer
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        if "Set-Cookie" in headers:
            self.cookie = SimpleCookie(headers["Set-Cookie"])["zexa_console"].value
        if match := TOKEN.search(page):
            self.token = match[1].decode()
        return answer


@on_sqlite
def test_who_signs_in_searches_and_states_an_opt_out_leaves_no_trace_in_any_log(
    tmp_path: Path, migrated_url: URL, engine: Engine, redis_server: RedisServer
) -> None:
    own = {"ZEXA_CONSOLE_KEY": KEY.decode()}
    with platform(tmp_path / "logs", migrated_url, redis_server.url, forks=True, **own) as running:
        running.start_web()
        add_person(engine, "Maria", Role.OPERATOR)
        link = f"/console{link_of(engine, 'Maria', LinkKind.PASSWORD)}"
        client = Client(running)
        assert client.get("/console/")[0] == 302
        assert client.get(link)[0] == 200
        assert client.post(link, password=PASSWORD)[0] == 303
        assert client.get("/console/")[0] == 200
        client.get("/console/messages")
        assert client.post("/console/messages", term=TERM)[0] == 404
        assert client.post("/console/messages", term=SPELLED)[0] == 404
        assert client.post("/console/opt-outs/add", address=SPELLED, reason=f"asked by {TERM}")[0] == 303
        assert ADDRESS.encode() in client.post("/console/person", address=SPELLED)[2]
        assert client.get(f"/console/{TERM}")[0] == 404
        status, headers, page = running.request("HEAD", "/console/login")
        assert (status, page) == (200, b"")
        assert int(headers["Content-Length"]) > 1000
        running.stop_all()
        log = running.logs()
    secrets = [TERM, ADDRESS, ADDRESS[4:], SPELLED, PASSWORD, client.cookie, link.rpartition("/")[2], "Maria"]
    assert [secret for secret in secrets if secret in log] == []
    assert '"path": "/console/opt-outs/add", "status": 303' in log
