"""Runs the commands that the documentation gives a newcomer."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from redis import Redis
from sqlalchemy import URL, Engine, text

from sync.cli import main
from sync.devtools.dev.embedded import RedisServer, free_port
from tests.support.processes import ROOT, wait_for

DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")])


def blocks(language: str, *documents: Path) -> list[str]:
    blocks_of_documents = [
        re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE) for path in documents
    ]
    return [block.strip() for blocks_of_one in blocks_of_documents for block in blocks_of_one]


def test_every_query_runs(engine: Engine) -> None:
    queries = blocks("sql", *DOCUMENTS)
    assert len(queries) >= 5
    with engine.connect() as connection:
        for query in queries:
            connection.execute(text(query.removesuffix(";"))).all()


def test_every_command_is_one_that_a_test_knows() -> None:
    make_commands = {"make run", "make test"}
    commands = set(blocks("console", *DOCUMENTS))
    executed = ("zexa-sync simulate", "/v1/suppressions/check", "opt-outs check", "openssl dgst")
    executed_here = {next(command for command in commands if words in command) for words in executed}
    assert {command for command in commands - make_commands - executed_here if not is_of_ours(command)} == set()
    targets = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert all(f"{command} " in targets for command in make_commands)


def is_of_ours(block: str) -> bool:
    return all(line.startswith("zexa-sync ") for line in block.splitlines())


def test_every_command_of_ours_in_a_document_is_one_with_these_options() -> None:
    lines = {
        line.strip()
        for path in DOCUMENTS
        for block in re.findall(r"^ *```console\n(.*?)^ *```", path.read_text(), re.DOTALL | re.MULTILINE)
        for line in block.splitlines()
        if line.strip().startswith("zexa-sync ")
    }
    assert len(lines) > 10
    for line in lines:
        command: click.Command = main
        context = click.Context(command)
        is_value = False
        for word in shlex.split(line, comments=True)[1:]:
            if is_value:
                is_value = False
            elif isinstance(command, click.Group) and not word.startswith("-"):
                subcommand = command.get_command(context, word)
                assert subcommand, line
                command = subcommand
            elif word.startswith("--"):
                name = word.partition("=")[0]
                named = [option for option in command.params if name in option.opts]
                assert named, line
                # Of a group, what follows an option may be its value, and no command.
                is_value = isinstance(named[0], click.Option) and not named[0].is_flag and "=" not in word


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder that looks like the repository after `make run` installed it, with data of its own."""
    for entry in ROOT.iterdir():
        if entry.name not in (".venv", ".zexa"):
            (tmp_path / entry.name).symlink_to(entry)
    (tmp_path / ".venv").mkdir()
    for stamp in (".pinned", ".installed"):
        (tmp_path / ".venv" / stamp).touch()
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir()
    for entry in Path(sys.executable).parent.iterdir():
        (binaries / entry.name).symlink_to(entry)
    command = binaries / "zexa-sync"
    command.unlink(missing_ok=True)
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m sync "$@"\n')
    command.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_opt_outs_are_asked_told_and_scrubbed_as_it_stands(
    workplace: Path, migrated_url: URL, redis: Redis, redis_server: RedisServer
) -> None:
    assert redis.dbsize() == 0
    (script,) = blocks("console", ROOT / "docs" / "commands.md")
    (workplace / "customers.csv").write_text("name,phone\nAna,912345678\nRui,+244 923 000 111\nEva,-\n")
    environ = {
        "PATH": f"{workplace / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "DATABASE_URL": migrated_url.render_as_string(hide_password=False),
        "REDIS_URL": redis_server.url,
    }
    result = subprocess.run(
        ["bash", "-e", "-c", script], cwd=workplace, env=environ, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    written = [(workplace / f"{name}.csv").read_text().splitlines()[1:] for name in ("clean", "removed", "invalid")]
    assert written == [["Rui,+244 923 000 111"], ["Ana,912345678"], ["Eva,-,no address"]]


def test_make_run_and_the_commands_beside_it_work_as_they_stand(workplace: Path) -> None:
    port = free_port()
    # What a second terminal has, which knows nothing of the port.
    plain = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environ = plain | {"PORT": str(port), "ZEXA_LOOKUP_TOKEN": "a-token-of-the-tests"}
    log = workplace / "run.log"
    with log.open("wb") as output:
        run = subprocess.Popen(
            ["make", "run"],
            cwd=workplace,
            env=environ,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:

        def is_running() -> bool:
            assert run.poll() is None, log.read_text()
            return "Ctrl-C" in log.read_text()

        wait_for(is_running, seconds=60, what="make run")
        (simulate,) = [command for command in blocks("console", ROOT / "README.md") if "simulate" in command]
        simulated = subprocess.run(
            ["bash", "-e", "-c", simulate], cwd=workplace, env=plain, capture_output=True, text=True, check=False
        )
        assert simulated.returncode == 0, simulated.stdout + simulated.stderr
        assert "1,000" in simulated.stdout
        (signed,) = blocks("console", ROOT / "docs" / "signing.md")
        by_hand = subprocess.run(
            ["bash", "-e", "-c", signed.replace(":8000", f":{port}")],
            cwd=workplace,
            env=plain,
            capture_output=True,
            text=True,
            check=False,
        )
        assert by_hand.stdout.startswith("HTTP/1.1 200"), by_hand.stdout + by_hand.stderr
        trace = [f"{workplace}/.venv/bin/zexa-sync", "trace", "msg_by_hand"]

        def is_traced() -> bool:
            return subprocess.run(trace, cwd=workplace, env=plain, capture_output=True, check=False).returncode == 0

        wait_for(is_traced, seconds=20, what="the row of the event that was signed by hand")
        (curl,) = blocks("console", ROOT / "docs" / "suppression.md")
        answer = subprocess.run(
            ["bash", "-c", curl.replace(":8000", f":{port}")], env=environ, capture_output=True, text=True, check=True
        )
        document = json.loads(answer.stdout)
        assert [result["address"] for result in document["results"]] == ["+244912345678", "ana@example.com"]
        assert {result["status"] for result in document["results"]} <= {"allowed", "suppressed", "unknown"}
    finally:
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(40) in (0, 2, -2), log.read_text()
