"""A thousand requests that no browser makes: none is answered 500, and none that is not signed in changes a row."""

from collections.abc import Iterator
from random import Random
from urllib.parse import quote_from_bytes

import pytest
from flask import Flask
from sqlalchemy import Engine

from tests.integration.receiver.console.test_who_may import contents
from tests.support.consoles import Visitor

REQUESTS = 500
NAMES = (
    "id",
    "day",
    "channel",
    "digest",
    "statement",
    "message",
    "before",
    "after",
    "days",
    "lang",
    "term",
    "address",
    "reason",
    "state",
)
FIELDS = ("term", "address", "reason", "channel", "sender", "digest", "name", "password", "form_token", "id", "until")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
PIECES = (
    *(b"", b"0", b"-1", b"1e9", b"9" * 40, b"\xff\xfe", b"\x00", b"'", b'"><script>', b"../..", b"{{7*7}}", b"%s%n"),
    *(
        "٩١٢٣٤٥٦٧٨".encode(),
        b"+244912345678",
        b"ana@example.com",
        b"msg_stopped",
        b"2026-11-31",
        b"sms",
        b"pt",
        b"a" * 3000,
    ),
)


def requests(random: Random, paths: list[str]) -> Iterator[tuple[str, str, dict[str, bytes]]]:
    """Method, path with a query, and the fields of a form."""
    for _ in range(REQUESTS):
        path = random.choice([*paths, "/" + quote_from_bytes(random.choice(PIECES)), "/link/x"])
        query = "&".join(f"{random.choice(NAMES)}={quote_from_bytes(random.choice(PIECES))}" for _ in range(3))
        form = {random.choice(FIELDS): random.choice(PIECES) for _ in range(4)}
        yield random.choice(METHODS), f"/console{path}?{query}", form


@pytest.mark.usefixtures("cheap_passwords")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("is_signed_in", [True, False])
def test_no_request_is_answered_500(app: Flask, filled: Engine, operator: Visitor, is_signed_in: bool) -> None:
    operator.get("/")
    client = (operator if is_signed_in else Visitor(app)).client
    rules = [rule.rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("console.")]
    paths = sorted({rule.removeprefix("/console") for rule in rules if "<" not in rule} - {"/logout"})
    before, seen = contents(filled), set()
    for method, path, form in requests(Random(7), paths):
        fields = form | ({"form_token": operator.form_token.encode()} if is_signed_in else {})
        response = client.open(path, method=method, data=fields, base_url="http://127.0.0.1:8000")
        response.close()
        assert response.status_code < 500, (method, path, form)
        seen.add(response.status_code)
    assert {302, 404} <= seen if not is_signed_in else {200, 404} <= seen
    if not is_signed_in:
        assert contents(filled) == before
