"""Options that several verbs share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Optional

import typer

if TYPE_CHECKING:
    from deltamem_cli.screen.console import Console

__all__ = ["Cfg", "DryRun", "Json", "Multirun", "Overrides", "Quiet", "Verbose", "make_console"]

Overrides = Annotated[
    Optional[list[str]],
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Settings, such as model=qwen3-4b writer=ssw training.learning_rate=1e-4.",
        show_default=False,
    ),
]
Cfg = Annotated[
    Optional[Literal["job", "hydra", "all"]],
    typer.Option("--cfg", help="Print the composed settings and stop."),
]
Multirun = Annotated[
    bool, typer.Option("--multirun", "-m", help="Sweep over comma-separated values.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="List what would run, with tokens and time; run nothing.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No notes, no progress.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More notes.")]


def make_console(*, quiet: bool = False, verbose: bool = False, as_json: bool = False) -> Console:
    """How loud a verb is; nothing heavy is imported before it is called."""
    from deltamem_cli.screen.console import Console

    return Console(quiet=quiet, verbose=verbose, as_json=as_json)
