"""The documents hold together: links lead somewhere, lines wrap, and the changelog names the version of the code."""

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from models.schema import VERSION_TABLE
from models.tables import METADATA
from sync import __version__
from sync.cli import main

ROOT = Path(__file__).parents[2]
DOCUMENTS = [path.relative_to(ROOT) for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])]
LINE_MAX = 100


def without_code(document: Path) -> str:
    return re.sub(r"^```.*?^```$", "", (ROOT / document).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(document: Path) -> set[str]:
    """Return the anchors of the headings, as a host of repositories makes them."""
    headings = re.findall(r"^#+ (.*)$", without_code(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_link_between_documents_leads_to_a_page_and_a_heading(document: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", without_code(document)) if "://" not in link]
    for link in links:
        name, _, anchor = link.partition("#")
        page = (ROOT / document).parent / name if name else ROOT / document
        assert page.exists(), link
        assert not anchor or anchor in anchors(page.resolve().relative_to(ROOT)), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_lines_wrap(document: Path) -> None:
    lines = [line for line in without_code(document).splitlines() if not line.startswith("|")]
    # A link is one word, and cannot be broken.
    assert [line for line in lines if len(line) > LINE_MAX and "](http" not in line] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_every_page_can_be_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = [path for path in DOCUMENTS if path.parts[0] == "docs" and path.parent.name != "decisions"]
    assert [page.as_posix() for page in pages if f"]({page.as_posix()})" not in readme] == []


def test_the_changelog_names_the_version_of_the_code() -> None:
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == __version__


def test_every_table_of_the_schema_stands_in_the_document_of_the_tables() -> None:
    rows = [line for line in (ROOT / "docs/tables.md").read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert {*METADATA.tables, VERSION_TABLE} - named == set()


def test_the_map_names_every_folder_of_the_code() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    folders = {path.parent for package in ("receiver", "sync", "models") for path in (ROOT / package).rglob("*.py")}
    named = {folder.relative_to(ROOT).as_posix() for folder in folders}
    inside = {name for name in named if any(name.startswith(f"{other}/") for other in named - {"sync"})}
    assert {name for name in named - inside if f"`{name}/`" not in text} == set()
    assert {name for name in inside if f"`{name}/`" not in text and f"`{Path(name).name}/`" not in text} == set()


PATH = re.compile(r"(?:receiver|sync|models|migrations|tests)/[\w./-]*")


def test_every_path_that_a_document_names_is_there() -> None:
    """Capitals stand for a name that the reader chooses. The changelog tells of what was."""
    named = {
        (document.as_posix(), name)
        for document in DOCUMENTS
        if document.name != "CHANGELOG.md"
        for name in re.findall(r"`([^`\s]+)`", without_code(document))
        if PATH.fullmatch(name) and not re.search(r"[A-Z]{2}", name)
    }
    assert len(named) > 100
    assert {(document, name) for document, name in named if not (ROOT / name).exists()} == set()


def test_every_command_has_a_row_and_every_command_of_a_group_stands_in_it() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `zexa-sync ([a-z-]+)[^`]*` \| (.*) \|$", page, re.MULTILINE))
    context = click.Context(main)
    assert rows.keys() == set(main.list_commands(context))
    for name, row in rows.items():
        shown = CliRunner().invoke(main, [name, "--help"], catch_exceptions=False)
        assert (shown.exit_code, shown.output[:7]) == (0, "Usage: ")
        command = main.get_command(context, name)
        if isinstance(command, click.Group):
            named = {part.removeprefix(f"{name} ") for part in re.findall(r"`([^`]+)`", row)}
            assert set(command.list_commands(context)) <= named, name


COMMAND_LINES = [
    (document, line.strip())
    for document in DOCUMENTS
    for block in re.findall(r"^ *```console\n(.*?)^ *```$", (ROOT / document).read_text(), re.DOTALL | re.MULTILINE)
    for line in block.replace("\\\n", " ").splitlines()
    if re.match(r" *(\.venv/bin/)?zexa-sync ", line)
]


@pytest.mark.parametrize(("document", "line"), COMMAND_LINES, ids=str)
def test_every_command_to_paste_is_one_that_there_is(
    document: Path, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, *words = shlex.split(line, comments=True)
    monkeypatch.chdir(tmp_path)
    for name in re.findall(r"\S+\.csv", line):
        (tmp_path / name).touch()
    command: click.Command = main
    context = click.Context(command)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        subcommand = command.get_command(context, name)
        assert subcommand, f"{document}: {name}"
        command = subcommand
    command.make_context(command.name, words)
