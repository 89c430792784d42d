"""Verbs that hand over to others what was made here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from deltamem_cli.verbs.options import Json, Quiet, make_console

__all__ = ["push"]


def push(
    adapter: Annotated[
        Path, typer.Argument(metavar="ADAPTER", help="Its folder, or the run that made it.")
    ],
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="Of the hub; made where it is missing.")
    ],
    branch: Annotated[
        Optional[str], typer.Option("--branch", help="Made where it is missing; else main.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private.")
    ] = False,
    message: Annotated[Optional[str], typer.Option("--message", help="Of the commit.")] = None,
    licence: Annotated[
        Optional[str],
        typer.Option("--license", help="Of the weights, by the hub's id, such as cc-by-4.0."),
    ] = None,
    records: Annotated[
        Optional[list[Path]],
        typer.Option(
            "--record",
            help="A run with these weights or the bare backbone, or a folder of runs; may be "
            "repeated; if left out, what runs/ and results/ hold.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the card and the files; upload nothing.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Publish an adapter on the hub, with its card: deltamem push runs/train__… OWNER/NAME."""
    from deltamem_cli.commands.push import Target
    from deltamem_cli.commands.push import push as verb

    target = Target(
        repository=repository, branch=branch, private=private, message=message, licence=licence
    )
    console = make_console(quiet=quiet, as_json=as_json)
    verb(adapter, target, console=console, records=records or [], dry_run=dry_run)
