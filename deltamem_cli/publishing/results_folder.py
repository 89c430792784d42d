"""Runs on their way into a folder of results: gathered, checked, cut, written."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_base.faults import InvalidData
from deltamem_cli.errors import UsageError
from deltamem_cli.runs.missing_runs import eval_command
from deltamem_cli.runs.stored_benchmark import stored_benchmark

if TYPE_CHECKING:
    from deltamem_evaluations.records.experiment import ExperimentResults
    from deltamem_evaluations.records.record import Record
    from deltamem_evaluations.reporting import StoredRecord

__all__ = ["Gathered", "check_experiment", "gather", "publish_run"]

SHORTEST = 4
"""Letters of a machine's or a user's name below which it is also a word like any other."""


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """Everything that was named to be published."""

    runs: Sequence[StoredRecord]
    """Each cell once."""
    experiments: Sequence[ExperimentResults]


def gather(named: Sequence[Path]) -> Gathered:
    """The runs behind some paths.

    Args:
        named: runs, folders of runs, or experiments as `deltamem ablate` leaves them.

    Raises:
        UsageError: a path that holds no run, or a run that is not complete.
        InvalidData: a damaged file.
    """
    runs: dict[str, StoredRecord] = {}
    experiments = []
    for path in named:
        if path.suffix == ".json" and path.is_file():
            experiment, found = _experiment(path)
            experiments.append(experiment)
        else:
            found = _runs(path)
        runs |= {stored.record.cell: stored for stored in found}
    for stored in runs.values():
        _refuse_parts(stored)
    return Gathered(runs=list(runs.values()), experiments=experiments)


def _experiment(path: Path) -> tuple[ExperimentResults, list[StoredRecord]]:
    from deltamem_evaluations.records.experiment import read_experiment

    experiment = read_experiment(path)
    cells = dict.fromkeys(cell.cell for cell in experiment.cells if cell.cell is not None)
    folder = path.parent.parent
    return experiment, [stored for name in cells for stored in _runs(folder / name)]


def _runs(path: Path) -> list[StoredRecord]:
    from deltamem_evaluations.records.record import RECORD, read_record
    from deltamem_evaluations.reporting import StoredRecord

    files = [path / RECORD] if (path / RECORD).is_file() else sorted(path.glob(f"*/{RECORD}"))
    if not files:
        raise UsageError(
            f"there is no finished run in {path}: name a run, a folder of runs, or an experiment "
            "(RUNS/experiments/NAME.json, as `deltamem ablate` leaves it)"
        )
    return [StoredRecord(record=read_record(file), file=file) for file in files]


def _refuse_parts(stored: StoredRecord) -> None:
    from deltamem_evaluations.reporting.collection import incomplete

    if not stored.record.complete:
        raise UsageError(f"{incomplete(stored)}: run the same command again, it goes on")
    if stored.record.limited:
        raise UsageError(
            f"{stored.file} has only the first samples, so its numbers cannot be compared: "
            "run it without limit="
        )


def publish_run(stored: StoredRecord, folder: Path, *, measured_by: str) -> list[Path]:
    """Write one run into a folder of results, without texts that may not be spread.

    Args:
        stored: a complete run with its samples.
        folder: of the results.
        measured_by: who made the run.

    Returns:
        The files.

    Raises:
        UsageError: another run of that name is there, or the run names a place on this machine.
        InvalidData: samples that are not here, or not those that the record counts.
    """
    from deltamem_evaluations.records.publication import write_published
    from deltamem_evaluations.records.stored import Run

    record = stored.record
    lines = list(Run.of(stored).lines.values())
    _refuse_another(folder / record.cell, record)
    benchmark = stored_benchmark(record).benchmark
    may = benchmark.texts_may_be_shared and not benchmark.confidential
    _refuse_private(record)
    return write_published(
        folder / record.cell,
        record,
        lines,
        measured_by=measured_by,
        command=eval_command(record, record.control),
        texts="whole" if may else "withheld",
    )


def _refuse_another(place: Path, record: Record) -> None:
    from deltamem_evaluations.records.record import RECORD, read_record
    from deltamem_evaluations.records.rescore import is_of_the_same_run

    file = place / RECORD
    if file.is_file() and not is_of_the_same_run(read_record(file), record):
        raise UsageError(
            f"{place} already holds this cell from another run, of {read_record(file).date}: "
            "publish into another folder, or move that run away"
        )


def _refuse_private(record: Record) -> None:
    """Refuse a record that names a folder, the machine or the user; lines repeat its provenance."""
    from deltamem_evaluations.records.local_places import local_places

    for found in local_places(record.to_json(), names=list(_names())):
        raise UsageError(
            f"the record of {record.cell} reveals a path or a name of this machine "
            f"({found!r:.80}): run it again with a path below the working folder"
        )


def _names() -> Iterator[str]:
    """Names of this machine and its user, where they are not words like any other."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = ""
    for name in (platform.node(), user):
        if len(name) >= SHORTEST and name not in ("localhost", "root", "user"):
            yield name


def check_experiment(experiment: ExperimentResults, where: Path) -> None:
    """Refuse an experiment whose words or faults name a place on a machine.

    Raises:
        InvalidData: the first such text.
    """
    from deltamem_evaluations.records.local_places import local_places

    for found in local_places(asdict(experiment), names=list(_names())):
        raise InvalidData(f"{where} reveals a path or a name of this machine: {found!r:.80}")
