"""Every page of the console in a real browser: reached by links alone, on small screens and large, light and dark."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import axe_core_python
import pytest

from sync.users.accounts import LinkKind, Role
from tests.integration.receiver.console.test_who_may import contents
from tests.support.browser import Browser, browser
from tests.support.console_platform import ConsolePlatform
from tests.support.hands import ConsoleUser, Mouse
from tests.system.packages import find_command

pytestmark = pytest.mark.needs("chromium", "chromedriver")
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
OF_COLOURS = ("color-contrast", "link-in-text-block")
# Width, whether it is dark, and what axe looks at: only these rules see colours, and all others need one look a width.
LOOKS = ((320, False, None), (320, True, OF_COLOURS), (1440, True, None), (1440, False, OF_COLOURS))
PAGE_BYTES_MAX = 100_000
LINKS = "return [...document.querySelectorAll('a[href]')].map((link) => link.href)"
# Until the page is drawn anew: a change of colours is not there at once.
DRAWN = "const told = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(told))"
OVERFLOWING = """
const screen = document.documentElement.clientWidth;
return document.documentElement.scrollWidth <= screen ? [] : [...document.querySelectorAll('main *, header *')]
  .filter((it) => it.getBoundingClientRect().right > screen).map((it) => it.outerHTML.slice(0, 100)).slice(0, 3);
"""
BARRIERS = """
const told = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ['violations'], ...(%s && {runOnly: %s})}).then(({violations}) =>
  told(violations.map(({id, nodes}) => [id, nodes[0].html, nodes[0].failureSummary])));
"""
BYTES = """
return ['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind))
  .reduce((sum, entry) => sum + entry.decodedBodySize, 0);
"""


@pytest.fixture(scope="module")
def window(driver: str) -> Iterator[Browser]:
    chromium = find_command("chromium")
    assert chromium
    with browser(driver, chromium) as opened:
        yield opened


@pytest.fixture(scope="module")
def user(window: Browser, console: ConsolePlatform) -> ConsoleUser:
    return ConsoleUser(window, console, Mouse(window))


def check(window: Browser) -> None:
    """Look at the page that is shown as a person with a small screen does, and as a person who cannot see it."""
    assert window.script("return document.styleSheets.length && getComputedStyle(document.body).display") == "flex"
    assert window.script(BYTES) < PAGE_BYTES_MAX, window.path
    window.script(AXE)
    for width, is_dark, rules in LOOKS:
        window.show_as(width=width, height=800, is_dark=is_dark)
        window.script_to_its_end(DRAWN)
        assert window.script(OVERFLOWING) == [], (window.path, width)
        chosen = json.dumps(rules)
        assert window.script_to_its_end(BARRIERS % (chosen, chosen)) == [], (window.path, width, is_dark)


def kind_of(url: str) -> tuple[str, bool]:
    """The page, and whether anything is asked of it: one message is like another."""
    parts = urlsplit(url)
    return parts.path, bool({name for name, _ in parse_qsl(parts.query)} - {"lang"})


def rows(console: ConsolePlatform) -> dict[str, list[Any]]:
    """Every row but the mark that the web process itself keeps making, that it runs."""
    return {table: held for table, held in contents(console.engine).items() if table != "last_reachable"}


def test_every_page_keeps_nobody_out_fits_its_screen_and_changes_no_row(
    user: ConsoleUser, console: ConsolePlatform
) -> None:
    """The crawl is in Portuguese, whose words are longer."""
    user.enter()
    before = rows(console)
    waiting = [f"{console.url}/?lang=pt", f"{console.url}/message?id={console.message()}"]
    waiting.append(f"{console.url}/evidence?message={console.message()}")
    seen: dict[tuple[str, bool], str] = {}
    while waiting:
        url = waiting.pop(0)
        if kind_of(url) in seen:
            continue
        seen[kind_of(url)] = url
        user.window.open(url)
        assert user.window.attribute("html", "lang") == "pt"
        check(user.window)
        links = [link for link in user.window.script(LINKS) if link.startswith(console.url) and "lang=en" not in link]
        waiting += [link.partition("#")[0] for link in links]
    assert len(seen) > 15, sorted(seen)
    assert rows(console) == before
    user.window.open(f"{console.url}/?lang=en")
    for url in seen.values():
        user.window.open(url)
        assert user.window.script(OVERFLOWING) == [], url


def nothing_is_found(user: ConsoleUser) -> str:
    user.follow("Messages")
    user.write("A message id", "999 999 999")
    user.follow("Find")
    return "No message is known"


def no_address_is_looked_for(user: ConsoleUser) -> str:
    user.follow("Opt-outs")
    user.write("A telephone number", "n/a")
    user.follow("Look")
    return "That is no address"


def no_address_opts_out(user: ConsoleUser) -> str:
    user.follow("Opt-outs")
    user.write("Address", "1")
    user.write("How did they say so?", "by phone")
    user.follow("Opt out on every channel")
    return "nothing was recorded"


def no_page_is_asked_for(user: ConsoleUser) -> str:
    user.window.open(f"{user.console.url}/nothing")
    return "There is no such page"


def no_message_is_asked_for(user: ConsoleUser) -> str:
    user.window.open(f"{user.console.url}/message?id=nothing")
    return "Nothing is known of this message"


def a_viewer_asks_for_evidence(user: ConsoleUser) -> str:
    user.enter("Rui", Role.VIEWER)
    user.window.open(f"{user.console.url}/evidence?message={user.console.message()}")
    return "Only operators may do this"


def a_link_is_stale(user: ConsoleUser) -> str:
    user.leave()
    user.window.open(f"{user.console.url}/link/nothing")
    return "This link works no more"


def a_link_sets_a_password(user: ConsoleUser) -> str:
    user.leave()
    user.window.open(user.console.link("Ana", kind=LinkKind.PASSWORD))
    return "Choose the password"


def nobody_has_this_password(user: ConsoleUser) -> str:
    user.leave()
    user.window.open(f"{user.console.url}/login")
    user.write("Name", "Nobody")
    user.write("Password", "a password of nobody")
    user.follow("Sign in")
    return "do not go together"


PROBLEMS = (
    nothing_is_found,
    no_address_is_looked_for,
    no_address_opts_out,
    no_page_is_asked_for,
    no_message_is_asked_for,
    a_viewer_asks_for_evidence,
    a_link_is_stale,
    a_link_sets_a_password,
    nobody_has_this_password,
)


@pytest.mark.parametrize("cause", PROBLEMS, ids=lambda cause: cause.__name__)
def test_a_page_that_says_no_keeps_nobody_out_either(user: ConsoleUser, cause: Callable[[ConsoleUser], Any]) -> None:
    user.window.show_as(width=1280, height=900)
    user.enter()
    user.sees(cause(user))
    check(user.window)
