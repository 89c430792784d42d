"""``deltamem list``: what there is to choose from, and what has been run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Optional

import typer

from deltamem_cli.errors import UsageError
from deltamem_cli.named_runs import RUNS, runs_in
from deltamem_cli.options import Json, Overrides, make_console
from deltamem_cli.screen.console import Console
from deltamem_cli.screen.method_list import list_methods
from deltamem_cli.settings.groups import about, options

__all__ = ["GROUPS", "list_"]

GROUPS = {
    "models": "model",
    "writers": "writer",
    "steers": "steer",
    "methods": "method",
    "benchmarks": "bench",
    "trainings": "training",
    "datasets": "data",
    "contexts": "context",
    "controls": "control",
    "runtimes": "runtime",
    "trackers": "tracker",
    "experiments": "experiment",
    "scales": "scale",
}
"""Plural on the command line -> config group."""


def list_(
    what: Annotated[
        Optional[str],
        typer.Argument(help="models, writers, methods, benchmarks, ... or runs; all by default."),
    ] = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """List choices, or runs: deltamem list methods model=qwen3-4b, deltamem list runs FOLDER."""
    _list(what, overrides or [], make_console(as_json=as_json))


def _list(what: str | None, overrides: Sequence[str], console: Console) -> None:
    """Print the options of one group, of all groups, or the runs.

    Args:
        what: a plural of :data:`GROUPS`, ``runs``, or None for all groups.
        overrides: settings that the answer depends on; methods have sizes by ``model=…``, and runs
            lie in a folder.
        console: where to.

    Raises:
        UsageError: there is nothing of that name to list, or settings that it does not depend on.
    """
    if what == "methods":
        list_methods(overrides, console=console, about=about)
        return
    if what == "runs" and len(overrides) < 2:
        _list_runs(Path(overrides[0]) if overrides else RUNS, console)
        return
    if overrides:
        raise UsageError(f"`deltamem list {what}` takes no settings: leave out {overrides[-1]}")
    if what is not None and what not in GROUPS:
        raise UsageError(f"there is no list '{what}'; choose one of {', '.join(GROUPS)}, runs")
    rows = [
        {"kind": kind, "name": name, "about": about(group, name)}
        for kind, group in GROUPS.items()
        if what in (None, kind)
        for name in options(group)
    ]
    console.json({"rows": rows})
    width = max((len(row["name"]) for row in rows), default=0)
    kind = None
    for row in rows:
        if row["kind"] != kind and what is None:
            kind = row["kind"]
            console.result(f"\n{kind} ({GROUPS[kind]}=…)")
        console.result(f"  {row['name']:{width}}  {row['about']}".rstrip())


def _list_runs(folder: Path, console: Console) -> None:
    runs = runs_in(folder) if folder != RUNS or folder.is_dir() else []
    rows = [
        {
            "name": run.path.name,
            "alias": run.alias,
            "finished": run.finished,
            "path": str(run.path),
        }
        for run in runs
    ]
    console.json({"rows": rows})
    width = max((len(run.alias or "") for run in runs), default=0)
    for run in runs:
        state = "finished " if run.finished else "resumable"
        console.result(f"{state}  {run.alias or '':{width}}  {run.path}")
    if not rows:
        console.note("no runs here yet")
