"""Run what an experiment still misses: trainings first, then evaluations, by Hydra's launchers.

What is done is known from ``RUNS/cells/KEY.json``, which is written when a job ends well and points
to its adapter or record. Killed at any moment, the same command goes on: trainings from their
checkpoints, evaluations from their samples, and finished jobs are not run at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from deltamem_base.counts import counted
from deltamem_base.faults import Fault
from deltamem_cli.experiments.merged_words import Words, merged
from deltamem_cli.experiments.plan import Cell
from deltamem_cli.runs.evaluation import run_evaluation
from deltamem_cli.runs.launching import check_alone
from deltamem_cli.runs.training import run_training
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.job import run_config

__all__ = ["Job", "Outcome", "finished", "jobs_of", "run_missing"]

FOLDER = "cells"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training or evaluation."""

    kind: str
    """``train`` or ``eval``."""
    key: str
    words: Words
    label: str
    composed: Composed
    """The config that the words compose."""
    needs: str | None = None
    """The key of the training whose adapter is evaluated."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of a job: a result, or a fault."""

    key: str
    path: str | None = None
    """The adapter's folder, or the record's file."""
    fault: str | None = None
    """Why there is none, in one sentence."""
    exit_code: int = 0


def jobs_of(cells: Iterable[Cell]) -> list[Job]:
    """Every training and evaluation of some cells once, trainings first."""
    trainings: dict[str, Job] = {}
    evaluations: dict[str, Job] = {}
    for cell in cells:
        if cell.train is not None and cell.train_key is not None and cell.training is not None:
            job = Job(
                kind="train",
                key=cell.train_key,
                words=cell.train,
                label=cell.row,
                composed=cell.training,
            )
            trainings.setdefault(cell.train_key, job)
        label = f"{cell.row} / {cell.column}"
        job = Job(
            kind="eval",
            key=cell.key,
            words=cell.evaluate,
            label=label,
            composed=cell.evaluation,
            needs=cell.train_key,
        )
        evaluations.setdefault(cell.key, job)
    return [*trainings.values(), *evaluations.values()]


def finished(job: Job, runs: Path) -> Outcome | None:
    """The outcome of a job that ended well before, and whose result is still there."""
    from deltamem_base.faults import InvalidData
    from deltamem_evaluations.records.record import read_record

    try:
        entry = json.loads(_entry(job.key, runs).read_text(encoding="utf-8"))
        path = Path(entry["path"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if job.kind == "train":
        return Outcome(key=job.key, path=str(path)) if (path / "README.md").is_file() else None
    try:
        complete = read_record(path).complete
    except InvalidData:
        return None
    return Outcome(key=job.key, path=str(path)) if complete else None


def run_missing(
    jobs: Sequence[Job], words: Sequence[str], *, runs: Path, results: str | None, console: Console
) -> dict[str, Outcome]:
    """Outcomes of all jobs by key, after those that were missing have run.

    Args:
        jobs: trainings before the evaluations that need them.
        words: of `deltamem ablate`; with them come launcher and sweep settings.
        runs: folder of runs.
        results: where complete records are copied; None for nowhere.
        console: prints.

    Raises:
        UsageError: a launcher started several processes.
    """
    check_alone()
    outcomes = {j.key: done for j in jobs if (done := finished(j, runs)) is not None}
    for kind in ("train", "eval"):
        wanted = [j for j in jobs if j.kind == kind and j.key not in outcomes]
        ready = {j.key: j for j in wanted if _fault_before(j, outcomes) is None}
        for job in wanted:
            if job.key not in ready:
                outcomes[job.key] = _without(job, outcomes)
        if ready:
            what = "training" if kind == "train" else "evaluation"
            console.note(f"{counted(len(ready), what)} to run")
            outcomes |= _launch(ready, outcomes, words, runs=runs, results=results, console=console)
    return outcomes


def _launch(
    jobs: Mapping[str, Job],
    outcomes: Mapping[str, Outcome],
    words: Sequence[str],
    *,
    runs: Path,
    results: str | None,
    console: Console,
) -> dict[str, Outcome]:
    adapters = {j.key: outcomes[j.needs].path for j in jobs.values() if j.needs is not None}
    task = partial(
        _run, jobs=dict(jobs), adapters=adapters, runs=str(runs), results=results, console=console
    )
    sweep = [*words, f"job={','.join(jobs)}"]
    done: list[Outcome] = run_config("ablate", task, sweep, multirun=True)
    return {outcome.key: outcome for outcome in done}


def _run(
    composed: Composed,
    *,
    jobs: Mapping[str, Job],
    adapters: Mapping[str, str | None],
    runs: str,
    results: str | None,
    console: Console,
) -> Outcome:
    """One job, wherever the launcher put it. What a user can mend does not stop the others."""
    job = jobs[composed.tree["job"]]
    console.note(f"{job.label}: deltamem {job.kind} {' '.join(job.words)}")
    try:
        path = _act(job, adapters.get(job.key), runs=runs, results=results, console=console)
    except Fault as fault:
        console.note(f"{job.label}: {fault}")
        return Outcome(key=job.key, fault=str(fault), exit_code=fault.exit_code)
    outcome = Outcome(key=job.key, path=path)
    _store(job, outcome, Path(runs))
    return outcome


def _act(job: Job, adapter: str | None, *, runs: str, results: str | None, console: Console) -> str:
    places = [f"runs_dir={runs}"]
    if job.kind == "train":
        return str(run_training(merged(job.words, places), console=console)["path"])
    places.append(f"results_dir={'null' if results is None else results}")
    places += [] if adapter is None else [f"adapter={adapter}"]
    return str(run_evaluation(merged(job.words, places), console=console).path)


def _store(job: Job, outcome: Outcome, runs: Path) -> None:
    from deltamem_base.whole_files import write_json

    entry = {"kind": job.kind, "words": list(job.words), "needs": job.needs, **asdict(outcome)}
    write_json(_entry(job.key, runs), entry)


def _entry(key: str, runs: Path) -> Path:
    return runs / FOLDER / f"{key}.json"


def _fault_before(job: Job, outcomes: Mapping[str, Outcome]) -> str | None:
    """Why the training that a job needs did not end well; None where it did, or none is needed."""
    return None if job.needs is None else outcomes[job.needs].fault


def _without(job: Job, outcomes: Mapping[str, Outcome]) -> Outcome:
    assert job.needs is not None
    training = outcomes[job.needs]
    fault = f"its training did not end: {training.fault}"
    return Outcome(key=job.key, fault=fault, exit_code=training.exit_code)
