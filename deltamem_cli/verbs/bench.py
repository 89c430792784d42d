"""``deltamem bench``: how fast it is, in ratios that one run on this machine gives."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from deltamem_cli.speed.suites import SUITES, measure
from deltamem_cli.verbs.options import Json, Quiet, make_console

__all__ = ["bench"]


def bench(
    suite: Annotated[
        Optional[str],
        typer.Argument(
            metavar="[SUITE]", help="scan, train, decode or eval; lists them if left out."
        ),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure speed in ratios of one run: deltamem bench scan."""
    console = make_console(quiet=quiet, as_json=as_json)
    if suite is not None:
        measure(suite, console=console)
        return
    console.json({"rows": [{"name": name, "about": about} for name, about in SUITES.items()]})
    for name, about in SUITES.items():
        console.result(f"{name:8}{about}")
