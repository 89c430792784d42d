"""``deltamem score``: score stored answers again, without a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltamem_base.counts import counted
from deltamem_base.downloads import told_of_downloads
from deltamem_cli.errors import UsageError
from deltamem_cli.named_runs import find_run
from deltamem_cli.options import Json, Overrides, Quiet, make_console
from deltamem_cli.runs.judging import judge_stored
from deltamem_cli.runs.stored_benchmark import stored_benchmark
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.recorded_settings import RecordedSettings

if TYPE_CHECKING:
    from deltamem_cli.runs.requests import ScoringRequest
    from deltamem_evaluations.records.record import Record

__all__ = ["score"]


def score(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run, or its short name.")],
    overrides: Overrides = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score the stored answers of a run again, without its model, or have them judged."""
    _score(find_run(run), overrides or [], make_console(quiet=quiet, as_json=as_json))


def _score(run: Path, overrides: Sequence[str], console: Console) -> None:
    """Compute the metrics of a run anew; both scorers' numbers stay in its record.

    Args:
        run: its folder.
        overrides: such as ``bench.path=FILE``, where the data is not found by itself.
        console: prints.

    Raises:
        Unavailable: no such folder, or one without a record.
        UsageError: settings of something other than the run's benchmark.
    """
    from deltamem_base.whole_files import write_json
    from deltamem_evaluations.records.record import RECORD
    from deltamem_evaluations.records.rescore import rescore
    from deltamem_evaluations.records.stored import Run, StoredRecord

    record = _record(run)
    stored = Run.of(StoredRecord(record=record, file=run / RECORD))
    request = _request(record, overrides, console)
    judged = judge_stored(request.judge, stored, run, request.benchmark, console)
    scored = rescore(stored, request.benchmark, judged=judged)
    copy = None if request.results is None else _copy(record, request.results, console)
    places = [run / RECORD, *([] if copy is None else [copy])]
    paths = [write_json(place, scored.to_json()) for place in places]
    console.json(scored.to_json())
    entry = scored.rescored[-1]
    for name, metric in entry.metrics.items():
        before = record.metrics.get(name)
        was = "not scored before" if before is None else f"{before.mean:.4f} in the record"
        console.result(f"{name}: {metric.mean:.4f} ({was}; {counted(metric.n, 'answer')})")
    if entry.judge is not None:
        console.note(f"judged by {entry.judge}")
    elif entry.fingerprint != record.fingerprint:
        console.note("note: the protocol or the data differs from the run's")
    console.wrote(*paths)


def _copy(record: Record, results: Path, console: Console) -> Path | None:
    """The copy of a record among the results; None where there is none, or it is of another run."""
    from deltamem_evaluations.records.record import read_record
    from deltamem_evaluations.records.rescore import is_of_the_same_run

    path = results / f"{record.cell}.json"
    if not path.is_file():
        return None
    if is_of_the_same_run(read_record(path), record):
        return path
    console.note(f"note: {path} is the result of another run of that name, and stays as it is")
    return None


def _record(run: Path) -> Record:
    from deltamem_base.faults import InvalidData, Unavailable
    from deltamem_evaluations.records.record import RECORD, read_record

    if not run.is_dir():
        raise Unavailable(
            f"there is no folder {run}; `deltamem list runs` names those that are here"
        )
    if not (run / RECORD).is_file():
        raise Unavailable(
            f"{run} holds no {RECORD}: name the folder of a finished `deltamem eval`; one that was "
            "interrupted goes on when the same command is run again"
        )
    record = read_record(run / RECORD)
    if RecordedSettings.of(record).bench is None:
        raise InvalidData(f"{run / RECORD} does not say with which settings the run was made")
    return record


def _request(record: Record, overrides: Sequence[str], console: Console) -> ScoringRequest:
    """The run's benchmark, loaded, the folder where copies of records lie, and the judge."""
    for override in overrides:
        if not override.startswith(("bench.", "judge.", "results_dir=")):
            raise UsageError(
                f"a run of bench={record.bench} is scored by that benchmark, with settings such as "
                f"bench.path=FILE, or judged by judge.url and judge.model; got '{override}'"
            )
    request = stored_benchmark(record, overrides)
    with told_of_downloads(console.note):
        request.benchmark.load()
    return request
