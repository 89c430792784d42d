"""From a plan's outcomes to a verdict on each printed number of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_cli.experiments.jobs import Outcome
from deltamem_cli.experiments.merged_words import value_of
from deltamem_cli.experiments.plan import DEFAULT_METHOD, Cell, Plan
from deltamem_cli.runs.chosen_weights import Chosen, named_weights
from deltamem_cli.settings.groups import method_settings
from deltamem_cli.settings.identity import recorded

if TYPE_CHECKING:
    from deltamem_evaluations.paper.numbers import Column, Published, Table
    from deltamem_evaluations.paper.verdict import Judgement, Measured
    from deltamem_evaluations.records.stored import Run

__all__ = ["Judged", "judge_table"]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A printed number and what is said of ours."""

    published: Published
    judgement: Judgement
    record: str | None
    """Path of the record that it was judged by."""
    write_answers: bool | None = None
    """Whether question and answer tokens write; None of a method that has no say in it."""


class _Judge:
    """Looks at each run once, however many columns it has a number for."""

    def __init__(self, table: Table, plan: Plan, outcomes: Mapping[str, Outcome]) -> None:
        self.table, self.plan, self.outcomes = table, plan, outcomes
        self._run, self._sha = cache(_read), cache(_stored_sha)
        self.measured = cache(self._measured)

    def cell_for(self, row: str, column: Column) -> Cell | None:
        """The plan's cell that measures a column of a row."""
        found = (c for c in self.plan.cells if c.row == row and c.bench == column.bench)
        return next(found, None)

    def writes(self, row: str, column: Column) -> bool | None:
        """Whether questions and answers write, too; None where a method has no say in it."""
        cell = self.cell_for(row, column)
        writes = cell and cell.evaluation.tree["method"].get("write_answers")
        return None if writes is None else bool(writes)

    def score(self, row: str, column: Column, printed: float) -> tuple[Judgement, str | None]:
        """The verdict on one benchmark's number."""
        from deltamem_evaluations.paper.verdict import decide

        measured, why, path = self.measured(row, column)
        if measured is None:
            return _invalid(why), path
        return decide(measured, printed, reference=self.reference(row, column.name)), path

    def mean(self, row: str, printed: float) -> tuple[Judgement, None]:
        """The verdict on an average, blank cells filled by our own reference row."""
        from deltamem_evaluations.paper.verdict import average, decide

        parts = []
        for name in self.table.average_of:
            source = self.table.source(row, name)
            measured, why, _ = self.measured(source, self.table.measured_by[name])
            if measured is None:
                return _invalid(f"{source} / {name}: {why}"), None
            parts.append(measured)
        return decide(average(parts), printed, reference=self.reference(row, "average")), None

    def reference(self, row: str, column: str) -> float | None:
        """The printed number of the bare backbone in a column; None for the backbone's own row."""
        cell = self.table.cells.get((str(self.table.row(row).reference), column))
        return None if cell is None else cell.value

    def _measured(self, row: str, column: Column) -> tuple[Measured | None, str, str | None]:
        """Our mean, or why there is none that counts, and the record's path."""
        from deltamem_evaluations.paper.verdict import Expected, faults_of, measure

        cell = self.cell_for(row, column)
        if cell is None:
            return None, f"nothing was run on {column.bench}", None
        outcome = self.outcomes[cell.key]
        if outcome.path is None:
            return None, str(outcome.fault), None
        run = self._run(outcome.path)
        if isinstance(run, str):
            return None, run, outcome.path
        expected = Expected(
            settings=self.table.row(row).settings,
            weights_sha=self._weights_sha(cell),
            config=recorded(cell.evaluation.tree),
        )
        faults = faults_of(run, column, expected)
        if faults:
            return None, "; ".join(faults), outcome.path
        return measure(run, column), "", outcome.path

    def _weights_sha(self, cell: Cell) -> str | None:
        """The sha of the weights trained for a cell, else of the adapter that its words name."""
        if cell.train_key is not None:
            folder = self.outcomes[cell.train_key].path
            assert folder is not None  # or its evaluation would have no record
        elif (chosen := self._named(cell)) is not None:
            folder = str(chosen.folder)
        else:
            return None
        return self._sha(value_of(cell.evaluate, "method") or DEFAULT_METHOD, folder)

    def _named(self, cell: Cell) -> Chosen | None:
        """The weights that a cell's words name."""
        tree = cell.evaluation.tree
        return named_weights(tree["adapter"], released=tree["model"].get("adapters") or {})


def _read(record: str) -> Run | str:
    """A run, or why it cannot be read."""
    from deltamem_base.faults import Fault
    from deltamem_evaluations.records.stored import read_run

    try:
        return read_run(Path(record))
    except Fault as fault:
        return str(fault)


def _stored_sha(method: str, folder: str) -> str:
    """The sha of the weights that a training of a method left."""
    if method_settings(method).needs_adapter:
        from deltamem.adapter.weights import stored_sha
    else:
        from deltamem_baselines.trained.weights import stored_sha
    return stored_sha(Path(folder))


def judge_table(
    table: Table, plan: Plan, outcomes: Mapping[str, Outcome], *, places: Sequence[tuple[str, str]]
) -> list[Judged]:
    """A verdict on each printed number at some places (row, column) of a table."""
    judge = _Judge(table, plan, outcomes)
    done = []
    for row, name in places:
        published = table.cells[row, name]
        column = table.measured_by[name]
        if column.bench is None:
            judgement, path = judge.mean(row, published.value)
        else:
            judgement, path = judge.score(row, column, published.value)
        writes = None if column.bench is None else judge.writes(row, column)
        done.append(
            Judged(published=published, judgement=judgement, record=path, write_answers=writes)
        )
    return done


def _invalid(why: str) -> Judgement:
    from deltamem_evaluations.paper.verdict import Judgement, Verdict

    return Judgement(verdict=Verdict.INVALID, why=why)
