"""Who may see and do what: nothing without a session, by GET or without a form's token, and no act of a viewer."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select
from sqlmodel import SQLModel

from models.tables import DEAD_LETTERS, HISTORY, OUTAGES
from receiver.console import session, signing
from receiver.console.app import HEADERS, OPEN
from receiver.console.session import COOKIE, ENDS_AFTER
from sync.tasks import add_task
from sync.users.accounts import LinkKind, Role, disable_account, remove_account
from tests.integration.receiver.console.conftest import ANA, DELIVERED, FAILED, STOPPED
from tests.support.consoles import PASSWORD, Visitor, add_person, console_app, enter, link_of

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
INLINE = re.compile(r"<script|<style|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)
LINK = re.compile(r'href="(/console[^"#?]*(?:\?[^"#]*)?)')


def paths(app: Flask, method: str) -> Iterator[tuple[str, str]]:
    """The path below /console and the endpoint of every page that takes `method`."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("console.") and method in (rule.methods or ()) and "<path:" not in rule.rule:
            yield rule.rule.removeprefix("/console").replace("<secret>", "x"), rule.endpoint


@on_sqlite
def test_without_a_session_every_page_leads_to_the_door_and_every_form_is_refused(app: Flask) -> None:
    for path, endpoint in paths(app, "GET"):
        if endpoint not in OPEN:
            response = Visitor(app).get(path)
            assert (response.status_code, response.headers["Location"]) == (302, "/console/login"), path
    for path, endpoint in paths(app, "POST"):
        assert Visitor(app).post(path, token="").status_code == (403 if endpoint in OPEN else 401), path


@on_sqlite
def test_every_answer_carries_the_policy(app: Flask, operator: Visitor) -> None:
    for path in ("/", "/login", "/nothing", "/day?day=never", "/static/console.css", "/message?id=unknown", ""):
        for visitor in (operator, Visitor(app)):
            response = visitor.get(path)
            assert {name: response.headers.get(name) for name in HEADERS} == HEADERS, path
            assert "script" not in response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in HEADERS["Content-Security-Policy"]


def contents(engine: Engine) -> dict[str, list[Any]]:
    """Every row of every table."""
    tables = SQLModel.metadata.tables
    with engine.connect() as connection:
        return {name: sorted(map(repr, connection.execute(select(table)))) for name, table in tables.items()}


def test_every_link_leads_somewhere_and_no_get_changes_a_row(
    app: Flask, filled: Engine, operator: Visitor, statement: int
) -> None:
    app.extensions["stop"]()  # or the process notes by itself, now and then, that it can be reached
    waiting_task(filled)
    before = contents(filled)
    waiting = ["/console/", f"/console/person?statement={statement}", f"/console/message?id={STOPPED}"]
    seen: set[str] = set()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        response = operator.get(path.removeprefix("/console").replace("&amp;", "&"))
        assert response.status_code == 200, path
        if "text/html" in response.content_type:
            assert not INLINE.search(response.text), path
            links = {link for link in LINK.findall(response.text) if "day=" not in link}
            waiting += sorted(links - seen - set(waiting))
    assert len(seen) > 15
    assert contents(filled) == before


def waiting_task(engine: Engine) -> str:
    with engine.begin() as connection:
        return add_task(connection, "replay_dead_letters", by="Ana", parameters={}, now=datetime.now(UTC))


ACTIONS = {
    "/opt-outs/add": {"address": "+244911111111", "reason": "asked by phone"},
    "/opt-outs/remove": {"address": ANA, "reason": "signed up again"},
    "/dead-letter/replay": {},
    "/dead-letters/replay": {"until": "2026-06-24T10:00:00+00:00"},
    "/dead-letter/resolve": {},
    "/task/cancel": {},
    "/task/resolve": {},
    "/outage/resolve": {"number": "1", "reason": "imported Zexa's list"},
}
# Held to the same rules in test_lists.py, with lists.
LIST_ACTIONS = {"/lists", "/list/confirm", "/list/cancel", "/list/download"}


def test_a_viewer_can_do_nothing_and_a_form_without_its_token_changes_nothing(
    app: Flask, filled: Engine, operator: Visitor, viewer: Visitor
) -> None:
    with filled.connect() as connection:
        digest = connection.execute(select(DEAD_LETTERS.c.digest)).scalar_one()
    subject = {"digest": digest, "id": waiting_task(filled)}
    began = datetime.now(UTC) - timedelta(hours=3)
    with filled.begin() as connection:
        row = {"began_at": began, "ended_at": began + timedelta(hours=2), "kind": "no_process"}
        connection.execute(OUTAGES.insert(), row)
    assert set(ACTIONS) | LIST_ACTIONS | {"/login", "/logout", "/link/x", "/messages", "/person"} == {
        path for path, endpoint in paths(app, "POST") if endpoint != "console.nothing"
    }
    operator.get("/")
    viewer.get("/")
    before = contents(filled)
    for path, fields in ACTIONS.items():
        assert viewer.post(path, **subject, **fields).status_code == 403, path
        for token in ("", "another", viewer.form_token):
            assert operator.post(path, token=token, **subject, **fields).status_code == 403, path
            operator.get("/")
    assert contents(filled) == before
    for path, fields in ACTIONS.items():
        assert operator.post(path, **subject, **fields).status_code == 303, path
    assert contents(filled) != before


@on_sqlite
def test_a_viewer_sees_no_address_on_any_page(viewer: Visitor, statement: int, filled: Engine) -> None:
    with filled.connect() as connection:
        digest = connection.execute(select(DEAD_LETTERS.c.digest)).scalar_one()
    pages = ["/", "/opt-outs", f"/person?statement={statement}", f"/message?id={STOPPED}", f"/message?id={FAILED}"]
    pages += [
        "/campaign?id=cmp_spring",
        "/failures",
        f"/dead-letter?digest={digest}",
        "/log",
        f"/person?message={FAILED}",
    ]
    for path in pages:
        response = viewer.get(path)
        assert response.status_code == 200, path
        assert not re.search("912345678|923000111|no json", response.text), path
    assert "+244…678" in viewer.get(f"/message?id={DELIVERED}").text
    assert viewer.get(f"/evidence?statement={statement}").status_code == 403
    refused = viewer.get("/dead-letters/replay")
    assert refused.status_code == 403
    # It shows no time, and its zone may not be known yet.
    assert "Times and days" not in viewer.get("/lists").text + refused.text


@on_sqlite
def test_the_cookie_is_for_the_console_only_and_goes_over_tls_unless_this_machine_is_asked(app: Flask) -> None:
    for host, is_secure in (
        ("http://127.0.0.1:8000", False),
        ("http://localhost", False),
        ("http://[::1]:8000", False),
        ("http://zexa.example.com", True),
        ("http://10.0.0.5:8000", True),
        ("http://127.0.0.1.example.com", True),
    ):
        cookie = Visitor(app, host=host).get("/login").headers["Set-Cookie"]
        assert cookie.startswith(f"{COOKIE}=")
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Path=/console" in cookie
        assert ("Secure" in cookie) is is_secure, host


@on_sqlite
def test_a_session_ends_when_its_person_signs_out_anywhere_or_may_sign_in_no_more(app: Flask, filled: Engine) -> None:
    here, elsewhere = enter(app, filled, "Ana", Role.VIEWER), Visitor(app)
    link = link_of(filled, "Ana")
    elsewhere.get(link)
    elsewhere.post(link)
    assert elsewhere.get("/").status_code == 200
    here.get("/")
    assert here.follow(here.post("/logout")).status_code == 200
    assert (here.get("/").status_code, elsewhere.get("/").status_code) == (302, 302)
    for end in (disable_account, remove_account):
        visitor = enter(app, filled, end.__name__, Role.VIEWER)
        assert visitor.get("/").status_code == 200
        with filled.begin() as connection:
            assert end(connection, end.__name__, **({"is_disabled": True} if end is disable_account else {}))
        assert visitor.get("/").status_code == 302


@on_sqlite
def test_whoever_signs_out_is_out_and_can_sign_in_again_though_the_clock_was_set_back(
    app: Flask, filled: Engine, viewer: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere, link = Visitor(app), link_of(filled, "Rui")
    elsewhere.get(link)
    elsewhere.post(link)

    class SetBack(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) - timedelta(hours=1)

    viewer.get("/")
    with monkeypatch.context() as clock:
        clock.setattr(signing, "datetime", SetBack)
        viewer.post("/logout")
    assert elsewhere.get("/").status_code == 302
    link = link_of(filled, "Rui")
    viewer.get(link)
    with monkeypatch.context() as clock:
        clock.setattr(session, "datetime", SetBack)
        assert viewer.follow(viewer.post(link)).status_code == 200


@on_sqlite
def test_whoever_may_sign_in_again_has_to_do_so(filled: Engine, viewer: Visitor) -> None:
    with filled.begin() as connection:
        for is_disabled in (True, False):
            disable_account(connection, "Rui", is_disabled=is_disabled)
    assert viewer.get("/").status_code == 302


@on_sqlite
def test_whoever_sets_a_password_is_in_and_every_other_session_is_over(
    app: Flask, filled: Engine, viewer: Visitor
) -> None:
    setting, link = Visitor(app), link_of(filled, "Rui", LinkKind.PASSWORD)
    setting.get(link)
    assert setting.follow(setting.post(link, password=PASSWORD)).status_code == 200
    assert viewer.get("/").status_code == 302


@on_sqlite
def test_a_session_ends_after_a_day_of_work_and_one_with_another_key_is_none(app: Flask, viewer: Visitor) -> None:
    with viewer.client.session_transaction(base_url="http://127.0.0.1:8000/console/") as cookie:
        cookie["begun_at"] = (datetime.now(UTC) - ENDS_AFTER - timedelta(seconds=1)).timestamp()
    assert viewer.get("/").status_code == 302
    stranger = Visitor(app)
    stranger.client.set_cookie(COOKIE, "eyJuYW1lIjoiUnVpIn0.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb", path="/console")
    assert stranger.get("/").status_code == 302


@on_sqlite
def test_somebody_of_the_same_name_does_not_inherit_a_session(filled: Engine, viewer: Visitor) -> None:
    with filled.begin() as connection:
        remove_account(connection, "Rui")
    add_person(filled, "Rui", Role.OPERATOR)
    assert viewer.get("/").status_code == 302


@on_sqlite
def test_the_first_visitor_is_nobody(engine: Engine, redis_server: Any) -> None:
    app = console_app(engine, redis_server.url)
    visitor = Visitor(app)
    assert visitor.sign_in("admin", "a long enough password").status_code == 403
    assert visitor.get("/").status_code == 302
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(HISTORY)).scalar_one() == 0
    app.extensions["stop"]()
