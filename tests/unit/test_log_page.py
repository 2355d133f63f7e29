"""docs/logs.md lists every line of the log that the code can write, with its level and its fields."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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
            for level, call in calls_of_log(path.read_text()):
                yield from (Line(process, event, level, fields(call)) for event in events(call.args[0]))
    names = re.findall(r'"(\w+)":', access_log.JSON_LINE)
    yield Line("web", "request", "info", frozenset(names) - ON_EVERY_LINE)


def calls_of_log(source: str) -> Iterator[tuple[str, ast.Call]]:
    """The calls of `log`, each with its level."""
    if not re.search(r"\blog\b", source):
        return
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name("log"), attr=level)) if level in LEVELS:
                yield level, node


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


def test_the_lines_of_the_log_are_those_of_its_page() -> None:
    written, on_the_page = set(lines_in_the_code()), set(lines_of_the_page())
    assert written - on_the_page == set(), "written, and not on the page"
    assert on_the_page - written == set(), "on the page, and never written"
    assert len(written) > 25
