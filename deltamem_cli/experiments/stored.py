"""An experiment that was run, as it is stored and published."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from deltamem_cli.experiments.jobs import Outcome
from deltamem_cli.experiments.plan import Plan
from deltamem_cli.settings.grammar import key_of, write
from deltamem_cli.settings.identity import public_words

if TYPE_CHECKING:
    from deltamem_evaluations.records.experiment import ExperimentResults
    from deltamem_evaluations.records.record import Record

__all__ = ["results_of"]

CHOOSING = "only"
"""The setting that chooses cells."""
PLAIN = re.compile(r"[A-Za-z][\w.@/ -]*", re.ASCII)
"""Names that stand in a list without quotes."""


def results_of(
    plan: Plan,
    records: Mapping[str, Record],
    outcomes: Mapping[str, Outcome],
    words: Sequence[str],
) -> ExperimentResults:
    """The rows, the columns and the cells of an experiment, with the commands that make them.

    Args:
        plan: of the experiment.
        records: of the cells that have one, by the cell's key.
        outcomes: of all cells, by key.
        words: of `deltamem ablate` that it was asked for with.
    """
    from deltamem_evaluations.records.experiment import ExperimentCell, ExperimentResults

    asked = [said for said in public_words(words) if key_of(said) != CHOOSING]
    cells = [
        ExperimentCell(
            row=cell.named,
            column=cell.column,
            seed=cell.seed,
            train=None if cell.train is None else tuple(public_words(cell.train)),
            evaluate=tuple(public_words(cell.evaluate)),
            cell=records[cell.key].cell if cell.key in records else None,
            fault=outcomes[cell.key].fault,
            command=_command([*asked, _only(f"{cell.named}/{cell.column}")]),
        )
        for cell in plan.cells
    ]
    return ExperimentResults(
        name=plan.name,
        title=plan.title,
        command=_command(asked),
        rows=tuple(dict.fromkeys(cell.row for cell in cells)),
        columns=tuple(plan.columns),
        cells=tuple(cells),
        measures=tuple(plan.measures),
        figure=plan.figure,
        values=plan.values,
        unrun=tuple(plan.unrun),
    )


def _command(words: Sequence[str]) -> str:
    return " ".join(["deltamem ablate", *map(shlex.quote, words)])


def _only(name: str) -> str:
    """The word that chooses one cell, without quotes where Hydra needs none."""
    return f"{CHOOSING}=[{name if PLAIN.fullmatch(name) else write(name)}]"
