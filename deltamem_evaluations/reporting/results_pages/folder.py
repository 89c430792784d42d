"""The content of a folder of published results, and the runs behind each place of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deltamem_evaluations.metrics.likelihood import REFERENCE_NLL, shown_as
from deltamem_evaluations.metrics.statistics import ScoredQuestion, summarise
from deltamem_evaluations.records.experiment import ExperimentResults, experiments_of
from deltamem_evaluations.records.publication import PUBLICATION
from deltamem_evaluations.records.record import RECORD, Record, read_record
from deltamem_evaluations.records.stored import StoredRecord
from deltamem_evaluations.reporting.attribution import bare_backbone
from deltamem_evaluations.reporting.collection import SampleReader
from deltamem_evaluations.reporting.results import score
from deltamem_evaluations.reporting.tables import Estimate

__all__ = ["Place", "PublishedFolder", "read_folder"]


@dataclass(frozen=True, eq=False, kw_only=True)
class PublishedFolder:
    """Runs and experiments."""

    path: Path
    runs: Mapping[str, StoredRecord]
    """Cell -> its record."""
    experiments: Sequence[ExperimentResults]
    reader: SampleReader

    @property
    def loose(self) -> list[StoredRecord]:
        """Runs that belong to no experiment."""
        cells = {cell.cell for experiment in self.experiments for cell in experiment.cells}
        return [stored for name, stored in self.runs.items() if name not in cells]

    def place(self, experiment: ExperimentResults, row: str, column: str) -> Place:
        """The runs of one row and column, one for each seed that made another one."""
        cells = dict.fromkeys(cell.cell for cell in experiment.at(row, column))
        runs = [self.runs[name] for name in cells if name is not None and name in self.runs]
        return Place(runs=runs, reader=self.reader)

    def reference(self, record: Record) -> StoredRecord | None:
        """The bare backbone on the same questions, which sees the history where the record does."""
        return bare_backbone(self.runs[record.cell], self.runs.values())


@dataclass(frozen=True, eq=False, kw_only=True)
class Place:
    """Runs that differ in the seed of their training alone."""

    runs: Sequence[StoredRecord]
    reader: SampleReader

    @property
    def record(self) -> Record:
        """The first of them."""
        return self.runs[0].record

    def estimate(self, metric: str | None = None) -> Estimate | None:
        """A metric as it is shown; of several runs the mean, each question's scores averaged.

        Args:
            metric: None is the primary one.
        """
        if len(self.runs) == 1:
            return score(self.record, metric)
        pooled = self.scores(metric)
        if not pooled:
            return None
        mean = summarise(
            [ScoredQuestion(score=s, history=h) for h, s in pooled.values()],
            bounded=metric != REFERENCE_NLL,
        )
        scale, digits = shown_as(metric or self.record.primary_metric)
        return Estimate.of(
            mean.mean, mean.ci95, scale=scale, n=mean.n, histories=mean.clusters, digits=digits
        )

    def scores(self, metric: str | None = None) -> dict[str, tuple[str, float]]:
        """Question -> its history and its score, averaged over the runs.

        Args:
            metric: None is the primary one.
        """
        known = [found for run in self.runs if (found := self.reader.scores(run, metric))]
        if len(known) < len(self.runs) or any(k.keys() != known[0].keys() for k in known):
            return {}
        return {
            name: (history, sum(k[name][1] for k in known) / len(known))
            for name, (history, _) in known[0].items()
        }

    def cost(self, name: str) -> float | None:
        """The mean of a cost over the runs that have it."""
        values = [v for run in self.runs if (v := run.record.cost.named(name)) is not None]
        return sum(values) / len(values) if values else None


def read_folder(path: Path) -> PublishedFolder:
    """The published runs and experiments of a folder.

    Raises:
        InvalidData: a damaged file.
    """
    files = sorted(file.parent / RECORD for file in path.glob(f"*/{PUBLICATION}"))
    stored = [StoredRecord(record=read_record(file), file=file) for file in files]
    return PublishedFolder(
        path=path,
        runs={one.record.cell: one for one in stored},
        experiments=experiments_of(path),
        reader=SampleReader(),
    )
