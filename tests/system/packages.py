"""The Debian packages that system tests use: `python -m tests.system.packages` installs the missing packages.

It needs root and apt-get. A package that cannot be installed is left out in one line, and its tests are skipped. With
CI=true they fail, on a machine that could install the package.
"""

import os
import shutil
import subprocess
import sys

# By the command that shows that the package is there.
PACKAGES = {
    "pgbouncer": "pgbouncer",
    "promtool": "prometheus",
    "chromium": "chromium",
    "chromedriver": "chromium-driver",
    "pngquant": "pngquant",
}

# Debian keeps servers out of the PATH of an ordinary user.
SEARCHED = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


def find_command(name: str) -> str | None:
    """Return the path of `name`, one of PACKAGES, or None if it is not installed."""
    return shutil.which(name, path=SEARCHED)


def may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: list[str]) -> bool:
    """Install `packages` without what they only recommend; return whether that worked."""
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    commands = [["update"], ["install", "-y", "--no-install-recommends", *packages]]
    return all(
        subprocess.run(["apt-get", "-qq", *words], env=environ, check=False).returncode == 0 for words in commands
    )


def main() -> None:
    missing = sorted({package for command, package in PACKAGES.items() if not find_command(command)})
    if missing and not (may_install() and install(missing)):
        sys.stderr.write(f"left out, not installed (root and apt-get are needed): {', '.join(missing)}\n")


if __name__ == "__main__":
    main()
