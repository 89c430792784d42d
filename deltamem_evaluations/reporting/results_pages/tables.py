"""An experiment's tables: its scores, what they gain over the bare backbone, and its commands."""

from __future__ import annotations

from deltamem_evaluations.metrics.likelihood import MEANING, REFERENCE_NLL, shown_as
from deltamem_evaluations.metrics.paired import Paired, compare_scores
from deltamem_evaluations.metrics.resampling import LEVEL
from deltamem_evaluations.records.experiment import ExperimentResults
from deltamem_evaluations.reporting.costs import COSTS
from deltamem_evaluations.reporting.results import WEIGHING
from deltamem_evaluations.reporting.results_pages.folder import Place, PublishedFolder
from deltamem_evaluations.reporting.tables import BLANK, Cell, Estimate, Footnotes, Note, Table

__all__ = ["NOT_SIGNIFICANT", "commands_table", "gains_table", "scores_table"]

NOT_SIGNIFICANT = "not significant"
IN_VIEW, OUT_OF_VIEW = "in view", "out of view"
NOT_RUN = "not run"
NOT_YET = "not yet; the command above runs what is missing"
FAILED = "could not be run"
SCORES = (
    "in %: the mean ± the longer arm of its 95 % interval, over n questions about k histories; "
    "whole histories are resampled; a row that was trained with several seeds shows their mean"
)
GAINS = (
    "in percentage points, with 95 % intervals: the difference from the bare backbone, which sees "
    "the history if the row sees all or part of it; paired by question, whole histories resampled"
)


def scores_table(folder: PublishedFolder, experiment: ExperimentResults) -> Table:
    """Rows by columns; a cell that was not run says so, and why."""
    footnotes = Footnotes()
    columns = _columns(folder, experiment)
    rows: list[list[Cell | str]] = [
        [
            row,
            *(
                _score(folder, experiment, row, column, measure, footnotes)
                for column, measure in columns
            ),
        ]
        for row in experiment.rows
    ]
    stated = dict.fromkeys(column for one in experiment.unrun for column in one.columns)
    extra = [column for column in stated if column not in experiment.columns]
    rows = [[*row, *(_unrun(experiment, str(row[0]), c, footnotes) for c in extra)] for row in rows]
    notes: list[Note | str] = [experiment.title, *([] if experiment.measures else [SCORES])]
    if any(measure == REFERENCE_NLL for _, measure in columns):
        notes.append(WEIGHING)
    notes.append(f"to run all of it: {experiment.command}")
    return Table(
        name=experiment.name,
        title=experiment.name,
        columns=["row", *(_title(*column) for column in columns), *extra],
        rows=rows,
        notes=[*notes, *footnotes.notes],
    )


def _columns(
    folder: PublishedFolder, experiment: ExperimentResults
) -> list[tuple[str, str | None]]:
    """Every column of an experiment with each of its measures; None is the primary metric.

    The weight of the references follows the score where any run of the column has it.
    """
    if experiment.measures:
        return [
            (column, measure) for column in experiment.columns for measure in experiment.measures
        ]
    found: list[tuple[str, str | None]] = []
    for column in experiment.columns:
        places = [folder.place(experiment, row, column) for row in experiment.rows]
        records = [run.record for place in places for run in place.runs]
        weighed = any(REFERENCE_NLL in record.metrics for record in records)
        found += [(column, None), *([(column, REFERENCE_NLL)] if weighed else [])]
    return found


def _title(column: str, measure: str | None) -> str:
    if measure is None:
        return column
    return f"{column}: {COSTS[measure][0] if measure in COSTS else measure}"


def _score(
    folder: PublishedFolder,
    experiment: ExperimentResults,
    row: str,
    column: str,
    measure: str | None,
    footnotes: Footnotes,
) -> Cell:
    place = folder.place(experiment, row, column)
    if not place.runs:
        return _missing(experiment, row, column, footnotes)
    if measure in COSTS:
        value = place.cost(measure)
        digits = COSTS[measure][1]
        return Cell.of(None if value is None else Estimate.of(value, digits=digits))
    marks = [footnotes.mark(text) for text in _deviations(place)]
    return Cell.of(place.estimate(measure), *marks)


def _deviations(place: Place) -> list[str]:
    return list(dict.fromkeys(text for run in place.runs for text in run.record.deviations))


def _missing(experiment: ExperimentResults, row: str, column: str, footnotes: Footnotes) -> Cell:
    cells = experiment.at(row, column)
    if not cells or experiment.reason(row, column) is not None:
        return _unrun(experiment, row, column, footnotes)
    fault = next((cell.fault for cell in cells if cell.fault), None)
    if fault is not None:
        return Cell(words=FAILED, marks=(footnotes.mark(fault),))
    return Cell(words=NOT_RUN, marks=(footnotes.mark(NOT_YET),))


def _unrun(experiment: ExperimentResults, row: str, column: str, footnotes: Footnotes) -> Cell:
    """A cell that is not meant to be run; blank where the experiment has none there."""
    why = experiment.reason(row, column)
    return Cell(words=BLANK) if why is None else Cell(words=NOT_RUN, marks=(footnotes.mark(why),))


def gains_table(folder: PublishedFolder, experiment: ExperimentResults) -> Table | None:
    """The gain of each row over the bare backbone; None where there is nothing to set against."""
    rows: list[list[Cell | str]] = []
    columns = _columns(folder, experiment)
    for row in experiment.rows:
        cells = [_gain(folder, folder.place(experiment, row, c), metric) for c, metric in columns]
        if any(cell.estimate is not None for cell in cells):
            rows.append([row, *cells])
    if not rows or experiment.measures:
        return None
    return Table(
        name=f"{experiment.name}-gains",
        title=f"{experiment.name}: gain over the bare backbone",
        columns=["row", *(_title(*column) for column in columns)],
        rows=rows,
        notes=[
            GAINS,
            *([MEANING] if any(metric == REFERENCE_NLL for _, metric in columns) else []),
            Note(
                text=f"p ≥ {1 - LEVEL:.2f}, not corrected for the number of cells",
                mark=NOT_SIGNIFICANT,
            ),
            Note(text="the prompt holds the history, or what was looked up of it", mark=IN_VIEW),
            Note(text="the history is gone from the prompt", mark=OUT_OF_VIEW),
        ],
    )


def _gain(folder: PublishedFolder, place: Place, metric: str | None) -> Cell:
    if not place.runs:
        return Cell(words=BLANK)
    reference = folder.reference(place.record)
    if reference is None or reference.record.cell == place.record.cell:
        return Cell(words=BLANK)
    found = _paired(Place(runs=[reference], reader=folder.reader), place, metric)
    if found is None:
        return Cell(words=BLANK)
    scale, digits = shown_as(metric or place.record.primary_metric)
    estimate = Estimate.of(found.effect, found.ci95, scale=scale, digits=digits, difference=True)
    seen = OUT_OF_VIEW if place.record.context == "none" else IN_VIEW
    marks = (seen,) if found.p < 1 - LEVEL else (seen, NOT_SIGNIFICANT)
    return Cell.of(estimate, *marks)


def _paired(reference: Place, place: Place, metric: str | None) -> Paired | None:
    a, b = reference.scores(metric), place.scores(metric)
    if not a or a.keys() != b.keys():
        return None
    return compare_scores(
        [a[name][1] for name in a],
        [b[name][1] for name in a],
        clusters=[a[name][0] for name in a],
    )


def commands_table(folder: PublishedFolder, experiment: ExperimentResults) -> Table:
    """Every run of an experiment: its score, who measured it, where, when, and its command."""
    rows: list[list[Cell | str]] = []
    for cell in experiment.cells:
        stored = None if cell.cell is None else folder.runs.get(cell.cell)
        if stored is None:
            continue
        place = Place(runs=[stored], reader=folder.reader)
        rows.append(
            [cell.row, cell.column, str(cell.seed), Cell.of(place.estimate()), cell.command]
        )
    return Table(
        name=f"{experiment.name}-commands",
        title=f"{experiment.name}: the command of each cell",
        columns=["row", "column", "seed", "score", "command"],
        labels=3,
        rows=rows,
        notes=[
            "an untrained row is one run for all seeds; the command runs a cell with all its seeds "
            "and skips what exists"
        ],
        folded=True,
    )
