"""docs/logs.md lists every line of the log that the code can write, with its level and its fields."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from receiver.server import access_log
from receiver.webhook.endpoint import RequestSource
from sync.provider.outages.marks import OutageKind
from sync.provider.outages.record import NewOutage
from sync.store.tally import Tally

ROOT = Path(__file__).parents[2]
LEVELS = ("info", "warning", "error")
ON_EVERY_LINE = {"event", "level", "timestamp"}
STORES = ("redis", "database")
# Fields that stand in the code as `**…`, and the mapping that they come from.
HANDED_ON = {
    "tally.logged()": set(Tally().logged()),
    "outage.logged()": set(NewOutage(began=0.0, ended=None, kind=OutageKind.NO_STORE).logged()),
    "fields": {"digest", "request_id", *RequestSource._fields},
}
SECTIONS = {"receiver": "web", "sync": "worker"}


class Line(NamedTuple):
    process: str
    event: str
    level: str
    fields: frozenset[str]


def lines_in_the_code() -> Iterator[Line]:
    for package, process in SECTIONS.items():
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in {f"log.{level}" for level in LEVELS}:
                    level = ast.unparse(node.func).removeprefix("log.")
                    yield from (Line(process, event, level, fields(node)) for event in events(node.args[0]))
    names = re.findall(r'"(\w+)":', access_log._LINE)
    yield Line("web", "request", "info", frozenset(names) - ON_EVERY_LINE)


def events(name: ast.expr) -> list[str]:
    if isinstance(name, ast.Constant):
        return [str(name.value)]
    assert ast.unparse(name).startswith("f'{store}."), "the page cannot be held to a name that is made elsewhere"
    return [ast.literal_eval(ast.unparse(name)[1:]).replace("{store}", store) for store in STORES]


def fields(call: ast.Call) -> frozenset[str]:
    names: set[str] = set()
    for keyword in call.keywords:
        names |= {keyword.arg} if keyword.arg else HANDED_ON[ast.unparse(keyword.value)]
    return frozenset(names)


def lines_of_the_page() -> Iterator[Line]:
    text = (ROOT / "docs" / "logs.md").read_text()
    for process in SECTIONS.values():
        section = text.split(f"\n## `{process}`\n")[1].split("\n## ")[0]
        for event, level, names in re.findall(r"^\| `([\w.]+)` \| (\w+) \|([^|]*)\|", section, re.MULTILINE):
            yield Line(process, event, level, frozenset(re.findall(r"`(\w+)`", names)))


CODE = set(lines_in_the_code())


@pytest.mark.parametrize("line", sorted(CODE), ids=lambda line: f"{line.process}-{line.event}")
def test_every_line_of_the_log_is_on_its_page(line: Line) -> None:
    assert line in set(lines_of_the_page())


def test_the_page_lists_no_line_that_is_never_written() -> None:
    assert set(lines_of_the_page()) == CODE
    assert len(CODE) > 25
