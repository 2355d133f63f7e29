"""Debian's Chromium, driven by its own chromedriver over the WebDriver protocol (https://www.w3.org/TR/webdriver2/)."""

import base64
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

from sync.devtools.dev.embedded import free_port
from tests.support.processes import wait_for

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element, by the standard
TAB, ENTER, SPACE, SHIFT, CONTROL = "\ue004", "\ue007", " ", "\ue008", "\ue009"
_GONE = ("no such element", "stale element reference")  # the errors, by the standard
CSS, XPATH = "css selector", "xpath"
PAGE_SECONDS = 60
# Root may not use the sandbox, and containers have little shared memory.
_ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage")


class NoElement(Exception):  # noqa: N818 - a state, which may pass
    """The page that is shown has none, or not any more."""


class Browser:
    """One window. Elements are named by CSS selectors."""

    def __init__(self, driver: str, **capabilities: Any) -> None:
        self._pool = urllib3.PoolManager(timeout=60, retries=False)
        self._url = driver
        request = {"capabilities": {"alwaysMatch": {"browserName": "chrome", **capabilities}}}
        self._url = f"{driver}/session/{self._ask('POST', '/session', request)['sessionId']}"

    def open(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    @property
    def path(self) -> str:
        return "/" + str(self._ask("GET", "/url")).split("/", 3)[3]

    @property
    def source(self) -> str:
        return str(self._ask("GET", "/source"))

    def text(self, selector: str = "main") -> str:
        return str(self._ask("GET", f"/element/{self._find(selector, CSS)}/text"))

    @property
    def title(self) -> str:
        return str(self._ask("GET", "/title"))

    def attribute(self, selector: str, name: str) -> str:
        return str(self._ask("GET", f"/element/{self._find(selector, CSS)}/attribute/{name}"))

    def wait_for_text(self, text: str, selector: str = "main") -> None:
        """Wait until the page shows `text`: a click returns before the next page is there."""
        try:
            wait_for(lambda: self._shows(selector, text), seconds=PAGE_SECONDS, what=f"{text} in {selector}")
        except AssertionError as error:
            raise AssertionError(f"{error}, but {self.path}: {self.text('body')[:2000]}") from None

    def wait_for_path(self, path: str) -> None:
        wait_for(lambda: self.path == path, seconds=PAGE_SECONDS, what=path)

    def click(self, selector: str, *, using: str = CSS) -> None:
        self._ask("POST", f"/element/{self._find(selector, using)}/click", {})

    def write(self, selector: str, text: str, *, using: str = CSS) -> None:
        """Write `text` in a field instead of what stands there."""
        element = self._find(selector, using)
        self._ask("POST", f"/element/{element}/clear", {})
        self._ask("POST", f"/element/{element}/value", {"text": text})

    def attach(self, selector: str, path: Path, *, using: str = CSS) -> None:
        """Choose the file at `path` in a field."""
        self._ask("POST", f"/element/{self._find(selector, using)}/value", {"text": str(path)})

    def press(self, keys: str, *, holding: str = "") -> None:
        """Type `keys` wherever the focus is, as somebody without a mouse."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        if holding:
            actions = [{"type": "keyDown", "value": holding}, *actions, {"type": "keyUp", "value": holding}]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Wait, after what is done here, until another page is there."""
        page = self._find("html", CSS)
        yield

        def has_gone() -> bool:
            try:
                self._ask("GET", f"/element/{page}/name")
            except NoElement:
                return True
            return False

        wait_for(has_gone, seconds=PAGE_SECONDS, what="another page")

    def cookies(self) -> dict[str, str]:
        return {cookie["name"]: cookie["value"] for cookie in self._ask("GET", "/cookie")}

    def forget_cookies(self) -> None:
        self._ask("DELETE", "/cookie")

    def script(self, code: str) -> Any:
        return self._ask("POST", "/execute/sync", {"script": code, "args": []})

    def script_to_its_end(self, code: str) -> Any:
        """Return what `code` tells its last argument, a function."""
        return self._ask("POST", "/execute/async", {"script": code, "args": []})

    def show_as(self, *, width: int, height: int, is_dark: bool = False) -> None:
        """Show pages on a screen of this size, in dark colours if asked for."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._devtools("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        # Or a test may see a colour that is half changed.
        motion = {"name": "prefers-reduced-motion", "value": "reduce"}
        self._devtools("Emulation.setEmulatedMedia", {"features": [scheme, motion]})

    def show_printed(self, *, is_printed: bool) -> None:
        """Show pages as they come out of a printer."""
        self._devtools("Emulation.setEmulatedMedia", {"media": "print" if is_printed else ""})

    def picture(self, path: Path, *, height_max: int) -> None:
        """Keep the page, or so many of its upper pixels, as a PNG file."""
        width, height = self.script(
            "return [document.documentElement.clientWidth, document.documentElement.scrollHeight]"
        )
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, height_max), "scale": 1}
        shot = self._devtools("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        path.write_bytes(base64.b64decode(shot["data"]))

    def quit(self) -> None:
        self._ask("DELETE", "")

    def _shows(self, selector: str, text: str) -> bool:
        try:
            return text in self.text(selector)
        except NoElement:
            return False

    def _find(self, selector: str, using: str) -> str:
        return wait_for(lambda: self._element_id(selector, using), seconds=PAGE_SECONDS, what=f"an element {selector}")

    def _element_id(self, selector: str, using: str) -> str:
        try:
            return str(self._ask("POST", "/element", {"using": using, "value": selector})[_ELEMENT])
        except NoElement:
            return ""

    def _devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        response = self._pool.request(method, self._url + path, json=body)
        value = response.json()["value"]
        if response.status != 200 and (value["error"] in _GONE or "not belong to the document" in value["message"]):
            raise NoElement(value["message"])
        assert response.status == 200, value
        return value


@contextmanager
def chromedriver(command: str) -> Iterator[str]:
    """Run chromedriver; yield its URL."""
    port = free_port()
    process = subprocess.Popen([command, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"

    def is_ready() -> bool:
        try:
            return bool(urllib3.request("GET", f"{url}/status", retries=False, timeout=5).json()["value"]["ready"])
        except urllib3.exceptions.HTTPError:
            return False

    try:
        wait_for(is_ready, seconds=60, what="chromedriver")
        yield url
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def browser(driver: str, chromium: str, *, language: str = "en", has_scripts: bool = True) -> Iterator[Browser]:
    """Open a browser of its own: without cookies, in this language, and without JavaScript if asked for."""
    preferences: dict[str, Any] = {"intl.accept_languages": language}
    if not has_scripts:
        preferences["profile.managed_default_content_settings.javascript"] = 2
    options = {"binary": chromium, "args": list(_ARGUMENTS), "prefs": preferences}
    opened = Browser(driver, **{"goog:chromeOptions": options})
    try:
        opened.show_as(width=1280, height=900)
        yield opened
    finally:
        opened.quit()
