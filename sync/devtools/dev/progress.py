"""Shows a person how a start goes: a spinner and times on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text


@dataclass(slots=True)
class Step:
    detail: str = ""  # what came of it, said once it is done


class Progress:
    def __init__(self) -> None:
        # Lines are never broken to the terminal's width: some are commands to be pasted.
        self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)

    def say(self, line: str = "", *, style: str = "") -> None:
        self._console.print(Text(line, style=style))

    @contextmanager
    def step(self, name: str, doing: str) -> Iterator[Step]:
        """Show `doing` until the block ends, then `name`, the seconds it took and what came of it."""
        step = Step()
        begun = time.monotonic()
        if self._console.is_interactive:
            with self._console.status(Text(doing), spinner="line"):
                yield step
        else:
            self.say(f"  ..  {doing}")
            yield step
        seconds = f"{time.monotonic() - begun:4.1f} s  "
        self._console.print(Text.assemble(("  ok  ", "green"), (f"{name:<9}", "bold"), (seconds, "dim"), step.detail))
