"""Estimates with their intervals, a row each; and a capacity for each row against its size."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deltamem_evaluations.figures.inline_svg import INK
from deltamem_evaluations.figures.plots import COLOURS, MARKERS, STYLE, WIDTH
from deltamem_evaluations.reporting.tables import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Line", "draw_forest", "draw_lines"]

HEIGHT = 4.6
"""Inches of a figure with lines."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of an experiment against a number."""

    label: str
    points: Sequence[tuple[int, Estimate]]
    """The number, and the estimate there."""


def draw_forest(rows: Sequence[tuple[str, Estimate]], *, unit: str) -> str:
    """SVG of one estimate a row, the first on top.

    Args:
        rows: label and estimate.
        unit: under the axis.
    """
    with _figure(0.9 + 0.28 * len(rows)) as (axes, text):
        for y, (_, one) in enumerate(reversed(rows)):
            axes.errorbar([one.value], [y], xerr=_arms(one), fmt="o", color=COLOURS[0], capsize=3)
        axes.set_yticks(range(len(rows)), [label for label, _ in reversed(rows)])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlabel(unit)
    return text.getvalue()


def draw_lines(lines: Sequence[Line], *, across: str, unit: str) -> str:
    """SVG of estimates against a number, a line for each row.

    Args:
        lines: of the rows.
        across: under the axis.
        unit: beside it.
    """
    with _figure(HEIGHT) as (axes, text):
        for i, line in enumerate(lines):
            x = [number for number, _ in line.points]
            y = [one.value for _, one in line.points]
            arms = [_arms(one) for _, one in line.points]
            axes.errorbar(
                x,
                y,
                yerr=[[a[0][0] for a in arms], [a[1][0] for a in arms]],
                color=COLOURS[i % len(COLOURS)],
                marker=MARKERS[(i + i // len(COLOURS)) % len(MARKERS)],
                label=line.label,
                capsize=2,
            )
        numbers = sorted({number for line in lines for number, _ in line.points})
        axes.set_xscale("log", base=2)
        axes.set_xticks(numbers, [str(n) for n in numbers])
        axes.minorticks_off()
        axes.set(xlabel=across, ylabel=unit)
        axes.figure.legend(loc="outside lower left", frameon=False, ncols=2, fontsize=9)
    return text.getvalue()


@contextmanager
def _figure(height: float) -> Iterator[tuple[Axes, io.StringIO]]:
    """Axes of a figure whose SVG is in the text when the block ends."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    text = io.StringIO()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.subplots()
        axes.grid(visible=True, alpha=0.2, color=INK)
        yield axes, text
        figure.savefig(text, format="svg", transparent=False, metadata={"Date": None})


def _arms(one: Estimate) -> list[list[float]]:
    if one.low is None or one.high is None:
        return [[0.0], [0.0]]
    return [[max(one.value - one.low, 0.0)], [max(one.high - one.value, 0.0)]]
