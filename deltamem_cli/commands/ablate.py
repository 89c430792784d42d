"""``deltamem ablate experiment=heads``: run what is missing of a table, and show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deltamem_cli.errors import OK, PARTIAL, UsageError
from deltamem_cli.experiments import Outcome, Plan, make_plan, run_missing
from deltamem_cli.experiments.dry_run import forecast, forecast_table
from deltamem_cli.experiments.jobs import Job, jobs_of
from deltamem_cli.experiments.plan import Draft, make_drafts
from deltamem_cli.experiments.table import draw, experiment_table, records_of
from deltamem_cli.experiments.words import as_overrides
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.compose import about, choices, options, run_config

__all__ = ["ablate", "drafts_of", "plan_of", "show_forecast"]


def ablate(words: Sequence[str], *, console: Console, dry_run: bool) -> int:
    """Run the missing cells of an experiment; print, store and draw the whole.

    Args:
        words: settings of ``conf/ablate.yaml``, Hydra's launcher among them; ``train:WORD`` and
            ``eval:WORD`` go to every training and evaluation.
        console: prints.
        dry_run: list the cells with tokens and time, and stop.

    Returns:
        0, or 5 where cells could not be run.
    """
    words = as_overrides(words)
    plan, runs, results = plan_of(words)
    jobs = jobs_of(plan.cells)
    if dry_run:
        show_forecast(plan, jobs, runs=runs, console=console)
        return OK
    outcomes = run_missing(jobs, words, runs=runs, results=results, console=console)
    _show(plan, outcomes, runs, console)
    failed = [cell for cell in plan.cells if outcomes[cell.key].fault]
    if failed:
        console.error(
            f"{len(failed)} of {len(plan.cells)} cells could not be run; the same command goes on "
            "with them"
        )
    return PARTIAL if failed else OK


def plan_of(words: Sequence[str]) -> tuple[Plan, Path, str | None]:
    """The plan that words of the command line mean, and the folders of runs and of results.

    Raises:
        UsageError: no experiment was named, or settings that do not compose.
    """
    if not any(word.startswith("experiment=") for word in words):
        raise UsageError(
            f"name an experiment: experiment= one of {', '.join(options('experiment'))}"
        )
    plan, runs, results = run_config("ablate", _plan, words)
    return plan, Path(runs), results


def drafts_of(words: Sequence[str]) -> list[Draft]:
    """The cells that words mean, without their keys."""
    drafts: list[Draft] = run_config("ablate", make_drafts, words)
    return drafts


def _plan(config: Any) -> tuple[Plan, str, str | None]:
    name = choices()["experiment"]
    made = make_plan(config, name=name, title=about("experiment", name).rstrip("."))
    return made, config.runs_dir, config.results_dir


def show_forecast(plan: Plan, jobs: Sequence[Job], *, runs: Path, console: Console) -> None:
    """Print what would run, with tokens and an estimate of the time."""
    from evaluations.reporting import markdown

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
    console.result(markdown(forecast_table(rows, basis, title=plan.title)))


def _show(plan: Plan, outcomes: Mapping[str, Outcome], runs: Path, console: Console) -> None:
    from deltamem_base.whole_files import write_json, write_text
    from evaluations.reporting import markdown

    text = markdown(experiment_table(plan, outcomes))
    records = records_of(plan, outcomes)
    rows = [
        {
            "row": cell.row,
            "column": cell.column,
            "key": cell.key,
            "train": None if cell.train is None else list(cell.train),
            "eval": list(cell.evaluate),
            "fault": outcomes[cell.key].fault,
            "record": records[cell.key].to_json() if cell.key in records else None,
        }
        for cell in plan.cells
    ]
    content = {"experiment": plan.name, "rows": rows}
    console.json(content)
    console.result(text)
    base = runs / "experiments" / plan.name
    figures = draw(plan, outcomes, base)
    written = [
        write_text(base.with_suffix(".md"), text),
        write_json(base.with_suffix(".json"), content),
    ]
    console.wrote(*written, *figures)
