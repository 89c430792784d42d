"""How much a state holds: curves of an experiment by the number of facts, and the fitted bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deltamem_evaluations.metrics.capacity import Curve, fit_capacity
from deltamem_evaluations.metrics.resampling import Histories
from deltamem_evaluations.metrics.statistics import ScoredQuestion, summarise
from deltamem_evaluations.records.experiment import ExperimentResults
from deltamem_evaluations.reporting.results_pages.folder import Place, PublishedFolder
from deltamem_evaluations.reporting.tables import BLANK, Cell, Estimate, Table

__all__ = ["CapacityRow", "capacities", "capacity_table"]

READING = (
    "bits that a state holds: the number B for which an answer tells min(log2 v, B / n) bits of "
    "each of n facts with v = {values} values (Fano's bound), fitted to the accuracies by least "
    "squares, with 95 % intervals over resampled histories; ≥ where even the most facts are all "
    "answered"
)


@dataclass(frozen=True, kw_only=True)
class CapacityRow:
    """One row of the experiment."""

    row: str
    points: Sequence[tuple[int, Estimate]]
    """Number of facts, and the accuracy in %."""
    bits: Estimate
    at_least: bool
    state_bytes: float | None


def capacities(folder: PublishedFolder, experiment: ExperimentResults) -> list[CapacityRow]:
    """A row for each row of an experiment that has records; none where it is no such experiment."""
    if experiment.figure is None or experiment.values is None:
        return []
    found = []
    for row in experiment.rows:
        for column in experiment.columns:
            place = folder.place(experiment, row, column)
            if place.runs and (curve := _curve(place, experiment.figure)):
                found.append(_row(row, place, curve, experiment.values))
    return found


def _curve(place: Place, prefix: str) -> list[tuple[int, list[ScoredQuestion]]]:
    """The averaged scores by the number in the names of their groups."""
    run = place.reader.run(place.runs[0])
    if run is None:
        return []
    found: dict[int, list[ScoredQuestion]] = {}
    for name, (history, value) in place.scores().items():
        for group in run.lines[name].groups:
            kind, _, number = group.rpartition("/")
            if kind == prefix and number.isdecimal():
                one = ScoredQuestion(score=value, history=history)
                found.setdefault(int(number), []).append(one)
    return sorted(found.items())


def _row(
    row: str, place: Place, curve: Sequence[tuple[int, list[ScoredQuestion]]], values: int
) -> CapacityRow:
    fitted = fit_capacity(
        [
            Curve(
                facts=facts,
                scores=Histories.of([q.score for q in asked], [q.history for q in asked]),
            )
            for facts, asked in curve
        ],
        values=values,
    )
    points = []
    for facts, asked in curve:
        metric = summarise(asked)
        estimate = Estimate.of(metric.mean, metric.ci95, scale=100)
        assert estimate is not None  # scores are finite
        points.append((facts, estimate))
    return CapacityRow(
        row=row,
        points=points,
        bits=Estimate(value=fitted.bits, low=fitted.low, high=fitted.high),
        at_least=fitted.at_least,
        state_bytes=place.cost("state_bytes"),
    )


def capacity_table(rows: Sequence[CapacityRow], experiment: ExperimentResults) -> Table:
    """Accuracy by the number of facts, the bytes of the state and the bits that it holds."""
    numbers = sorted({facts for row in rows for facts, _ in row.points})
    return Table(
        name=f"{experiment.name}-bits",
        title=f"{experiment.name}: bits that a state holds",
        columns=["row", *(f"{n} facts, %" for n in numbers), "state bytes", "bits"],
        rows=[_cells(row, numbers) for row in rows],
        notes=[READING.format(values=experiment.values)],
    )


def _cells(row: CapacityRow, numbers: Sequence[int]) -> list[Cell | str]:
    at = dict(row.points)
    size = None if row.state_bytes is None else Estimate.of(row.state_bytes, digits=0)
    bits = row.bits
    told = f"{'≥ ' if row.at_least else ''}{bits.value:.1f} [{bits.low:.1f}, {bits.high:.1f}]"
    accuracies = [Cell.of(at[n]) if n in at else Cell(words=BLANK) for n in numbers]
    return [row.row, *accuracies, Cell.of(size), told]
