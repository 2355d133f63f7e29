"""Signing in: five wrong tries slow down whoever guesses, and a link works once."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine, select

from models.tables import AUDIT_LOG, CONSOLE_TRIES
from sync.users.accounts import LinkKind, Role, find_link
from sync.users.sign_in import FREE_TRIES, sign_in
from tests.support.consoles import PASSWORD, Visitor, add_person, link_of

NOW = datetime(2026, 6, 24, 12, 0, tzinfo=UTC)
WRONG = "a wrong password"
pytestmark = pytest.mark.usefixtures("cheap_passwords")
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_after_five_wrong_tries_not_even_the_right_password_is_looked_at_for_a_while(engine: Engine) -> None:
    add_person(engine, "Maria", Role.OPERATOR, PASSWORD)
    for number in range(FREE_TRIES):
        result = sign_in(engine, "Maria", WRONG, f"10.0.0.{number}", NOW)
        assert (result.account, result.wait_seconds) == (None, 0)
    waiting = sign_in(engine, "Maria", PASSWORD, "10.0.0.99", NOW)
    assert waiting.account is None
    assert 0 < waiting.wait_seconds <= 60
    later = NOW + timedelta(seconds=waiting.wait_seconds)
    attempt = sign_in(engine, "Maria", PASSWORD, "10.0.0.99", later)
    assert attempt.account is not None
    assert attempt.account.name == "Maria"
    assert sign_in(engine, "Maria", WRONG, "10.0.0.99", later).wait_seconds == 0


def test_a_client_that_tries_many_names_has_to_wait_too(engine: Engine) -> None:
    add_person(engine, "Maria", Role.OPERATOR, PASSWORD)
    for number in range(FREE_TRIES):
        assert sign_in(engine, f"user {number}", WRONG, "10.0.0.1", NOW).wait_seconds == 0
    assert sign_in(engine, "Maria", PASSWORD, "10.0.0.1", NOW).wait_seconds > 0
    assert sign_in(engine, "Maria", PASSWORD, "10.0.0.2", NOW).account is not None


def test_the_right_password_does_not_clear_the_tries_of_its_client(engine: Engine) -> None:
    add_person(engine, "Maria", Role.OPERATOR, PASSWORD)
    for number in range(FREE_TRIES):
        assert sign_in(engine, f"user {number}", WRONG, "10.0.0.1", NOW).account is None
        if number < FREE_TRIES - 1:
            assert sign_in(engine, "Maria", PASSWORD, "10.0.0.1", NOW).account is not None
    assert sign_in(engine, "another", WRONG, "10.0.0.1", NOW).wait_seconds > 0


def test_tries_are_forgotten_and_name_nobody(engine: Engine) -> None:
    sign_in(engine, "Maria", WRONG, "10.0.0.1", NOW)
    with engine.connect() as connection:
        keys = connection.execute(select(CONSOLE_TRIES.c.key)).scalars().all()
    assert len(keys) == 2
    assert all(len(key) == 64 for key in keys)
    sign_in(engine, "Rui", WRONG, "10.0.0.2", NOW + timedelta(hours=1))
    with engine.connect() as connection:
        assert not set(keys) & set(connection.execute(select(CONSOLE_TRIES.c.key)).scalars())


@on_sqlite
def test_whoever_is_disabled_or_has_no_password_signs_in_with_none(engine: Engine) -> None:
    add_person(engine, "Rui", Role.VIEWER)
    for password in ("", WRONG):
        assert sign_in(engine, "Rui", password, "10.0.0.1", NOW).account is None


@on_sqlite
def test_a_wrong_password_and_an_unknown_name_are_answered_alike_and_then_slowly(app: Flask, filled: Engine) -> None:
    add_person(filled, "Ana", Role.VIEWER, PASSWORD)
    visitor = Visitor(app)
    answers = [visitor.sign_in(name, WRONG) for name in ("Ana", "nobody")]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].text.replace("Ana", "") == answers[1].text.replace("nobody", "")
    assert visitor.sign_in("Ana").status_code == 303
    for _ in range(FREE_TRIES):
        visitor = Visitor(app)
        answer = visitor.sign_in("Ana", WRONG)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert Visitor(app).sign_in("Ana").status_code == 429


def test_a_link_does_nothing_until_its_button_is_pressed_and_then_works_once(app: Flask, filled: Engine) -> None:
    add_person(filled, "Ana", Role.VIEWER)
    link, visitor = link_of(filled, "Ana"), Visitor(app)
    for _ in range(3):
        assert visitor.get(link).status_code == 200
    assert visitor.get("/").status_code == 302
    visitor.get(link)
    assert visitor.follow(visitor.post(link)).status_code == 200
    other = Visitor(app)
    assert other.get(link).status_code == 404
    other.get("/login")
    assert other.post(link).status_code == 404
    with filled.connect() as connection:
        assert connection.execute(select(AUDIT_LOG.c.name, AUDIT_LOG.c.action)).all() == [("Ana", "signed_in")]


@on_sqlite
def test_a_link_sets_a_password_that_is_long_enough(app: Flask, filled: Engine) -> None:
    add_person(filled, "Ana", Role.VIEWER)
    link, visitor = link_of(filled, "Ana", LinkKind.PASSWORD), Visitor(app)
    visitor.get(link)
    assert visitor.post(link, password="too short").status_code == 422
    assert visitor.post(link, password=PASSWORD).status_code == 303
    assert Visitor(app).sign_in("Ana").status_code == 303


def test_a_link_ends(engine: Engine) -> None:
    add_person(engine, "Ana", Role.VIEWER)
    secret = link_of(engine, "Ana").removeprefix("/link/")
    with engine.connect() as connection:
        assert find_link(connection, secret, datetime.now(UTC)) is not None
        assert find_link(connection, secret, datetime.now(UTC) + timedelta(minutes=16)) is None
        assert find_link(connection, "another", datetime.now(UTC)) is None
