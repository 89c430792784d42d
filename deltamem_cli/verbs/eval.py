"""``deltamem eval``: one method on one benchmark, to a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from deltamem_base.counts import counted
from deltamem_cli.launched import process_count
from deltamem_cli.options import Cfg, Json, Multirun, Overrides, Quiet, make_console
from deltamem_cli.runs.evaluation import run_evaluation, share_evaluation
from deltamem_cli.runs.judging import say_judged

if TYPE_CHECKING:
    from deltamem_evaluations.records.record import Record

__all__ = ["eval_"]


def eval_(
    overrides: Overrides = None,
    limit: Annotated[
        Optional[int],
        typer.Option("--limit", min=1, help="Evaluate only so many samples, from the first."),
    ] = None,
    multirun: Multirun = False,
    cfg: Cfg = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Evaluate a method on a benchmark: deltamem eval bench=locomo context=none."""
    words = [*(overrides or []), *([] if limit is None else [f"limit={limit}"])]
    console = make_console(quiet=quiet, as_json=as_json)
    if process_count() == 1 or multirun or cfg is not None:
        done = run_evaluation(words, console=console, multirun=multirun, show=cfg)
    else:
        done = share_evaluation(words, console=console)
    if done is None:
        return
    records = done if multirun else [done]
    if multirun:
        console.json({"rows": [record.to_json() for record in records]})
    else:
        console.json(done.to_json())
    for record in records:
        console.result(_line(record))
        say_judged(record, console)
        for deviation in record.deviations:
            console.note(f"note: {deviation}")
        console.wrote(record.path)
    console.advise(
        "deltamem compare eval-1 @last (an earlier run and this one)",
        "deltamem report (all runs in one table)",
    )


def _line(record: Record) -> str:
    from deltamem_evaluations.metrics.likelihood import REFERENCE_NLL

    metric = record.primary
    if metric is None:
        return f"{record.cell}: no {record.primary_metric} (no sample of its kind)"
    low, high = metric.ci95
    what = f"{counted(metric.n, 'question')}, {counted(metric.clusters, 'history')}"
    text = (
        f"{record.cell}: {record.primary_metric} {metric.mean:.4f} [{low:.4f}, {high:.4f}] ({what})"
    )
    weighed = record.metrics.get(REFERENCE_NLL)
    if weighed is not None:
        low, high = weighed.ci95
        text += f"; {REFERENCE_NLL} {weighed.mean:.4f} [{low:.4f}, {high:.4f}]"
    return text
