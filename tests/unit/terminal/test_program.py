"""A text that names a command names one that the reader can paste."""

import sys
from pathlib import Path

import pytest

from sync.terminal.program import as_invoked, program


def test_as_a_module_it_is_python_m_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/app/sync/__main__.py", "status"])
    assert program() == "python -m sync"
    assert (
        as_invoked("`zexa-sync rebuild` and `zexa-sync:waiting`") == "`python -m sync rebuild` and `zexa-sync:waiting`"
    )


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command, installed in a folder below the current one, and invoked by its path."""
    path = tmp_path / ".venv" / "bin" / "zexa-sync"
    path.parent.mkdir(parents=True)
    path.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "argv", [str(path), "status"])
    return path


def test_installed_on_path_it_is_its_name(command: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(command.parent))
    assert program() == "zexa-sync"


@pytest.mark.usefixtures("command")
def test_elsewhere_it_is_its_path_as_short_as_it_can_be() -> None:
    assert program() == ".venv/bin/zexa-sync"


def test_outside_of_the_folder_it_is_its_whole_path(command: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = command.parents[2] / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    assert program() == str(command)


def test_a_process_of_production_names_what_is_installed_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/app/bin/gunicorn"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert program() == "python -m sync"
    (tmp_path / "zexa-sync").touch()
    assert program() == "zexa-sync"
