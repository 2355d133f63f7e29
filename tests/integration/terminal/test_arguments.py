"""Any text typed behind a command: an answer or a refusal, and never a traceback."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from redis import Redis
from sqlalchemy import URL

from sync.cli import main
from sync.devtools.dev.embedded import RedisServer
from tests.conftest import ROOT
from tests.support.forked import run_forked

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

VALUES = [
    *("nan", "inf", "-inf", "-1", "0", "1e308", "9" * 30, "9" * 5000, "1e-320", "2026-13-45"),
    *("9999-12-31", "0001-01-01", "", "x", "%", "é", "\udcff", "\x1b[2J", "a" * 3000),
    *("nowhere/x.csv", "in.csv/x.csv", "in.csv", "folder"),
]
# Of an option that has a list of its values click itself refuses any other.
NO_CHOICES = ("", "x", "\udcff", "\x1b[2J")
# They start servers, send or wait; their own test modules test their arguments.
APART = frozenset({"bench", "dev", "simulate", "tail", "worker"})
STORES = [
    {"REDIS_URL": "redis://127.0.0.1:1/0"},
    {"REDIS_URL": "redis://no-such-host.invalid/0"},
    {"DATABASE_URL": "sqlite:////nowhere/zexa.db"},
    {"DATABASE_URL": "sqlite:////etc"},
    {"DATABASE_URL": "sqlite:////etc/passwd"},
    {"DATABASE_URL": "postgres://zexa:hunter2@127.0.0.1:1/zexa"},
]

# As a person types a command, with no settings at all.
TYPED = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        subcommand = command.get_command(context, name)
        assert subcommand is not None
        if (*path, name)[0] not in APART:
            yield from leaves(subcommand, (*path, name))


COMMANDS = dict(leaves(main))


def required(command: click.Command, chosen_parameter: click.Parameter | None = None, value: str = "") -> list[str]:
    """The arguments without which `command` is not begun; `value` stands for `chosen_parameter`."""
    arguments = []
    for parameter in (parameter for parameter in command.params if parameter.required or parameter is chosen_parameter):
        usual = "in.csv" if isinstance(parameter.type, click.Path) and parameter.type.exists else "phone"
        usual = "912345678" if isinstance(parameter, click.Argument) and usual == "phone" else usual
        usual = f"{parameter.name}.csv" if isinstance(parameter.type, click.Path) and usual != "in.csv" else usual
        arguments += [] if isinstance(parameter, click.Argument) else [parameter.opts[0]]
        arguments += [value if parameter is chosen_parameter else usual]
    return arguments


@pytest.fixture
def environ(
    migrated_url: URL, redis: Redis, redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    assert redis.dbsize() == 0
    (tmp_path / "work" / "folder").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    Path("in.csv").write_text("phone\n912345678\n")
    for name in ("DYNO", "REDIS_TLS_VERIFY"):
        monkeypatch.delenv(name, raising=False)
    return {"DATABASE_URL": str(migrated_url), "REDIS_URL": redis_server.url}


def run(arguments: list[str], environ: dict[str, str]) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments, env=environ)
    assert result.exception is None or isinstance(result.exception, SystemExit), (arguments, result.exception)
    assert result.exit_code in (0, 1, 2), arguments
    return result.exit_code, result.output


@on_sqlite
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_no_value_of_an_option_is_a_traceback(path: tuple[str, ...], environ: dict[str, str]) -> None:
    command = COMMANDS[path]
    for parameter in command.params:
        if not (isinstance(parameter, click.Option) and parameter.is_flag):
            for value in NO_CHOICES if isinstance(parameter.type, click.Choice) else VALUES:
                run([*path, *required(command, parameter, value)], environ)


@on_sqlite
@pytest.mark.parametrize("stores", STORES, ids=lambda stores: next(iter(stores.values())))
def test_no_store_that_is_away_is_a_traceback(environ: dict[str, str], stores: dict[str, Any]) -> None:
    for path, command in COMMANDS.items():
        _, output = run([*path, *required(command)], environ | stores)
        assert "hunter2" not in output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["report", "daily", "--campaign", b"\xff"], "UTF-8"),
        (["report", "daily", "--channel", b"\xff"], "UTF-8"),
        (["report", "daily", "--until", "0001-01-01"], "is no day"),
        (["status", "--max-staleness", "nan"], "nan is no number"),
        (["opt-outs", "check", "912345678", "--max-staleness", "inf"], "not in the range"),
        (["bench", "receive", "--seconds", "nan"], "nan is no number"),
        (["dev", "--data", b"\xff", "--port", "1"], "UTF-8"),
        (["dev", "--data", "/proc/nowhere", "--port", "1"], "the data folder"),
    ],
)
def test_what_cannot_be_meant_is_said_in_a_sentence(arguments: list[Any], sentence: str, tmp_path: Path) -> None:
    ended = run_forked(["python", "-m", "sync", *map(os.fsdecode, arguments)], cwd=tmp_path, env=TYPED)
    assert ended.returncode in (1, 2)
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


def test_bytes_that_are_no_text_come_in_by_the_command_line_and_are_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sync", b"\xff"]
    ended = subprocess.run(command, cwd=tmp_path, env=TYPED, capture_output=True, check=False)
    assert ended.returncode in (1, 2)
    assert b"No such command" in ended.stderr
    assert b"Traceback" not in ended.stderr
