"""Geometry of the charts, in SVG made here: pure numbers in, marks out. What they say stands beside them in HTML.

Only bars are drawn in SVG, stretched to the width there is. Every text is HTML, to stay readable at 320 pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

WIDTH, HEIGHT = 1000.0, 200.0
# Of the width that a bar has; the rest is between bars.
BAR_SHARE = 0.74
TICKS_MAX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A rectangle of a bar, in units of WIDTH and HEIGHT, in the colour called `kind`."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Bars side by side, each from the bottom up; `ticks` are values of the axis, greatest first, the last is 0."""

    bars: tuple[tuple[Part, ...], ...]
    ticks: tuple[int, ...]


def stacked_bars(rows: Sequence[Sequence[tuple[str, int]]]) -> Bars:
    """Return one bar for each of `rows`, which are (kind, number) from the bottom up."""
    ticks = axis_ticks(max((sum(number for _, number in row) for row in rows), default=0))
    step = WIDTH / max(1, len(rows))
    bars = tuple(_bar(row, place * step, step, ticks[0]) for place, row in enumerate(rows))
    return Bars(bars=bars, ticks=ticks)


def share_bar(row: Sequence[tuple[str, int]], whole: int) -> tuple[Part, ...]:
    """Return one bar from left to right, of which `whole` fills the width."""
    parts, x = [], 0.0
    for kind, number in row:
        width = WIDTH * number / whole if whole else 0.0
        if number:
            parts.append(Part(kind=kind, x=round(x, 1), y=0.0, width=round(max(width, 3.0), 1), height=HEIGHT))
        x += width
    return tuple(parts)


def _bar(row: Sequence[tuple[str, int]], left: float, step: float, top: int) -> tuple[Part, ...]:
    parts, y = [], HEIGHT
    for kind, number in row:
        height = HEIGHT * number / top if top else 0.0
        y -= height
        if number:
            x, width = left + step * (1 - BAR_SHARE) / 2, step * BAR_SHARE
            parts.append(Part(kind=kind, x=round(x, 1), y=round(y, 1), width=round(width, 1), height=round(height, 2)))
    return tuple(parts)


def axis_ticks(most: int) -> tuple[int, ...]:
    """Return round numbers from at least `most` down to 0, at most TICKS_MAX + 1 of them."""
    if most <= 0:
        return (1, 0)
    rough = most / TICKS_MAX
    size = 10 ** floor(log10(rough)) if rough >= 1 else 1
    step = next(
        int(size * factor) for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough and size * factor % 1 == 0
    )
    return tuple(step * place for place in range(ceil(most / step), -1, -1))
