"""Puts anything on a terminal safely: every value is escaped, and nothing is read as markup."""

import base64
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sync.terminal.times import time_text

# If the output is no terminal, a line is as long as its values.
UNWRAPPED_COLUMNS = 100_000


def visible(text: str) -> str:
    """Return `text` with every character that is not printable as an escape such as \\x1b."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def say(text: str) -> None:
    """Print `text`; what the encoding of standard output lacks is an escape, never an error.

    Written to `sys.stdout` itself: click would look for the stream behind it, and tear the bar that `progress` shows.
    """
    encoding = sys.stdout.encoding or "utf-8"  # rich's stream, which keeps lines above its bar, names none
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stdout.flush()


def body_text(title: str, body: bytes) -> str:
    """Return `body` exactly, under `title`, so that it can be copied.

    Only a newline breaks a line, other control characters are shown.
    """
    lines = body.decode("utf-8", "backslashreplace").split("\n")
    return "\n".join(["", title, *(f"  {visible(line)}" for line in lines)])


# How people are told that a fact is no signed event.
POLLED = "asked for, not signed"


def value_text(value: Any) -> str:
    """Return a value of a row as people read it."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return time_text(value) if isinstance(value, datetime) else visible(str(value))


def number_text(number: int, noun: str) -> str:
    """Return for example `1 raw event` or `2,000 raw events`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def rows_shown_text(shown: int, total: int, which: str) -> str:
    """Return how many rows there are and, if fewer are `shown`, how many: for example `the latest 50 of 2,000`."""
    return f"{total:,}" if shown == total else f"the {which} {shown:,} of {total:,}"


def body_document(body: bytes) -> dict[str, str | None]:
    """Return `body` as text or, if it is not UTF-8, in Base64."""
    try:
        return {"body": body.decode("utf-8"), "body_base64": None}
    except UnicodeDecodeError:
        return {"body": None, "body_base64": base64.b64encode(body).decode("ascii")}


def table_text(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return cells in aligned columns under `names`; the last one is as long as its values."""
    lines = [list(names), *([visible(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    widths[-1] = 0
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
