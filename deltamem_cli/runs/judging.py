"""Have the stored answers of a run judged, where a judge was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltamem_cli.runs.requests import EvaluationRequest
from deltamem_cli.screen.console import Console

if TYPE_CHECKING:
    from deltamem_evaluations.benchmark import Benchmark
    from deltamem_evaluations.judging.endpoint import Endpoint
    from deltamem_evaluations.judging.judged import Judged
    from deltamem_evaluations.records.record import Record
    from deltamem_evaluations.records.stored import Run

__all__ = ["judge_stored", "judged_too", "say_judged"]


def judge_stored(
    endpoint: Endpoint | None,
    run: Run,
    folder: Path,
    benchmark: Benchmark[Any],
    console: Console,
) -> Judged | None:
    """The scores of the judge; None where none was asked for.

    Args:
        endpoint: of the judging model.
        run: its record and its stored answers.
        folder: of the run, where judgements are kept.
        benchmark: loaded.
        console: shows how far it is.
    """
    from deltamem_evaluations.judging.judged import judge_answers

    if endpoint is None:
        return None
    with console.progress("judging") as tick:
        return judge_answers(folder, run.lines, benchmark, endpoint, tick=tick)


def judged_too(
    record: Record,
    request: EvaluationRequest,
    places: Sequence[Path],
    console: Console,
    *,
    write: Callable[[Record, Sequence[Path]], None],
) -> Record:
    """The record with the scores of the judge beside its own, where one was asked for.

    Args:
        record: of the evaluation, written already.
        request: the evaluation, its benchmark loaded.
        places: files of the record, the run's own first.
        console: shows how far it is.
        write: writes a record to these files.
    """
    from deltamem_evaluations.records.rescore import rescore
    from deltamem_evaluations.records.stored import Run, StoredRecord

    if request.judge is None:
        return record
    run = Run.of(StoredRecord(record=record, file=places[0]))
    judged = judge_stored(request.judge, run, places[0].parent, request.benchmark, console)
    found = rescore(run, request.benchmark, judged=judged)
    write(found, places)
    return found


def say_judged(record: Record, console: Console) -> None:
    """Print what the last judge of a run found, and who it was."""
    from deltamem_evaluations.judging.rules import JUDGED

    entry = record.rescored[-1] if record.rescored else None
    if entry is None or entry.judge is None:
        return
    for name, metric in entry.metrics.items():
        if name.startswith(JUDGED):
            low, high = metric.ci95
            console.result(
                f"{name}: {metric.mean:.4f} [{low:.4f}, {high:.4f}] ({metric.n} answers; by "
                f"{entry.judge})"
            )
