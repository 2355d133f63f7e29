"""Draws for standard output, in as many columns and colours as that has."""

import sys

from rich.console import Console, RenderableType

from sync.terminal.text import UNWRAPPED_COLUMNS


def output_console(*, highlight: bool = True) -> Console:
    """Return a console as wide as standard output; if that is no terminal, without colours and as wide as any line."""
    is_watched = sys.stdout.isatty()
    width = None if is_watched else UNWRAPPED_COLUMNS
    return Console(force_terminal=is_watched, width=width, highlight=highlight)


def drawn_lines(console: Console, *parts: RenderableType) -> list[str]:
    """Return `parts` as `console` draws them, without blanks at the ends of lines."""
    with console.capture() as capture:
        for part in parts:
            console.print(part)
    return [line.rstrip() for line in capture.get().strip("\n").split("\n")]
