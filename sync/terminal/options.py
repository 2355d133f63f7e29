"""Reads the arguments that several commands have in common. What cannot be meant is refused in one line."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from sync.events.times import EARLIEST
from sync.events.written_text import is_storable
from sync.terminal.times import read_time


class FiniteRange(click.FloatRange):
    """A number of a range; without `nan`, which click finds in every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail("nan is no number", param, ctx)
        return number


class Text(click.ParamType[str]):
    """A text. An argument of other bytes than UTF-8 is found in no store, and cannot be printed."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail("it is no text in UTF-8", param, ctx)
        return value


_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?([a-z]{0,3})")


class Duration(click.ParamType[float]):
    """A number of seconds, given as `90`, `90s`, `15m`, `1h` or `2d`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = _DURATION.fullmatch(str(value).strip().lower())
        if not match or match[2] not in _UNITS:
            self.fail("give for example 90s, 15m, 1h or 2d", param, ctx)
        return float(match[1]) * _UNITS[match[2]]


DURATION = Duration()

# At most thirty years: what is added to a time must stay one.
SECONDS = FiniteRange(0, 1_000_000_000)
TEXT = Text()


class WrongUse(click.ClickException):
    """Printed as one line, without the usage that click adds to its own."""

    exit_code = 2


def words(text: str) -> str:
    """Return a text that a database can keep, without the blanks around it."""
    if not is_storable(text):
        raise click.BadParameter("it is blank, longer than 1,024 bytes, or no text")
    return text.strip()


def past_time(text: str) -> datetime:
    """Return a time in ISO 8601 as an aware time; UTC if it names no offset."""
    read = read_time(text)
    if read is None:
        raise click.BadParameter("give ISO 8601, for example 2026-06-24 or 2026-06-24T10:05:00Z")
    if read < EARLIEST:
        raise click.BadParameter("it lies before the year 2000")
    return min(read, datetime.now(UTC))  # no decision lies in the future


LIMIT_MAX = 10_000


def limit(noun: str) -> Callable[[Any], Any]:
    """Return the option `--limit`: how many rows are shown at the most."""
    kind = click.IntRange(1, LIMIT_MAX)
    return click.option("--limit", default=50, show_default=True, type=kind, metavar="N", help=f"At most N {noun}.")


JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


FILE = click.Path(dir_okay=False, path_type=Path)


FILE_GIVEN = click.Path(exists=True, dir_okay=False, path_type=Path)


SHOW_ADDRESSES = click.option("--show-addresses", is_flag=True, help="Print numbers and addresses in full.")
