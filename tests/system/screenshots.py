"""The pictures of docs/console.md: `python -m tests.system.screenshots` makes them anew, in docs/console."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import make_url

from sync.devtools.dev.embedded import private_redis
from tests.conftest import ROOT, migrate
from tests.support.browser import browser, chromedriver
from tests.support.console_platform import ConsolePlatform, console_platform
from tests.system.packages import find_command

FOLDER = ROOT / "docs" / "console"
BUTTON = "button.primary"
HEIGHT_MAX = 1600
# By name: language, width, height, dark.
LOOKS = {
    "light": ("en", 1280, 900, False),
    "dark": ("en", 1280, 900, True),
    "phone": ("en", 390, 800, False),
    "pt": ("pt", 1280, 900, False),
}
WANTED = {
    *(f"overview-{look}" for look in ("light", "dark", "phone")),
    *("message-pt", "campaign-light", "failures-dark", "person-phone"),
}


def take(console: ConsolePlatform, driver: str, chromium: str, folder: Path) -> None:
    """Take every wanted picture into `folder`."""
    message = console.message()
    pages = {
        "overview": f"{console.url}/",
        "message": f"{console.url}/message?id={message}",
        "campaign": f"{console.url}/campaign?id={console.campaign()}",
        "failures": f"{console.url}/failures?days=30",
        "person": f"{console.url}/person?message={message}",
    }
    for look, (language, width, height, is_dark) in LOOKS.items():
        with browser(driver, chromium, language=language) as window:
            window.show_as(width=width, height=height, is_dark=is_dark)
            window.open(console.link())
            with window.leaving():
                window.click(BUTTON)
            for page, url in pages.items():
                if f"{page}-{look}" in WANTED:
                    window.open(url)
                    window.picture(folder / f"{page}-{look}.png", height_max=HEIGHT_MAX)


def shrink(quantiser: str, folder: Path) -> None:
    """Keep of each picture 128 colours, which is hardly seen and takes a third of the bytes."""
    pictures = [str(path) for path in sorted(folder.glob("*.png"))]
    subprocess.run([quantiser, "--force", "--ext", ".png", "--strip", "--speed", "1", "128", *pictures], check=True)


def main() -> None:
    chromium, command, quantiser = (find_command(name) for name in ("chromium", "chromedriver", "pngquant"))
    if not (chromium and command and quantiser):
        sys.exit("chromium, chromedriver and pngquant are needed: python -m tests.system.packages")
    with TemporaryDirectory() as name, private_redis(Path(name) / "redis", is_durable=False) as redis:
        folder, url = Path(name), make_url(f"sqlite:///{name}/zexa.db")
        migrate(url)
        FOLDER.mkdir(exist_ok=True)
        with console_platform(folder / "logs", url, redis.url) as console, chromedriver(command) as driver:
            console.receive()
            take(console, driver, chromium, FOLDER)
        shrink(quantiser, FOLDER)


if __name__ == "__main__":
    main()
