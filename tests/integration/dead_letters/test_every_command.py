"""What holds for all commands of dead letters: wrong use, failures, progress, and nothing printed unasked."""

import os
import pty
import re
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from rq import Queue
from sqlalchemy import URL, Engine, insert

from models import DeadLetter
from sync.cli import main
from tests.integration.dead_letters.letters import (
    STOP,
    TRACEBACK,
    UNREADABLE,
    Command,
    digest,
    fail,
    ignore,
    keep,
    letters,
    raw,
)
from tests.support.events_builder import ANA, RECEIVED, REFUSED, RUI, TEN, body
from tests.support.forked import Forked

# What holds for all of them


def test_no_body_and_no_address_is_printed_unless_it_is_asked_for(
    refusing: Engine, command: Command, queue: Queue
) -> None:
    bad = body("message.optout", TEN, message_id=REFUSED, channel="sms", to=RUI)
    for content in (bad, STOP, UNREADABLE):
        keep(refusing, content)
    ignore(refusing, body("message.delivered", TEN, id="msg_7", to=RUI), "msg_7", "message.delivered")
    job_id = fail(queue, [raw(STOP)], TRACEBACK)
    output = ""
    for arguments in (
        ["list", "--all"],
        ["show", digest(bad)],
        ["show", job_id],
        ["replay", "--all", "--ignored"],
        ["replay", digest(bad)],
        ["resolve", digest(bad)],
        ["requeue", job_id],
    ):
        for options in ([], ["--json"] if arguments[0] in ("list", "show", "replay") else []):
            result = command(*arguments, *options)
            assert result.exit_code in (0, 1), result.output
            output += result.output
    assert len(output) > 2000
    for secret in (ANA, RUI, ANA.removeprefix("+"), "message.optout", '"to"', REFUSED):
        assert secret not in output


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--resolved", "--all"],
        ["list", "--reason", "bad_luck"],
        ["list", "--limit", "0"],
        ["show"],
        ["replay"],
        ["replay", "abcdef", "--all"],
        ["replay", "--all", "--reason", "refused"],
        ["replay", "abcdef", "--ignored"],
        ["replay", "--ignored", "--reason", "refused"],
        ["replay", "abcde"],
        ["replay", "f" * 65],
        ["resolve"],
        ["resolve", "abcdef", "--all", "--yes"],
        ["resolve", "abcdef", "--reason", "refused"],
        ["resolve", "\x1b[2Jabcdef"],
        ["requeue"],
        ["requeue", "job", "--all"],
        ["burn"],
    ],
)
def test_wrong_use_changes_nothing_and_exits_2(command: Command, engine: Engine, arguments: list[str]) -> None:
    keep(engine, STOP)
    result = command(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "\x1b" not in result.stderr
    assert letters(engine)[STOP]["resolved_at"] is None


@pytest.mark.parametrize(
    ("arguments", "environ", "status", "expected"),
    [
        (["list"], {"DATABASE_URL": " "}, 2, "DATABASE_URL is not set"),
        (["list"], {"REDIS_URL": " "}, 2, "REDIS_URL is not set"),
        (["replay", "--all"], {"ZEXA_DEFAULT_REGION": "Angola"}, 2, "ZEXA_DEFAULT_REGION is not a two-letter region"),
        (["requeue", "--all"], {"REDIS_URL": "redis://:hunter2@127.0.0.1:1/0"}, 1, "the Redis of REDIS_URL did not"),
        (["show", "a-job"], {"REDIS_URL": "redis://:hunter2@127.0.0.1:1/0"}, 1, "the Redis of REDIS_URL did not"),
        *[
            (arguments, {"DATABASE_URL": "postgres://someone:hunter2@127.0.0.1:1/name"}, 1, "the database of DATABASE_")
            for arguments in (["list"], ["show", "abcdef"], ["replay", "--all"], ["resolve", "--reason", "refused"])
        ],
    ],
)
def test_a_failure_is_one_line_without_a_password(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    environ: dict[str, str],
    status: int,
    expected: str,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    result = command(*arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (status, "", 1)
    assert result.stderr.startswith(f"Error: {expected}")
    assert not [detail for detail in ("hunter2",) if detail in result.stderr]


def test_a_schema_that_is_not_at_head_is_one_line(database_url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url.render_as_string(hide_password=False))
    result = CliRunner().invoke(main, ["dead-letters", "replay", "--all"])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "run `alembic upgrade head`" in result.stderr


@pytest.mark.parametrize("name", ["list", "show", "replay", "resolve", "requeue"])
def test_every_command_teaches_with_examples(name: str) -> None:
    result = CliRunner().invoke(main, ["dead-letters", name, "--help"])
    assert result.exit_code == 0
    assert f"\n    zexa-sync dead-letters {name}" in result.stdout
    assert "Exit status: 0" in " ".join(result.stdout.split())


@pytest.mark.usefixtures("command")
@pytest.mark.parametrize("is_stdout_watched", [False, True])
def test_many_letters_are_replayed_under_a_bar_on_the_terminal(
    engine: Engine, tmp_path: Path, is_stdout_watched: bool
) -> None:
    many = 250
    letter = {"reason": "not_json", "error": "", "received_at": RECEIVED, "attempts": 1}
    contents = [b"{%d" % number for number in range(many)]
    with engine.begin() as connection:
        connection.execute(
            insert(DeadLetter), [letter | {"digest": digest(content), "body": content} for content in contents]
        )
    terminal, end = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(terminal, 65536):
                shown.append(chunk)
        except OSError:
            return  # how Linux says that the other end is closed

    reading = threading.Thread(target=read)
    reading.start()
    lines = tmp_path / "lines"
    with lines.open("wb") as output:
        replay = Forked(
            ["python", "-m", "sync", "dead-letters", "replay", "--all"],
            env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
            stdout=end if is_stdout_watched else output,
            stderr=end,
        )
        status = replay.wait(60)
    os.close(end)
    reading.join(30)
    os.close(terminal)
    seen = b"".join(shown).decode()
    lines_shown = seen if is_stdout_watched else lines.read_text()
    assert status == 1
    assert f"{many}/{many}" in seen
    assert "Replaying dead letters" in seen
    assert len(re.findall(r"(?:^|[\r\n]|\x1b\[2K)still dead  [0-9a-f]{12}  not_json", lines_shown)) == many
    assert f"Replayed {many} dead letters: 0 applied, 0 ignored, 0 unchanged, {many} still dead." in lines_shown
    assert is_stdout_watched or "\x1b" not in lines_shown
