"""``deltamem ablate experiment=heads``: run what is missing of a table, and show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from deltamem_cli.errors import OK, PARTIAL, UsageError
from deltamem_cli.experiments import Outcome, Plan, run_missing
from deltamem_cli.experiments.asked import plan_of
from deltamem_cli.experiments.dry_run import show_forecast
from deltamem_cli.experiments.jobs import finished, jobs_of
from deltamem_cli.experiments.merged_words import as_overrides
from deltamem_cli.experiments.stored import results_of
from deltamem_cli.experiments.table import draw, experiment_table, records_of
from deltamem_cli.options import DryRun, Json, Overrides, Quiet, make_console
from deltamem_cli.screen.console import Console

__all__ = ["ablate"]

Finished = Annotated[
    bool,
    typer.Option("--finished", help="Show and store the cells that have ended, and run nothing."),
]


def ablate(
    overrides: Overrides = None,
    dry_run: DryRun = False,
    only_finished: Finished = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run the missing cells of an experiment: deltamem ablate experiment=heads scale=tiny."""
    console = make_console(quiet=quiet, as_json=as_json)
    raise typer.Exit(
        _ablate(overrides or [], console, dry_run=dry_run, only_finished=only_finished)
    )


def _ablate(given: Sequence[str], console: Console, *, dry_run: bool, only_finished: bool) -> int:
    """Print, store and draw the whole experiment; 0, or 5 where cells could not be run.

    Args:
        given: settings of ``conf/ablate.yaml``, Hydra's launcher among them; ``train:WORD`` and
            ``eval:WORD`` go to every training and evaluation.
        console: prints.
        dry_run: list the cells with tokens and time, and stop.
        only_finished: run nothing, and leave the cells without a record empty.

    Raises:
        UsageError: both of these.
    """
    if dry_run and only_finished:
        raise UsageError("--dry-run says what would run, --finished what has: give one of them")
    words = as_overrides(given)
    plan, runs, results = plan_of(words)
    jobs = jobs_of(plan.cells)
    if dry_run:
        show_forecast(plan, jobs, runs=runs, console=console)
        return OK
    if only_finished:
        outcomes = {job.key: finished(job, runs) or Outcome(key=job.key) for job in jobs}
    else:
        outcomes = run_missing(jobs, words, runs=runs, results=results, console=console)
    _show(plan, outcomes, words, runs, console)
    failed = [cell for cell in plan.cells if outcomes[cell.key].fault]
    if failed:
        console.error(
            f"{len(failed)} of {len(plan.cells)} cells could not be run; run the same command "
            "again to try them"
        )
    return PARTIAL if failed else OK


def _show(
    plan: Plan,
    outcomes: Mapping[str, Outcome],
    words: Sequence[str],
    runs: Path,
    console: Console,
) -> None:
    from deltamem_base.whole_files import write_text
    from deltamem_evaluations.records.experiment import write_experiment
    from deltamem_evaluations.reporting import markdown

    table = experiment_table(plan, outcomes)
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
    console.json({"experiment": plan.name, "rows": rows})
    console.table(table, title=plan.title)
    base = runs / "experiments" / plan.name
    figures = draw(plan, outcomes, base)
    written = [
        write_text(base.with_suffix(".md"), markdown(table, title=plan.title)),
        write_experiment(runs, results_of(plan, records, outcomes, words)),
    ]
    console.wrote(*written, *figures)
