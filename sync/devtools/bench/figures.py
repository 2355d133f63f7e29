"""What was measured, beside its yardsticks and its target. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

MILLISECONDS = 1000  # of a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a figure, or its ratio to a yardstick, should come to."""

    at_least: float | None = None
    at_most: float | None = None

    def is_met_by(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Yardstick:
    """The same measure of something else in the same run; `target` is of the figure as a multiple of it."""

    name: str
    value: float
    target: Target | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    part: str
    name: str
    value: float
    unit: str
    yardsticks: tuple[Yardstick, ...] = ()
    target: Target | None = None
    note: str = ""

    def ratio(self, yardstick: Yardstick) -> float | None:
        return self.value / yardstick.value if yardstick.value else None

    @property
    def verdicts(self) -> list[tuple[Target, bool]]:
        """Every target of this figure, and whether it is met."""
        measured = [
            (self.target, self.value),
            *((yardstick.target, self.ratio(yardstick)) for yardstick in self.yardsticks),
        ]
        return [(target, value is not None and target.is_met_by(value)) for target, value in measured if target]


def as_document(figure: Figure) -> dict[str, Any]:
    """Return `figure` as JSON's types; `is_met` is null if there is no target."""
    return {
        "part": figure.part,
        "name": figure.name,
        "value": _rounded(figure.value),
        "unit": figure.unit,
        "yardsticks": [
            {
                "name": yardstick.name,
                "value": _rounded(yardstick.value),
                "ratio": _rounded(figure.ratio(yardstick)),
                "target": _bounds(yardstick.target),
            }
            for yardstick in figure.yardsticks
        ],
        "target": _bounds(figure.target),
        "is_met": all(is_met for _, is_met in figure.verdicts) if figure.verdicts else None,
        "note": figure.note,
    }


def _bounds(target: Target | None) -> dict[str, float | None] | None:
    return None if target is None else {"at_least": _rounded(target.at_least), "at_most": _rounded(target.at_most)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def middle(values: Sequence[float]) -> float:
    """Return the median of what the rounds of one measurement gave."""
    return median(values)
