"""`zexa-sync users`: only the command line says who may sign in to the console."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import URL, Engine, select

from models.tables import AUDIT_LOG, CONSOLE_USERS
from sync.cli import main
from tests.support.consoles import PASSWORD


class Command:
    def __init__(self, url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False).replace("+psycopg", ""))
        monkeypatch.setenv("ZEXA_CONSOLE_KEY", "k" * 32)

    def run(self, *words: str, typed: str = "") -> Result:
        return CliRunner().invoke(main, ["users", *words], input=typed)


@pytest.fixture
def users(migrated_url: URL, monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(migrated_url, monkeypatch)


def test_people_are_added_listed_disabled_and_removed(users: Command, engine: Engine) -> None:
    added = users.run("add", "Maria", "--role", "operator", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert (added.exit_code, added.stdout) == (0, "Maria may sign in to the console as operator\n")
    assert PASSWORD not in added.output
    linked = users.run("add", "Rui", "--link", "https://zexa.example.com/")
    assert "https://zexa.example.com/console/link/" in linked.stdout
    assert users.run("disable", "Rui").exit_code == 0
    assert people(users) == {"Maria": ("operator", False, True), "Rui": ("viewer", True, False)}
    assert users.run("disable", "Rui", "--undo").exit_code == 0
    assert people(users)["Rui"] == ("viewer", False, False)
    assert users.run("remove", "Rui").exit_code == 0
    assert "operator" in users.run("list").stdout
    assert people(users).keys() == {"Maria"}
    with engine.connect() as connection:
        password_hash = connection.execute(select(CONSOLE_USERS.c.password_hash)).scalar_one()
        deeds = connection.execute(select(AUDIT_LOG.c.action, AUDIT_LOG.c.subject).order_by(AUDIT_LOG.c.id)).all()
    assert password_hash.startswith("scrypt:32768:8:1$")
    assert [tuple(deed) for deed in deeds] == [
        ("user_added", "Maria"),
        ("user_added", "Rui"),
        ("user_disabled", "Rui"),
        ("user_enabled", "Rui"),
        ("user_removed", "Rui"),
    ]


def people(users: Command) -> dict[str, Any]:
    listed = json.loads(users.run("list", "--json").stdout)["users"]
    return {user["name"]: (user["role"], user["is_disabled"], user["has_password"]) for user in listed}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_cannot_be_done_is_one_line(users: Command) -> None:
    assert "add somebody" in users.run("list").stdout
    assert users.run("add", "Maria", "--link", "https://zexa.example.com").exit_code == 0
    again = users.run("add", "Maria", "--link", "https://zexa.example.com")
    assert (again.exit_code, again.stderr.count("\n")) == (1, 1)
    short = users.run("add", "Rui", typed="short\nshort\n")
    assert short.exit_code == 2
    assert "12 to 256 characters" in short.stderr
    for words in (("remove", "nobody"), ("disable", "nobody")):
        assert users.run(*words).exit_code == 1
    for name in ("", " Rui", "a\nb", "a" * 65):
        assert users.run("add", name, "--link", "https://zexa.example.com").exit_code == 2
    for address in ("", "zexa.example.com", "ftp://zexa.example.com", "https://", "http://["):
        assert users.run("add", "Rui", "--link", address).exit_code == 2
    assert people(users).keys() == {"Maria"}
