"""Reads the arguments that several commands have in common. What cannot be meant is refused in one line."""

import math
from typing import Any

import click


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


# At most thirty years: what is added to a time must stay one.
SECONDS = FiniteRange(0, 1_000_000_000)
TEXT = Text()
