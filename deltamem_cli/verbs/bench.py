"""``deltamem bench``: how fast it is, in ratios that one run on this machine gives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from deltamem_cli.options import Json, Quiet, make_console
from deltamem_cli.speed.suites import SUITES, measure

__all__ = ["bench"]


def bench(
    suite: Annotated[
        Optional[str],
        typer.Argument(
            metavar="[SUITE]",
            help="scan, train, decode, eval, peers or threads; without one, they are listed.",
        ),
    ] = None,
    data: Annotated[
        Optional[Path],
        typer.Option(help="Real data: IFEval's JSONL for peers, locomo10.json for eval."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure speed, as ratios of times from one run: deltamem bench scan."""
    console = make_console(quiet=quiet, as_json=as_json)
    if suite is not None:
        measure(suite, console=console, data=data)
        return
    console.json({"rows": [{"name": name, "about": about} for name, about in SUITES.items()]})
    for name, about in SUITES.items():
        console.result(f"{name:8}{about}")
