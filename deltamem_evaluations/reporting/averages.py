"""The two averages of a row, ours and the paper's: with blanks filled, and of measured cells only.

A cell that the paper leaves blank is filled by the reference row's; a cell that we have not run is
not blank, and there is no filled average of ours without it. The average of measured cells runs
over what both the paper and we have.

Benchmarks have no question in common, so the arms of their intervals add in squares.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deltamem_evaluations.paper.numbers import Table
from deltamem_evaluations.reporting.tables import Estimate

__all__ = ["Averages", "average", "averages"]

Scores = Mapping[str, Estimate]
"""Name of a column -> our number."""


@dataclass(frozen=True, kw_only=True)
class Averages:
    """The two averages of one row."""

    filled: Estimate | None
    """Ours, blanks filled; the paper prints its own."""
    measured: Estimate | None
    """Ours, over ``cells``."""
    published: float | None
    """The paper's, over ``cells``."""
    cells: tuple[str, ...]


def averages(table: Table, row: str, ours: Mapping[str, Scores]) -> Averages:
    """The averages of a row.

    Args:
        table: of the paper.
        row: its name.
        ours: our numbers by row and column.
    """
    own = ours.get(row, {})
    filled, cells = [], []
    for name in table.average_of:
        filled.append(ours.get(table.source(row, name), {}).get(name))
        if (row, name) in table.cells and (not own or name in own):
            cells.append(name)
    known = [estimate for estimate in filled if estimate is not None]
    both = [own[name] for name in cells if name in own]
    values = [table.cells[row, name].value for name in cells]
    return Averages(
        filled=average(known) if known and len(known) == len(filled) else None,
        measured=average(both) if both else None,
        published=sum(values) / len(values) if values else None,
        cells=tuple(cells),
    )


def average(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of independent estimates; without an interval where one has none."""
    count = len(estimates)
    value = sum(e.value for e in estimates) / count
    digits = max(e.digits for e in estimates)
    below = [e.value - e.low for e in estimates if e.low is not None]
    above = [e.high - e.value for e in estimates if e.high is not None]
    if len(below) < count or len(above) < count:
        return Estimate(value=value, digits=digits)
    low, high = value - math.hypot(*below) / count, value + math.hypot(*above) / count
    return Estimate(value=value, low=low, high=high, digits=digits)
