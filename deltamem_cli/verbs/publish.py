"""``deltamem publish``: complete runs into a folder of results, as they may be shown to anybody."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from deltamem_cli.options import Json, Quiet, make_console
from deltamem_cli.screen.console import Console

__all__ = ["publish"]


def publish(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Finished runs, folders of runs, or experiments (RUNS/experiments/NAME.json).",
        ),
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of results, such as results/laptop.")
    ],
    by: Annotated[str, typer.Option("--by", help="Who measured: a person, a group or a project.")],
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Copy complete runs into a folder of results: deltamem publish runs/… results/NAME --by ME.

    If the licence of a benchmark forbids spreading its texts, they are left out.
    """
    _publish(runs, folder, make_console(quiet=quiet, as_json=as_json), by=by)


def _publish(named: Sequence[Path], folder: Path, console: Console, *, by: str) -> None:
    """Check what was named, and write it.

    Args:
        named: runs, folders of runs, or experiments.
        folder: where to; what is there stays.
        console: prints.
        by: who measured.

    Raises:
        UsageError: no run, a part of one, or one that names a place on this machine.
        InvalidData: a damaged file.
    """
    from deltamem_cli.errors import UsageError
    from deltamem_cli.publishing.results_folder import check_experiment, gather, publish_run
    from deltamem_evaluations.records.experiment import write_experiment
    from deltamem_evaluations.records.publication import read_publication

    if not by.strip():
        raise UsageError("--by is empty; say who measured: a person, a group or a project")
    found = gather(named)
    for experiment in found.experiments:
        check_experiment(experiment, folder)
    told = []
    for stored in found.runs:
        publish_run(stored, folder, measured_by=by.strip())
        said = read_publication(folder / stored.record.cell)
        assert said is not None
        told.append({"cell": stored.record.cell, "texts": said.texts, "command": said.command})
        console.result(f"{stored.record.cell}: texts {said.texts}")
    places = [write_experiment(folder, experiment) for experiment in found.experiments]
    console.json({"folder": str(folder), "runs": told, "experiments": [p.stem for p in places]})
    console.note(f"render and check them: deltamem report {folder}")
    console.wrote(folder)
