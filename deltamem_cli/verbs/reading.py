"""Verbs that read what was run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from deltamem_cli.verbs.options import Json, Overrides, Quiet, make_console

__all__ = ["compare", "inspect", "report", "score"]


def report(
    folders: Annotated[
        Optional[list[Path]],
        typer.Argument(metavar="[FOLDER]...", help="Of records; results/ if none is named."),
    ] = None,
    runs: Annotated[bool, typer.Option("--runs", help="Look into runs/ as well.")] = False,
    kind: Annotated[
        Optional[str],
        typer.Option("--format", help="markdown, latex, csv, json or html; else as --out ends."),
    ] = None,
    out: Annotated[
        Optional[Path],
        typer.Option("--out", help="File to write, else README.md, report.tex, ... beside them."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put all complete records into tables, beside the paper's: deltamem report --format html."""
    from deltamem_cli.commands.report import report as verb

    console = make_console(quiet=quiet, as_json=as_json)
    verb(folders or [], console=console, out=out, kind=kind, with_runs=runs)


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="Folder of the run to compare with.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Folder of the run in question.")],
    force: Annotated[
        bool, typer.Option("--force", help="Compare what different protocols have in common.")
    ] = False,
    flips: Annotated[
        bool, typer.Option("--flips", help="List what B fixed and what it broke.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say whether B is better than A, question by question: deltamem compare runs/A runs/B."""
    from deltamem_cli.commands.compare import compare as verb

    verb(a, b, console=make_console(as_json=as_json), force=force, with_flips=flips)


def inspect(
    what: Annotated[
        Path, typer.Argument(metavar="RUN|STATE", help="Folder of a run, or a .dmstate file.")
    ],
    words: Annotated[
        Optional[list[str]],
        typer.Argument(
            metavar="[OTHER] [KEY=VALUE]...",
            help="A second state to compare with; for a run, settings such as adapter=FOLDER.",
        ),
    ] = None,
    history: Annotated[
        Optional[str], typer.Option("--history", help="Id of a history of the run, else the first.")
    ] = None,
    out: Annotated[
        Optional[Path], typer.Option("--out", help="Of the images, without suffix.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show what a memory holds, per layer and turn: deltamem inspect runs/CELL."""
    from deltamem_cli.commands.inspect import inspect as verb

    console = make_console(quiet=quiet, as_json=as_json)
    verb(what, words or [], console=console, history=history, out=out)


def score(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    overrides: Overrides = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score the stored answers of a run again, without a model."""
    from deltamem_cli.commands.score import score as verb

    verb(run, overrides or [], console=make_console(quiet=quiet, as_json=as_json))
