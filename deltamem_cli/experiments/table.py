"""The results of an experiment: its rows by its columns, and its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_cli.experiments.jobs import Outcome
from deltamem_cli.experiments.plan import Cell, Plan

if TYPE_CHECKING:
    from deltamem_evaluations.records.record import Record
    from deltamem_evaluations.reporting import Table

__all__ = ["draw", "experiment_table", "records_of"]


def records_of(plan: Plan, outcomes: Mapping[str, Outcome]) -> dict[str, Record]:
    """The record of every cell that has one, by the cell's key."""
    from deltamem_evaluations.records.record import read_record

    paths = {c.key: outcomes[c.key].path for c in plan.cells}
    return {key: read_record(Path(path)) for key, path in paths.items() if path is not None}


def experiment_table(plan: Plan, outcomes: Mapping[str, Outcome]) -> Table:
    """Scores with their intervals (or the costs that the experiment measures)."""
    from deltamem_evaluations.reporting import Table

    records = records_of(plan, outcomes)
    measures = plan.measures or (None,)
    columns = [
        column if measure is None else f"{column}: {measure.replace('_', ' ')}"
        for column in plan.columns
        for measure in measures
    ]
    rows = [
        [
            row,
            *(
                _cell(plan.cell(row, column), records, outcomes, measure)
                for column in plan.columns
                for measure in measures
            ),
        ]
        for row in plan.rows
    ]
    return Table(columns=["row", *columns], rows=rows, notes=_notes(plan, records, outcomes))


def _cell(
    cell: Cell | None,
    records: Mapping[str, Record],
    outcomes: Mapping[str, Outcome],
    measure: str | None,
) -> str:
    from deltamem_evaluations.reporting import percent

    if cell is None:
        return ""
    record = records.get(cell.key)
    if record is None:
        return "failed" if outcomes[cell.key].fault else "–"
    if measure is not None:
        value = record.cost.named(measure)
        return "–" if value is None else f"{value:,.1f}"
    metric = record.primary
    return "–" if metric is None else percent(metric.mean, *metric.ci95)


def _notes(
    plan: Plan, records: Mapping[str, Record], outcomes: Mapping[str, Outcome]
) -> Sequence[str]:
    first = next(iter(records.values()), None)
    notes = []
    if first is not None and not plan.measures:
        notes.append("± is a 95 % interval over histories, of questions answered once")
    notes += [
        f"{cell.row} / {cell.column}: {outcomes[cell.key].fault}"
        for cell in plan.cells
        if outcomes[cell.key].fault
    ]
    deviations = {
        f"{cell.column}: {deviation}"
        for cell in plan.cells
        if cell.key in records
        for deviation in records[cell.key].deviations
    }
    return [*notes, *sorted(deviations)]


def draw(plan: Plan, outcomes: Mapping[str, Outcome], path: Path) -> list[Path]:
    """The experiment's figure, a line for each row; none where it has none or lacks records."""
    if plan.figure is None:
        return []
    from deltamem_evaluations.figures.curves import STYLES, draw_by_number

    records = records_of(plan, outcomes)
    lines: list[tuple[str, Record, str]] = [
        (cell.row, records[cell.key], style)
        for cell, style in zip(plan.cells, cycle(STYLES), strict=False)
        if cell.key in records
    ]
    if not lines:
        return []
    return draw_by_number(lines, prefix=plan.figure, title=plan.title, path=path)
