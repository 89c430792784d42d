"""An experiment as it was run: its rows and columns, the record of each cell, or why there is none.

``deltamem ablate`` leaves it in ``RUNS/experiments/NAME.json``; among published results it stands
in ``experiments/NAME.json`` beside the runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from deltamem_base.plain_values import check_name
from deltamem_base.typed_json import read_typed
from deltamem_base.whole_files import write_json

__all__ = [
    "FOLDER",
    "ExperimentCell",
    "ExperimentResults",
    "Unrun",
    "experiments_of",
    "read_experiment",
    "write_experiment",
]

FOLDER = "experiments"
"""The folder of runs, or of results, that holds them."""


@dataclass(frozen=True, kw_only=True)
class ExperimentCell:
    """One row by one column with one seed of training."""

    row: str
    column: str
    seed: int
    train: tuple[str, ...] | None
    """Words of ``deltamem train``; None where nothing is trained."""
    evaluate: tuple[str, ...]
    """Words of ``deltamem eval``, without the adapter."""
    cell: str | None
    """Name of its record; None where there is none."""
    fault: str | None
    """Why it could not be run; None where it was, or was not tried."""
    command: str
    """The ``deltamem ablate`` that trains and evaluates this cell with all its seeds."""


@dataclass(frozen=True, kw_only=True)
class Unrun:
    """Cells that are not run on purpose."""

    columns: tuple[str, ...]
    rows: tuple[str, ...] | None = None
    """None is all."""
    why: str


@dataclass(frozen=True, kw_only=True)
class ExperimentResults:
    """A whole experiment."""

    name: str
    title: str
    command: str
    """The ``deltamem ablate`` that runs all of it."""
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[ExperimentCell, ...]
    measures: tuple[str, ...] = ()
    """Costs to show in place of scores."""
    figure: str | None = None
    """Groups of the primary metric to draw, by the number in their names."""
    values: int | None = None
    """Number of answers that its questions can have, where it asks how many facts a state holds."""
    unrun: tuple[Unrun, ...] = ()
    schema: Literal[1] = 1

    def at(self, row: str, column: str) -> list[ExperimentCell]:
        """The cells at a place, one for each seed."""
        return [cell for cell in self.cells if (cell.row, cell.column) == (row, column)]

    def reason(self, row: str, column: str) -> str | None:
        """Why the cells at a place are not run on purpose; None where they are to be run."""
        for one in self.unrun:
            if column in one.columns and (one.rows is None or row in one.rows):
                return one.why
        return None


def read_experiment(path: Path) -> ExperimentResults:
    """An experiment from its file.

    Raises:
        InvalidData: a damaged file, or one in which a record's name is more than a name.
    """
    found = read_typed(path, ExperimentResults)
    check_name(found.name, where=str(path), key="name")
    for cell in found.cells:
        if cell.cell is not None:
            check_name(cell.cell, where=str(path), key="cell")
    return found


def write_experiment(folder: Path, results: ExperimentResults) -> Path:
    """Write an experiment below a folder of runs or of results."""
    return write_json(folder / FOLDER / f"{results.name}.json", asdict(results))


def experiments_of(folder: Path) -> Sequence[ExperimentResults]:
    """All experiments of a folder of results, by name.

    Raises:
        InvalidData: a damaged file.
    """
    return [read_experiment(path) for path in sorted((folder / FOLDER).glob("*.json"))]
