"""Heat-maps of a memory: layers down, turns across, from plain arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_base.whole_files import atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Heatmap", "draw_heatmaps", "matrix_mosaic"]

PANEL = (4.6, 2.6)
"""Width and height of a panel in inches, before long axes widen it."""
CELL = 0.16
"""Inches that a row or a column needs at least, so that one can be told from the next."""
LARGEST = 20.0
"""Inches; longer axes have narrower cells."""
MOST_LABELS = 24
"""Most labels of an axis; more would overlap."""


@dataclass(frozen=True, kw_only=True)
class Heatmap:
    """One panel."""

    title: str
    values: Sequence[Sequence[float]]
    """Rows down, columns across; NaN is left blank."""
    rows: Sequence[str]
    """Label of each row."""
    columns: Sequence[str]
    row_title: str = "layer"
    column_title: str = "turn"
    signed: bool = False
    """Colours around zero; else from the least to the largest value."""


def draw_heatmaps(maps: Sequence[Heatmap], *, title: str, path: Path) -> list[Path]:
    """Write the figure as a PNG and an SVG.

    Args:
        maps: the panels.
        title: of the figure.
        path: without suffix.

    Returns:
        The files.

    Raises:
        CannotWrite: one of them cannot be written; what was there before is untouched.
    """
    files = [path.with_name(path.name + suffix) for suffix in (".png", ".svg")]
    _save(maps, title, files)
    return files


def matrix_mosaic(
    matrices: Sequence[Sequence[Sequence[Sequence[float]]]], layers: Sequence[str], *, title: str
) -> Heatmap:
    """Square matrices as one panel: a layer's sub-states side by side, layers below each other.

    Args:
        matrices: (layers, N, R, R).
        layers: label of each layer.
        title: of the panel.
    """
    states, rank = len(matrices[0]), len(matrices[0][0])
    blank = [math.nan] * (states * (rank + 1) - 1)
    values: list[list[float]] = []
    labels: list[str] = []
    for layer, blocks in zip(layers, matrices, strict=True):
        for row in range(rank):
            line: list[float] = []
            for number, block in enumerate(blocks):
                line += [*([math.nan] if number else []), *block[row]]
            values.append(line)
            labels.append(layer if row == rank // 2 else "")
        values.append(blank)
        labels.append("")
    return Heatmap(
        title=title,
        values=values[:-1],
        rows=labels[:-1],
        columns=[
            str(at // (rank + 1)) if at % (rank + 1) == rank // 2 else ""
            for at in range(len(blank))
        ],
        column_title="sub-state",
        signed=True,
    )


def _save(maps: Sequence[Heatmap], title: str, files: Sequence[Path]) -> None:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across = 1 if len(maps) == 1 else 2
    down = -(-len(maps) // across)
    columns = max(len(m.columns) for m in maps)
    rows = max(len(m.rows) for m in maps)
    size = (
        min(across * max(PANEL[0], columns * CELL), LARGEST),
        min(down * max(PANEL[1], rows * CELL), LARGEST),
    )
    with mpl.rc_context({"svg.hashsalt": "deltamem", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title)
        panels = figure.subplots(down, across, squeeze=False).flatten()
        for axes, heatmap in zip(panels, maps, strict=False):
            _panel(figure, axes, heatmap)
        for axes in panels[len(maps) :]:
            axes.set_visible(False)
        for file in files:
            plain: dict[str, object] = {"Date": None} if file.suffix == ".svg" else {}
            with atomically(file) as part:
                figure.savefig(part, format=file.suffix[1:], dpi=130, metadata=plain)
            figure.set_layout_engine("none")  # it is laid out now; twice would take twice as long


def _panel(figure: Figure, axes: Axes, heatmap: Heatmap) -> None:
    finite = [v for row in heatmap.values for v in row if math.isfinite(v)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    if heatmap.signed:
        high = max(abs(low), abs(high))
        low = -high
    image = axes.imshow(
        heatmap.values,
        aspect="auto",
        interpolation="nearest",
        cmap="RdBu_r" if heatmap.signed else "viridis",
        vmin=low,
        vmax=high if high > low else low + 1.0,
    )
    axes.set_title(heatmap.title, fontsize=10)
    axes.set(xlabel=heatmap.column_title, ylabel=heatmap.row_title)
    axes.set_xticks(*_ticks(heatmap.columns))
    axes.set_yticks(*_ticks(heatmap.rows))
    axes.tick_params(length=0)
    figure.colorbar(image, ax=axes, pad=0.02)


def _ticks(labels: Sequence[str]) -> tuple[list[int], list[str]]:
    """Places and texts of the labels that are not empty, thinned out where there are many."""
    places = [i for i, label in enumerate(labels) if label]
    step = -(-len(places) // MOST_LABELS) or 1
    return places[::step], [labels[i] for i in places[::step]]
