"""``--dry-run``: what would run, on how many tokens, for about how long; no model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltamem_cli.compose import compose_each
from deltamem_cli.experiments.estimate import Work, factor_of, machine_rates, work_of
from deltamem_cli.experiments.jobs import Job, finished

__all__ = ["Forecast", "duration", "forecast", "forecast_table"]


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """One job before it runs."""

    job: Job
    done: bool
    work: Work | None
    missing: str | None
    """Why its tokens cannot be counted: data that is not here."""
    seconds: float | None


def forecast(jobs: Sequence[Job], *, runs: Path) -> tuple[list[Forecast], str]:
    """Every job's tokens and time, and a sentence on where the times come from."""
    configs = {
        job.key: config
        for kind in ("train", "eval")
        for job, config in _composed([job for job in jobs if job.kind == kind], kind)
    }
    ended = {job.key: finished(job, runs) for job in jobs}
    works: dict[str, Work | None] = {}
    faults: dict[str, str] = {}
    for job in jobs:
        works[job.key], fault = _work(job, configs[job.key])
        faults |= {job.key: fault} if fault else {}
    rates = {job.key: machine_rates(*_machine(configs[job.key])) for job in jobs}
    pairs = []
    for job in jobs:
        work, took = works[job.key], _took(ended[job.key], job)
        roofline = None if work is None else work.seconds(rates[job.key])
        if roofline is not None and took is not None:
            pairs.append((roofline, took))
    factor, known = factor_of(pairs)
    rows = []
    for job in jobs:
        work = works[job.key]
        roofline = None if work is None else work.seconds(rates[job.key])
        rows.append(
            Forecast(
                job=job,
                done=ended[job.key] is not None,
                work=work,
                missing=faults.get(job.key),
                seconds=None if roofline is None else roofline * factor,
            )
        )
    basis = f"{known} finished runs here" if known else "no finished run here to learn from"
    return rows, f"times: {factor:.1f} x what this machine's arithmetic and memory allow ({basis})"


def _composed(jobs: Sequence[Job], kind: str) -> list[tuple[Job, Any]]:
    return list(zip(jobs, compose_each(kind, [job.words for job in jobs]), strict=True))


def _machine(config: Any) -> tuple[str, str]:
    return str(config.runtime.device), str(config.runtime.dtype)


def _work(job: Job, config: Any) -> tuple[Work | None, str | None]:
    try:
        return work_of(job.kind, config), None
    except Exception as fault:
        if getattr(fault, "exit_code", None) is None:
            raise
        return None, str(fault)


def _took(outcome: Any, job: Job) -> float | None:
    """Seconds of a finished evaluation; trainings log rates, not totals."""
    from evaluations.record import read_record

    if outcome is None or outcome.path is None or job.kind != "eval":
        return None
    cost, n = (record := read_record(Path(outcome.path))).cost, record.n["scored"]
    return n * (float(cost["write_seconds"] or 0) + float(cost["answer_seconds"] or 0))


def forecast_table(rows: Sequence[Forecast], basis: str, *, title: str) -> Any:
    """The forecast as a table with its totals."""
    from evaluations.reporting import Table

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
        *dict.fromkeys(f"{row.job.label}: {row.missing}" for row in left if row.missing),
    ]
    columns = ["job", title, "key", "state", "tokens to read", "new tokens at most", "time"]
    return Table(columns=columns, rows=lines, notes=notes)


def duration(seconds: float | None) -> str:
    """``45 s``, ``12 min``, ``3.5 h``, ``2.1 days``; ``?`` where it is not known."""
    if seconds is None:
        return "?"
    for size, unit in ((86400.0, "days"), (3600.0, "h")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{max(seconds, 1):.0f} s"
