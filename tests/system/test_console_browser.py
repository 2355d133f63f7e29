"""The console in a real browser: whole tasks, by the keyboard alone, without JavaScript, on small screens and large."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import axe_core_python
import pytest
from sqlalchemy import make_url

from sync.devtools.dev.embedded import RedisServer
from sync.users.accounts import Role
from tests.support.browser import ENTER, TAB, Browser, browser, chromedriver
from tests.support.console_platform import ConsolePlatform, console_platform
from tests.support.processes import wait_for
from tests.system.packages import find_command

pytestmark = pytest.mark.needs("chromium", "chromedriver")
RUI = "+244923000111"
PRESSES_MAX = 40
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()


@pytest.fixture(scope="module")
def console(
    tmp_path_factory: pytest.TempPathFactory, migrated_file: Path, redis_server: RedisServer
) -> Iterator[ConsolePlatform]:
    folder = tmp_path_factory.mktemp("console")
    url = make_url(f"sqlite:///{shutil.copyfile(migrated_file, folder / 'zexa.db')}")
    with console_platform(folder / "logs", url, redis_server.url) as started:
        yield started


@pytest.fixture(scope="module")
def driver() -> Iterator[str]:
    command = find_command("chromedriver")
    assert command
    with chromedriver(command) as url:
        yield url


@pytest.fixture(params=[True, False], ids=["with scripts", "without scripts"])
def window(request: pytest.FixtureRequest, driver: str) -> Iterator[Browser]:
    chromium = find_command("chromium")
    assert chromium
    with browser(driver, chromium, has_scripts=request.param) as opened:
        yield opened


def enter(window: Browser, console: ConsolePlatform, name: str = "Maria", role: Role = Role.OPERATOR) -> None:
    window.open(console.link(name, role))
    window.click("button.primary")
    window.wait_for_path("/console/")


def test_an_opt_out_is_added_found_explained_and_ended(window: Browser, console: ConsolePlatform) -> None:
    before = len(console.stated())
    enter(window, console)
    window.click("nav a[href='/console/opt-outs']")
    window.write("#new", "923 000 111")
    window.write("#reason", "asked by phone")
    window.click("form[action$='/add'] button")
    window.wait_for_text("Must not be messaged")
    window.click("nav a[href='/console/opt-outs']")
    window.write("#address", f"tel:{RUI}")
    window.click("form[role='search'] button")
    window.wait_for_text("Must not be messaged")
    window.write("#why", "signed up again")
    window.click("form[action$='/remove'] button")
    window.wait_for_text("May be messaged: the opt-out was ended")
    assert console.stated()[before:] == [
        ("opted_out", RUI, "Maria", "asked by phone"),
        ("opted_in", RUI, "Maria", "signed up again"),
    ]


def test_why_did_i_not_get_it_is_answered_from_the_overview(window: Browser, console: ConsolePlatform) -> None:
    enter(window, console)
    window.wait_for_text("messages arrived")
    window.click("nav a[href='/console/messages']")
    window.write("#term", console.message())
    window.click("form[role='search'] button")
    window.wait_for_path(f"/console/message?id={console.message()}")
    window.wait_for_text("because message.delivered")
    window.click("dl a[href^='/console/person']")
    window.wait_for_text("Must not be messaged")


def test_a_viewer_reads_in_portuguese_and_signs_out(window: Browser, console: ConsolePlatform) -> None:
    enter(window, console, "Rui", Role.VIEWER)
    window.click("a[lang='pt']")
    window.wait_for_text("Visão geral")
    window.open(f"{console.url}/person?message={console.message()}")
    window.wait_for_text("Não pode receber mensagens")
    window.wait_for_text("…", "h1")
    assert "Terminar as recusas" not in window.source
    window.click(".who button")
    window.wait_for_path("/console/login")
    window.open(f"{console.url}/")
    window.wait_for_path("/console/login")


@pytest.mark.parametrize("window", [True], indirect=True)
def test_a_person_is_found_by_the_keyboard_alone(window: Browser, console: ConsolePlatform) -> None:
    window.open(console.link())
    wait_for(lambda: window.focused() == "Open the console", seconds=20, what="the focus on the button")
    window.press(ENTER)
    window.wait_for_path("/console/")
    press_until(window, "Opt-outs")
    window.press(ENTER)
    press_until(window, "address")
    window.press("912 345 678" + ENTER)
    window.wait_for_path("/console/person")
    window.wait_for_text("+244912345678", "h1")


def press_until(window: Browser, name: str) -> None:
    for _ in range(PRESSES_MAX):
        window.press(TAB)
        if window.focused() == name:
            return
    raise AssertionError(f"the keyboard does not reach {name}")


@pytest.mark.parametrize("window", [True], indirect=True)
@pytest.mark.parametrize(("width", "is_dark"), [(320, True), (320, False), (1440, True), (1440, False)])
def test_no_page_is_wider_than_its_screen_or_keeps_anybody_out(
    window: Browser, console: ConsolePlatform, width: int, is_dark: bool
) -> None:
    enter(window, console)
    window.show_as(width=width, height=800, is_dark=is_dark)
    message = console.message()
    for page in ("", "messages", "opt-outs", "campaigns", "failures?days=30", "dead-letters", "health", "log"):
        check(window, f"{console.url}/{page}")
    for page in (f"message?id={message}", f"person?message={message}"):
        check(window, f"{console.url}/{page}")


def check(window: Browser, url: str) -> None:
    """Look at a page as a person with a small screen does, and as a person who cannot see it."""
    window.open(url)
    wide, screen = window.script("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= screen, url
    assert window.script("return document.styleSheets.length && getComputedStyle(document.body).display") == "flex", url
    window.script(AXE)
    found = window.script_to_its_end(
        "const told = arguments[arguments.length - 1];"
        "axe.run(document, {resultTypes: ['violations']}).then(({violations}) =>"
        " told(violations.map(({id, nodes}) => [id, nodes[0].html])))"
    )
    assert found == [], url
