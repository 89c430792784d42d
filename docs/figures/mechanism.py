"""Draw ``mechanism.svg``, read, steer and write in one layer: ``python docs/figures/mechanism.py``.

The letters are those of arXiv 2605.12357, equations 4 to 11.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

__all__ = ["FILE", "draw"]

FILE = Path(__file__).with_suffix(".svg")
STYLE: Any = {"svg.fonttype": "path", "svg.hashsalt": "deltamem", "mathtext.fontset": "dejavusans"}
FROZEN, READ, STEER, WRITE, INK = "#8b8f97", "#3b82d6", "#e07b39", "#3a9d5d", "#22252b"
WRITTEN = (
    "$S_t=\\mathrm{Diag}(\\lambda_t)\\,S_{t-1}"
    "+\\mathrm{Diag}(\\beta_t)\\,(v_t-S_{t-1}k_t)\\,k_t^{\\top}$"
)
"""Equation 10."""
SIDE = 8
"""Rows and columns of a state."""
BEFORE = [[(row * 5 + column * 3) % 7 / 7 for column in range(SIDE)] for row in range(SIDE)]
"""Shades of a state that was written a few times."""
AFTER = [[(shade + (row * column % 5) / 5) / 2 for column, shade in enumerate(line)]
         for row, line in enumerate(BEFORE)]  # fmt: skip


def draw() -> str:
    """The picture as the text of an SVG file."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 5.3), facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, 100), ylim=(0, 53))
        axes.axis("off")
        _attention(axes)
        _memory(axes)
        _steps(axes)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _attention(axes: Any) -> None:
    _text(axes, 50, 50.6, "one attention layer of the frozen backbone", FROZEN, size=11)
    axes.add_patch(_rounded(10, 33.5, 80, 15, FROZEN, face="#f4f5f7"))
    _text(axes, 4.5, 43, "$x_t$", INK, size=15)
    _text(axes, 4.5, 39.8, "token $t$", INK, size=9)
    for x, y, word in ((17, 43, "$W_Q$"), (17, 37, "$W_K,\\ W_V$"), (67, 43, "$W_O$")):
        _box(axes, x, y, 10, word, FROZEN)
    _box(axes, 47, 40, 16, "attention over\nwhat is in view", FROZEN, height=10)
    for start, end in (
        ((7, 43), (12, 43)),
        ((22, 43), (30.4, 43)),
        ((33.6, 43), (39, 43)),
        ((22, 37), (39, 37)),
        ((55, 43), (62, 43)),
        ((72, 43), (80.4, 43)),
        ((83.6, 43), (93, 43)),
    ):
        _arrow(axes, start, end, FROZEN)
    axes.plot([9, 9, 12], [43, 37, 37], color=FROZEN, lw=1.3)
    for x in (32, 82):
        _text(axes, x, 42.9, "+", STEER, size=15, weight="bold")
        axes.add_patch(mpl.patches.Circle((x, 43), 1.5, fill=False, edgecolor=STEER, lw=1.8))
    _text(axes, 35.9, 45, "$\\tilde{q}_t$", INK, size=12)
    _text(axes, 95.6, 43, "$\\tilde{y}_t$", INK, size=15)


def _memory(axes: Any) -> None:
    _state(axes, 12, 10, BEFORE, "state before:  $S_{t-1}$")
    _state(axes, 76, 10, AFTER, "state after:  $S_t$")
    _arrow(axes, (26.5, 21), (44, 21), READ)
    _text(axes, 35, 22.7, "1 read", READ, size=10, weight="bold")
    _box(axes, 51, 21, 14, "$r_t = S_{t-1}\\,q_t$", READ)
    axes.plot([51, 51], [23.2, 28], color=STEER, lw=1.8)
    axes.plot([32, 82], [28, 28], color=STEER, lw=1.8)
    for x, word in ((32, "\\Delta q"), (82, "\\Delta o")):
        _arrow(axes, (x, 28), (x, 41.4), STEER)
        _text(axes, x + 5.4, 30.9, f"$\\frac{{\\alpha}}{{r}}\\,W_{{{word}}}\\,r_t$", STEER, size=13)
    _text(axes, 57, 29.6, "2 steer", STEER, size=10, weight="bold")
    _arrow(axes, (26.5, 14), (75.5, 14), WRITE)
    _text(axes, 37, 15.6, "3 write: gated delta rule", WRITE, size=10, weight="bold")
    axes.plot([4.5, 4.5, 51], [38, 6.6, 6.6], color=FROZEN, lw=1.3)
    _arrow(axes, (51, 6.6), (51, 18.7), FROZEN)
    _text(axes, 60.3, 8.6, "$q_t,\\ k_t,\\ v_t,\\ \\beta_t$  from $x_t$", FROZEN, size=10)


def _steps(axes: Any) -> None:
    words = (
        (3, READ, "1 read", "what the state holds for this token"),
        (31, STEER, "2 steer", "low-rank corrections of query and output"),
        (63, WRITE, "3 write", WRITTEN),
    )
    for x, colour, title, line in words:
        axes.text(x, 3.9, title, color=colour, fontsize=12, weight="bold", va="center")
        axes.text(x, 1.5, line, color=INK, fontsize=9, va="center")


def _state(axes: Any, left: float, bottom: float, shades: list[list[float]], title: str) -> None:
    width, height = 1.75, 1.75
    for row, line in enumerate(shades):
        for column, shade in enumerate(line):
            axes.add_patch(
                Rectangle(
                    (left + column * width, bottom + (SIDE - 1 - row) * height),
                    width,
                    height,
                    facecolor=mpl.colormaps["Blues"](0.1 + 0.7 * shade),
                    edgecolor="white",
                    lw=0.8,
                )
            )
    _text(axes, left + SIDE * width / 2, bottom + SIDE * height + 1.6, title, INK, size=10)
    _text(axes, left + SIDE * width / 2, bottom - 1.4, "8 × 8 numbers", FROZEN, size=8)


def _rounded(x: float, y: float, width: float, height: float, edge: str, *, face: str) -> Any:
    return FancyBboxPatch(
        (x, y), width, height, boxstyle="round,pad=0,rounding_size=1", fc=face, ec=edge, lw=1.4
    )


def _box(
    axes: Any, x: float, y: float, width: float, word: str, edge: str, *, height: float = 4.4
) -> None:
    axes.add_patch(_rounded(x - width / 2, y - height / 2, width, height, edge, face="white"))
    _text(axes, x, y, word, INK, size=10)


def _arrow(axes: Any, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=11,
            color=colour,
            lw=1.6,
            shrinkA=0,
            shrinkB=0,
        )
    )


def _text(
    axes: Any, x: float, y: float, word: str, colour: str, *, size: float, weight: str = "normal"
) -> None:
    axes.text(x, y, word, color=colour, fontsize=size, ha="center", va="center", weight=weight)


if __name__ == "__main__":
    FILE.write_text(draw(), encoding="utf-8")
