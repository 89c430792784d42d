"""Options that several verbs share."""

from __future__ import annotations

from typing import Annotated, Literal, Optional

import typer

from deltamem_cli.completion import complete_setting
from deltamem_cli.screen.console import Console

__all__ = ["Cfg", "DryRun", "Json", "Multirun", "Overrides", "Quiet", "make_console"]

Overrides = Annotated[
    Optional[list[str]],
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Settings, such as model=qwen3-4b writer=ssw training.learning_rate=1e-4.",
        show_default=False,
        autocompletion=complete_setting,
    ),
]
Cfg = Annotated[
    Optional[Literal["job", "hydra", "all"]],
    typer.Option("--cfg", help="Print the composed settings and stop."),
]
Multirun = Annotated[
    bool, typer.Option("--multirun", "-m", help="Run once for each of the comma-separated values.")
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="List what would run, with tokens and time, and run nothing."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print neither notes nor progress.")]


def make_console(*, quiet: bool = False, as_json: bool = False) -> Console:
    """The console of a verb, as loud as its options say."""
    return Console(quiet=quiet, as_json=as_json)
