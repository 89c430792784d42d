"""Records and their samples, read from the folders they lie in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deltamem_base.faults import InvalidData, Unavailable
from deltamem_evaluations.judging.rules import judged_by
from deltamem_evaluations.judging.verdicts import read_verdicts
from deltamem_evaluations.records.publication import Publication, read_publication
from deltamem_evaluations.records.record import RECORD, Record, read_record
from deltamem_evaluations.records.sample_line import SampleLine
from deltamem_evaluations.records.store import SAMPLES, read_samples

__all__ = ["Run", "StoredRecord", "read_run"]


@dataclass(frozen=True, kw_only=True)
class StoredRecord:
    """A record and the file it was read from."""

    record: Record
    file: Path

    @property
    def samples(self) -> Path | None:
        """The run's samples, packed or not; None where they are not on this machine."""
        return self.beside(f"{SAMPLES}*")

    @property
    def publication(self) -> Publication | None:
        """The words that the run was published with; None of one that was not.

        Raises:
            InvalidData: a damaged file.
        """
        return read_publication(self.file.parent) if self.file.name == RECORD else None

    def beside(self, pattern: str) -> Path | None:
        """A file of the run's folder, the first by name; None where none is on this machine."""
        # the folder of runs by its name alone: nothing in a record leads out of here
        runs = Path(self.record.path).parent.parent.name or "."
        folders = [Path(runs) / self.record.cell, self.file.parent.parent / runs / self.record.cell]
        if self.file.name == RECORD:
            folders.insert(0, self.file.parent)
        return next((path for folder in folders for path in sorted(folder.glob(pattern))), None)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A record with its samples."""

    record: Record
    lines: Mapping[str, SampleLine]
    """Sample id -> stored line."""
    judged: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Each judge of the record -> sample id -> score."""

    @staticmethod
    def of(stored: StoredRecord) -> Run:
        """The run of a record.

        Raises:
            InvalidData: no samples, damaged ones, or not those that the record counts; or damaged
                judgements.
        """
        record = stored.record
        if stored.samples is None:
            raise InvalidData(f"the samples of {record.cell} are not beside its record")
        lines = read_samples(stored.samples.parent, key=record.key)
        if len(lines) != record.n.scored:
            raise InvalidData(
                f"{stored.samples} has {len(lines)} answers, but its record counts "
                f"{record.n.scored}: run the same `deltamem eval` again, which continues from the "
                "stored samples"
            )
        return Run(
            record=record,
            lines={line.id: line for line in lines},
            judged=_judged(record, stored.samples.parent),
        )


def _judged(record: Record, folder: Path) -> dict[str, dict[str, float]]:
    """The scores of each judge, of whom all judgements are here."""
    judges = [entry.judge for entry in record.rescored if entry.judge is not None]
    if not judges:
        return {}
    kept = read_verdicts(folder)
    counts = {name: metric.n for name, metric in record.measured.items()}
    found = {judge: kept.scores.get(judge, {}) for judge in judges}
    return {j: scores for j, scores in found.items() if len(scores) == counts[judged_by(j)]}


def read_run(folder: Path) -> Run:
    """A run from its folder, or from the path of its record.

    Raises:
        Unavailable: there is no record.
        InvalidData: a damaged record or sample.
    """
    path = folder / RECORD if folder.is_dir() else folder
    if not path.is_file():
        raise Unavailable(
            f"there is no record in {folder}: name the folder of a finished run, as `deltamem "
            "list runs` shows them"
        )
    return Run.of(StoredRecord(record=read_record(path), file=path))
