"""``--dry-run``: what would run, on how many tokens, for about how long; no model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltamem_base.faults import Fault
from deltamem_cli.experiments.jobs import Job, finished
from deltamem_cli.experiments.plan import Plan
from deltamem_cli.runs.estimate import Work, duration, factor_of, machine_rates, work_of
from deltamem_cli.runs.requests import EvaluationRequest, TrainingRequest
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.identity import content_hash, recorded
from deltamem_cli.settings.instantiate import check_types
from deltamem_cli.settings.run_key import contents

if TYPE_CHECKING:
    from deltamem_evaluations.reporting import Table

__all__ = ["Forecast", "forecast", "forecast_table", "show_forecast"]

DECISIVE = {
    "train": ("model", "training", "seed", "runtime"),
    "eval": ("model", "bench", "runtime"),
}
"""Parts of a configuration that its tokens and its time depend on."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """One job before it runs."""

    job: Job
    done: bool
    work: Work | None
    missing: str | None
    """Why its tokens cannot be counted: data that is not here."""
    seconds: float | None
    write_answers: bool | None = None
    """Whether question and answer tokens write; None of a method that has no say in it."""


def forecast(jobs: Sequence[Job], *, runs: Path) -> tuple[list[Forecast], str]:
    """Every job's tokens and time, and a sentence on where the times come from."""
    counted = _Counted()
    looked = [
        (job, finished(job, runs), *counted.of(job))
        for kind in ("train", "eval")
        for job in jobs
        if job.kind == kind
    ]
    pairs = [
        (roofline, took)
        for job, ended, _, _, roofline in looked
        if roofline is not None and (took := _took(ended, job)) is not None
    ]
    factor, known = factor_of(pairs)
    rows = [
        Forecast(
            job=job,
            done=ended is not None,
            work=work,
            missing=missing,
            seconds=None if roofline is None else roofline * factor,
            write_answers=_writes_answers(job),
        )
        for job, ended, work, missing, roofline in looked
    ]
    basis = f"{known} finished runs here" if known else "no finished run here to compare with"
    return rows, f"times: {factor:.1f} x what this machine's arithmetic and memory allow ({basis})"


class _Counted:
    """Looks at each data set once, be it here or missing, however many jobs read it."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Work | None, str | None]] = {}

    def of(self, job: Job) -> tuple[Work | None, str | None, float | None]:
        """The work, or why it cannot be counted, and its seconds at this machine's rates."""
        tree = job.composed.tree
        settings = recorded(tree)
        parts = {name: settings.get(name) for name in DECISIVE[job.kind]}
        key = content_hash([job.kind, parts, tree.get("limit"), contents(tree)])
        if key not in self._known:
            self._known[key] = _work(job)
        work, missing = self._known[key]
        rates = machine_rates(str(tree["runtime"]["device"]), str(tree["runtime"]["dtype"]))
        return work, missing, None if work is None else work.seconds(rates)


def _work(job: Job) -> tuple[Work | None, str | None]:
    try:
        check_types(job.composed.tree)
        request = TrainingRequest if job.kind == "train" else EvaluationRequest
        return work_of(request.of(job.composed)), None
    except Fault as fault:
        return None, str(fault)


def _writes_answers(job: Job) -> bool | None:
    writes: bool | None = job.composed.tree["method"].get("write_answers")
    return writes if job.kind == "eval" else None


def _took(outcome: Any, job: Job) -> float | None:
    """Seconds of a finished evaluation; trainings log rates, not totals."""
    from deltamem_evaluations.records.record import read_record

    if outcome is None or outcome.path is None or job.kind != "eval":
        return None
    record = read_record(Path(outcome.path))
    each = (record.cost.write_seconds or 0) + (record.cost.answer_seconds or 0)
    return record.n.scored * each


def forecast_table(rows: Sequence[Forecast], basis: str) -> Table:
    """The forecast as a table with its totals."""
    from deltamem_evaluations.reporting import Table

    lines = [
        [
            row.job.kind,
            row.job.label,
            row.job.key,
            "done" if row.done else "to run",
            "?" if row.work is None else f"{row.work.read_tokens:,}",
            "?" if row.work is None else f"{row.work.new_tokens:,}",
            "" if row.done else duration(row.seconds),
        ]
        for row in rows
    ]
    left = [row for row in rows if not row.done]
    total = sum(row.seconds or 0.0 for row in left)
    unknown = sum(row.seconds is None for row in left)
    notes = [
        f"{len(left)} of {len(rows)} jobs to run, about {duration(total)}"
        + (f" and {unknown} of unknown length" if unknown else ""),
        basis,
        *_writing(rows),
        *dict.fromkeys(f"{row.job.label}: {row.missing}" for row in left if row.missing),
    ]
    columns = ["job", "row", "key", "state", "tokens to read", "new tokens at most", "time"]
    return Table(columns=columns, rows=lines, notes=notes, labels=2)


def _writing(rows: Sequence[Forecast]) -> list[str]:
    """Sentences on what evaluations write to a memory, with their names where they differ."""
    told = {
        True: "the tokens of history, question and answer",
        False: "only the tokens of the history",
    }
    labels = {
        what: [row.job.label for row in rows if row.write_answers is writes]
        for writes, what in told.items()
    }
    found = {what: names for what, names in labels.items() if names}
    if len(found) == 1:
        return [f"written to the memory are {what}" for what in found]
    return [f"written to the memory are {what}: {', '.join(n)}" for what, n in found.items()]


def show_forecast(plan: Plan, jobs: Sequence[Job], *, runs: Path, console: Console) -> None:
    """Print what would run, with tokens and an estimate of the time."""
    rows, basis = forecast(jobs, runs=runs)
    console.json(
        {
            "experiment": plan.name,
            "rows": [
                {
                    "kind": row.job.kind,
                    "key": row.job.key,
                    "label": row.job.label,
                    "words": list(row.job.words),
                    "done": row.done,
                    "read_tokens": row.work.read_tokens if row.work else None,
                    "new_tokens": row.work.new_tokens if row.work else None,
                    "seconds": row.seconds,
                    "missing": row.missing,
                    "write_answers": row.write_answers,
                }
                for row in rows
            ],
            "basis": basis,
        }
    )
    console.table(forecast_table(rows, basis), title=plan.title)
