"""The colours of the charts stand out from their card, and from each other for people who see red and green alike."""

import re
from itertools import combinations
from pathlib import Path

import pytest

from receiver.console import charts
from receiver.console.failures import REASONS_IN_CHART

SHEET = (Path(charts.__file__).parent / "static" / "console.css").read_text()
OF_MESSAGES = ("delivered", "failed", "undeliverable", "opt-outs", "unfinished")
OF_REASONS = (*(f"reason-{place}" for place in range(1, REASONS_IN_CHART + 1)), "unfinished")
KINDS = sorted({*OF_MESSAGES, *OF_REASONS})
BESIDE_EACH_OTHER = [*combinations(OF_MESSAGES, 2), *combinations(OF_REASONS, 2)]
CONTRAST_MIN = 3.0  # https://www.w3.org/TR/WCAG22/#non-text-contrast
DIFFERENCE_MIN = 20.0  # of CIE 1976; a person begins to see a difference at about 2
Triple = tuple[float, float, float]
# What is left of linear red, green and blue: Machado, Oliveira and Fernandes (2009), of the severest degree.
SIGHTS: dict[str, tuple[Triple, Triple, Triple]] = {
    "of most": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
}


def colours(theme: int) -> dict[str, Triple]:
    """By name, as linear red, green and blue; `theme` is 0 of light and 1 of dark."""
    codes = {name: re.findall(rf"--{name}: #(\w{{6}});", SHEET)[theme] for name in ("card", *KINDS)}
    return {name: linear(text) for name, text in codes.items()}


def linear(text: str) -> Triple:
    red, green, blue = (int(text[at : at + 2], 16) / 255 for at in (0, 2, 4))
    return _linear(red), _linear(green), _linear(blue)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def luminance(colour: Triple) -> float:
    return 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]


def contrast(first: Triple, second: Triple) -> float:
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def seen(colour: Triple, sight: str) -> Triple:
    red, green, blue = (
        min(1.0, max(0.0, sum(a * b for a, b in zip(row, colour, strict=True)))) for row in SIGHTS[sight]
    )
    return red, green, blue


def lab(colour: Triple) -> Triple:
    """L*, a* and b* under daylight."""
    red, green, blue = colour
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, luminance(colour), z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def difference(first: Triple, second: Triple) -> float:
    return float(sum((a - b) ** 2 for a, b in zip(lab(first), lab(second), strict=True)) ** 0.5)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_part_of_a_chart_stands_out_from_its_card(kind: str, theme: int) -> None:
    palette = colours(theme)
    assert contrast(palette[kind], palette["card"]) >= CONTRAST_MIN


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize(("part", "neighbour"), BESIDE_EACH_OTHER)
def test_no_two_parts_look_alike_to_whoever_sees_red_and_green_alike(
    part: str, neighbour: str, sight: str, theme: int
) -> None:
    palette = colours(theme)
    assert difference(seen(palette[part], sight), seen(palette[neighbour], sight)) >= DIFFERENCE_MIN


def test_a_known_difference_is_measured() -> None:
    assert contrast(linear("ffffff"), linear("000000")) == pytest.approx(21)
    assert difference(linear("ffffff"), linear("000000")) == pytest.approx(100, abs=0.1)
    assert difference(seen(linear("8250a8"), "deuteranopia"), seen(linear("2478b5"), "deuteranopia")) < DIFFERENCE_MIN
