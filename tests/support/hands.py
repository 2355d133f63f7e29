"""How a person uses the pages of the console: with a mouse, or with the keys Tab, Enter and Space alone.

Links, buttons and fields are named by what a person reads on them, never by how a page is built.
"""

from pathlib import Path
from typing import NamedTuple, Protocol

from sync.users.accounts import Role
from tests.support.browser import CONTROL, ENTER, SPACE, TAB, XPATH, Browser
from tests.support.console_platform import ConsolePlatform

PRESSES_MAX = 150
# What has the focus: its tag and name, whether one sees it and the mark of the focus, and whether it follows the last.
_FOCUS = """
const it = document.activeElement, style = getComputedStyle(it), box = it.getBoundingClientRect(), last = window.last;
window.last = it;
const told = it.labels?.length ? it.labels[0].innerText : it.innerText || it.getAttribute('aria-label') || it.title;
const isMarked = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
const isSeen = box.width > 1 && box.height > 1 && box.right > 0 && box.left < innerWidth
  && box.bottom > 0 && box.top < innerHeight;
const follows = !last || last === document.body || it.classList.contains('skip')
  || Boolean(last.compareDocumentPosition(it) & Node.DOCUMENT_POSITION_FOLLOWING);
return [it.tagName, (told || '').replace(/\\s+/g, ' ').trim(), isMarked, isSeen, follows];
"""


class Focus(NamedTuple):
    """What has the focus."""

    tag: str
    name: str
    is_marked: bool
    is_seen: bool
    follows_the_last: bool


class Hands(Protocol):
    """Use what is called `name` on the page that is shown."""

    def follow(self, name: str) -> None:
        """Follow a link, or press a button, to another page."""

    def write(self, name: str, text: str) -> None:
        """Write in a field instead of what stands there."""

    def attach(self, name: str, path: Path) -> None:
        """Choose a file in the field."""

    def unfold(self, name: str) -> None:
        """Show what is folded away."""


class Mouse:
    """Points and clicks."""

    def __init__(self, window: Browser) -> None:
        self._window = window

    def follow(self, name: str) -> None:
        with self._window.leaving():
            self._window.click(f"//*[self::a or self::button][normalize-space()={quoted(name)}]", using=XPATH)

    def write(self, name: str, text: str) -> None:
        self._window.write(labelled(name), text, using=XPATH)

    def attach(self, name: str, path: Path) -> None:
        self._window.attach(labelled(name), path, using=XPATH)

    def unfold(self, name: str) -> None:
        self._window.click(f"//summary[normalize-space()={quoted(name)}]", using=XPATH)


class Keyboard:
    """Presses Tab until the focus is where it is wanted, and looks on the way whether one sees where it is."""

    def __init__(self, window: Browser) -> None:
        self._window = window

    def follow(self, name: str) -> None:
        focus = self.reach(name, "A", "BUTTON")
        with self._window.leaving():
            self._window.press(SPACE if focus.tag == "BUTTON" else ENTER)

    def write(self, name: str, text: str) -> None:
        self.reach(name, "INPUT", "SELECT", "TEXTAREA")
        self._window.press("a", holding=CONTROL)
        self._window.press(text)

    def attach(self, name: str, path: Path) -> None:
        self.reach(name, "INPUT")  # what Enter opens is the browser's own
        self._window.attach(labelled(name), path, using=XPATH)

    def unfold(self, name: str) -> None:
        self.reach(name, "SUMMARY")
        self._window.press(SPACE)

    def reach(self, name: str, *tags: str) -> Focus:
        """Press Tab until the focus is on what begins with `name`; every stop must be seen, and in the page's order."""
        stops = []
        focus = self.focus()
        for _ in range(PRESSES_MAX):
            if focus.tag in tags and (focus.name == name or (focus.tag == "INPUT" and focus.name.startswith(name))):
                return focus
            self._window.press(TAB)
            focus = self.focus()
            stops.append(f"{focus.tag} {focus.name}")
            assert focus.tag == "BODY" or (focus.is_marked and focus.is_seen and focus.follows_the_last), focus
        raise AssertionError(f"the keyboard does not reach {name}: {stops}")

    def focus(self) -> Focus:
        """Say where the focus is."""
        return Focus(*self._window.script(_FOCUS))


def quoted(text: str) -> str:
    """Return `text` as XPath writes it."""
    return f'"{text}"' if "'" in text else f"'{text}'"


def labelled(name: str) -> str:
    """Return the XPath of the field whose label begins with `name`."""
    return f"//*[@id=//label[starts-with(normalize-space(), {quoted(name)})]/@for]"


class ConsoleUser:
    """Somebody in front of a browser of their own, whose session is kept from one task to the next."""

    def __init__(self, window: Browser, console: ConsolePlatform, hands: Hands) -> None:
        self.window = window
        self.console = console
        self.hands = hands
        self._name = ""
        self.follow, self.write, self.attach, self.unfold = hands.follow, hands.write, hands.attach, hands.unfold
        self.sees = window.wait_for_text

    def enter(self, name: str = "Maria", role: Role = Role.OPERATOR) -> None:
        """Begin at the overview, signed in as `name`."""
        if self._name != name:
            self.leave()
            self.window.open(self.console.link(name, role))
            self.follow("Open the console")
            self._name = name
        self.window.open(f"{self.console.url}/?lang=en")
        self.sees("Overview", "h1")

    def leave(self) -> None:
        """Be nobody, without a word to the console."""
        if self._name:
            self.window.forget_cookies()
        self._name = ""
