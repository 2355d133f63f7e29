"""Shows figures to a person as a table, or to a program as one JSON object."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from sync.devtools.bench.figures import Figure, Target, Yardstick, as_document
from sync.devtools.bench.machine import Machine

# If the output is no terminal, lines are as long as they need to be.
PLAIN_WIDTH = 240


def document(machine: Machine, figures: Sequence[Figure]) -> dict[str, Any]:
    return {"machine": asdict(machine), "figures": [as_document(figure) for figure in figures]}


def print_report(machine: Machine, figures: Sequence[Figure]) -> None:
    """Print the machine, and a table of every figure with its yardsticks and its targets."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=PLAIN_WIDTH)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("figure", ratio=3)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("beside", ratio=4)
    table.add_column("target", ratio=3)
    for before, figure in zip([None, *figures], figures, strict=False):
        if before and before.part != figure.part:
            table.add_section()
        table.add_row(
            f"{figure.part}: {figure.name}",
            number(figure.value),
            figure.unit,
            "\n".join([*(_beside(figure, yardstick) for yardstick in figure.yardsticks), *filter(None, [figure.note])]),
            "\n".join(_verdicts(figure)),
        )
    console.print(table)
    console.print(_about(machine))


def _beside(figure: Figure, yardstick: Yardstick) -> str:
    ratio = figure.ratio(yardstick)
    times = "" if ratio is None else f", {ratio:.2f} times" if ratio < 10 else f", {ratio:,.0f} times"
    return f"{yardstick.name}: {number(yardstick.value)}{times}"


def _verdicts(figure: Figure) -> list[str]:
    targets = [
        (figure.target, ""),
        *((yardstick.target, f" times {yardstick.name}") for yardstick in figure.yardsticks),
    ]
    verdicts = iter(figure.verdicts)
    return [
        f"{'met' if next(verdicts)[1] else 'not met'}: {_bounds(target)}{comparison}"
        for target, comparison in targets
        if target
    ]


def _bounds(target: Target) -> str:
    least = [] if target.at_least is None else [f"at least {number(target.at_least)}"]
    most = [] if target.at_most is None else [f"at most {number(target.at_most)}"]
    return " and ".join([*least, *most])


def number(value: float) -> str:
    """Return `value` with as many digits as mean something."""
    if value and abs(value) < 10:
        return f"{value:.2f}"
    return f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"


def _about(machine: Machine) -> str:
    versions = ", ".join(f"{name} {text}" for name, text in machine.versions.items())
    return (
        f"\nmachine    {machine.cores} cores, {machine.processor}, {machine.memory_megabytes:,} MB, {machine.system}, "
        f"load average {machine.load_average:g} at the start\nload       {machine.load_generator}\n"
        f"versions   {versions}"
    )
