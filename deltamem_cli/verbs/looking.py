"""Verbs that look before anything runs: what there is, what would be asked, what is sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from deltamem_cli.verbs.options import Json, Overrides, Quiet, make_console

__all__ = ["audit", "doctor", "fetch", "list_", "parity", "show"]


def list_(
    what: Annotated[
        Optional[str],
        typer.Argument(help="models, writers, methods, benchmarks, ... or runs; all if left out."),
    ] = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """List what there is to choose from: deltamem list methods model=qwen3-4b."""
    from deltamem_cli.commands.list import list_choices

    list_choices(what, overrides or [], console=make_console(as_json=as_json))


def show(overrides: Overrides = None, as_json: Json = False) -> None:
    """Show what an evaluation would ask, without a model: deltamem show bench=locomo."""
    from deltamem_cli.commands.show import show as verb

    verb(overrides or [], console=make_console(as_json=as_json))


def audit(
    overrides: Overrides = None,
    limit: Annotated[
        Optional[int], typer.Option("--limit", min=2, help="Histories to check, 4 if left out.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check that nothing leaks between samples: deltamem audit bench=recall."""
    from deltamem_cli.commands.audit import audit as verb

    console = make_console(quiet=quiet, as_json=as_json)
    raise typer.Exit(verb(overrides or [], console=console, samples=limit))


def parity(
    folder: Annotated[Path, typer.Argument(help="Of case folders, or one case.")],
    as_json: Json = False,
) -> None:
    """Check agreement with the authors' implementation on stored cases."""
    from deltamem_cli.commands.parity import parity as verb

    raise typer.Exit(verb(folder, console=make_console(as_json=as_json)))


def fetch(overrides: Overrides = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """Download data once, with checksums: deltamem fetch bench=all."""
    from deltamem_cli.commands.fetch import fetch as verb

    raise typer.Exit(verb(overrides or [], console=make_console(quiet=quiet, as_json=as_json)))


def doctor(
    words: Annotated[
        Optional[list[str]],
        typer.Argument(
            metavar="[train|eval] [KEY=VALUE]...",
            help="A verb, eval if left out, and its settings.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a run needs and what is missing: deltamem doctor train model=qwen3-4b."""
    from deltamem_cli.commands.doctor import doctor as verb

    raise typer.Exit(verb(words or [], console=make_console(as_json=as_json)))
