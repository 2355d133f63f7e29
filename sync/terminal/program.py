"""The name by which a person calls our commands. In production `zexa-sync` is not installed, only what it needs."""

import os
import shutil
import sys
from pathlib import Path

COMMAND = "zexa-sync"
MODULE = "python -m sync"


def program() -> str:
    """Return the command line's name as it was invoked, fit to be pasted: `zexa-sync`, its path or `python -m sync`.

    A process that was started otherwise, such as web, names what is installed beside its Python.
    """
    invoked = Path(sys.argv[0] if sys.argv else "")
    if invoked.name == COMMAND:
        return _pasted(invoked)
    if invoked.parts[-2:] == ("sync", "__main__.py") or not Path(sys.executable).with_name(COMMAND).exists():
        return MODULE
    return COMMAND


def _pasted(command: Path) -> str:
    installed = shutil.which(COMMAND)
    if installed and command.exists() and Path(installed).samefile(command):
        return COMMAND
    return os.path.relpath(command) if command.absolute().is_relative_to(Path.cwd()) else str(command)


def as_invoked(text: str) -> str:
    """Return `text` with the name of the command line as it was invoked."""
    return text.replace(f"{COMMAND} ", f"{program()} ")
