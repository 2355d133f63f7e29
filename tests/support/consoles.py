"""The console by Flask's own client: a visitor who follows links and fills in forms, as a browser without scripts."""

import io
import re
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from receiver.app import create_app
from sync.events.interpretation import ParseOptions
from sync.settings.console import ConsoleSettings
from sync.settings.environment import RedisSettings
from sync.settings.web import ReceiverSettings
from sync.users.accounts import LinkKind, Role, add_account, make_link

KEY = b"a key of the tests, 32 or more characters"
PASSWORD = "a long enough password"
HOST = "http://127.0.0.1:8000"
_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')


def console_settings(engine: Engine, redis_url: str) -> ReceiverSettings:
    """The settings of a web process whose console is on."""
    return ReceiverSettings(
        secrets=(b"secret",),
        retired_secrets=(),
        database_url=engine.url,
        redis=RedisSettings(url=redis_url, verify_tls=True),
        is_journalled=False,
        failures_may_opt_out=False,
        lookup=None,
        console=ConsoleSettings(key=KEY, parse_options=ParseOptions(default_region="AO")),
    )


class CompiledTemplates(BytecodeCache):
    """Templates compiled for one application of this process, for the others: that takes longer than most pages."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if code := self._kept.get(bucket.key):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


COMPILED = CompiledTemplates()


def console_app(engine: Engine, redis_url: str) -> Flask:
    """The application of a web process whose console is on."""
    app = create_app(console_settings(engine, redis_url))
    app.jinja_env.bytecode_cache = COMPILED
    return app


class Visitor:
    """Somebody with a browser of their own."""

    def __init__(self, app: Flask, *, host: str = HOST) -> None:
        self.client: FlaskClient = app.test_client()
        self._host = host
        self.form_token = ""

    def get(self, path: str, **headers: str) -> TestResponse:
        return self._seen(self.client.get(f"/console{path}", base_url=self._host, headers=_named(headers)))

    def post(self, path: str, *, token: str | None = None, file: bytes | None = None, **fields: str) -> TestResponse:
        """Send a form with the token of the page seen last, or another; and a list, if there is a `file`."""
        form: dict[str, Any] = fields | {"form_token": self.form_token if token is None else token}
        if file is not None:
            form["list"] = (io.BytesIO(file), "list.csv")
        return self._seen(self.client.post(f"/console{path}", base_url=self._host, data=form))

    def follow(self, response: TestResponse) -> TestResponse:
        assert response.status_code in (302, 303), response.text
        return self.get(response.headers["Location"].removeprefix("/console"))

    def sign_in(self, name: str, password: str = PASSWORD) -> TestResponse:
        self.get("/login")
        return self.post("/login", name=name, password=password)

    def _seen(self, response: TestResponse) -> TestResponse:
        response.get_data()
        response.close()  # a file, if it is a static one
        if response.mimetype == "text/html" and (match := _TOKEN.search(response.text)):
            self.form_token = match[1]
        return response


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): text for name, text in headers.items()}


def add_person(engine: Engine, name: str, role: Role, password: str | None = None) -> None:
    with engine.begin() as connection:
        assert add_account(connection, name, role, password, datetime.now(UTC))


def link_of(engine: Engine, name: str, kind: LinkKind = LinkKind.SIGN_IN) -> str:
    """The path of a new link of `name`, below /console."""
    with engine.begin() as connection:
        return f"/link/{make_link(connection, name, kind, datetime.now(UTC))}"


def enter(app: Flask, engine: Engine, name: str, role: Role) -> Visitor:
    """Somebody who has signed in with a link: a password takes a tenth of a second."""
    add_person(engine, name, role)
    visitor, link = Visitor(app), link_of(engine, name)
    visitor.get(link)
    assert visitor.post(link).status_code == 303
    return visitor
