"""Figures from records, for those who would rather see than read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_base.whole_files import atomically
from deltamem_evaluations.metrics.statistics import GroupMean
from deltamem_evaluations.records.record import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["STYLES", "by_number", "draw_by_number"]

STYLES = ("C0o-", "C1s-", "C2^-", "C3v-", "C4D-", "C5x-")
"""Styles of lines that are drawn together."""


def by_number(record: Record, prefix: str) -> list[tuple[int, GroupMean]]:
    """The groups ``prefix/N`` of the primary metric, by ascending N."""
    groups = record.metrics[record.primary_metric].groups
    found = [
        (int(name.removeprefix(f"{prefix}/")), group)
        for name, group in groups.items()
        if name.startswith(f"{prefix}/")
    ]
    return sorted(found, key=lambda pair: pair[0])


def draw_by_number(
    lines: Sequence[tuple[str, Record, str]], *, prefix: str, title: str, path: Path
) -> list[Path]:
    """Draw the primary metric against the number in the group's name, with 95 % intervals.

    Args:
        lines: label, record and line style of each.
        prefix: the groups ``prefix/N`` are drawn.
        title: of the figure.
        path: without suffix; a PNG and an SVG are written.

    Returns:
        The files.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "deltamem", "font.size": 10}):
        figure = Figure(figsize=(6.4, 4.6), layout="constrained")
        figure.suptitle(title, fontsize=11)
        axes = figure.subplots()
        for label, record, style in lines:
            _draw_line(axes, label, by_number(record, prefix), style)
        axes.set_xscale("log", base=2)
        numbers = sorted({n for _, record, _ in lines for n, _ in by_number(record, prefix)})
        axes.set_xticks(numbers, [str(n) for n in numbers])
        axes.set(xlabel="facts in the dialogue", ylabel="exact match", ylim=(-0.03, 1.05))
        axes.grid(visible=True, alpha=0.25)
        figure.legend(loc="outside lower center", frameon=False, ncols=2)
        files = [path.with_suffix(suffix) for suffix in (".png", ".svg")]
        for file in files:
            plain: dict[str, object] = {"Date": None} if file.suffix == ".svg" else {}
            with atomically(file) as part:
                figure.savefig(part, format=file.suffix[1:], dpi=160, metadata=plain)
    return files


def _draw_line(axes: Axes, label: str, points: Sequence[tuple[int, GroupMean]], style: str) -> None:
    x = [number for number, _ in points]
    y = [group.mean for _, group in points]
    below = [max(group.mean - group.lo, 0) for _, group in points]
    above = [max(group.hi - group.mean, 0) for _, group in points]
    axes.errorbar(x, y, yerr=[below, above], fmt=style, label=label, capsize=2.5, linewidth=1.6)
