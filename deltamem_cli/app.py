"""``deltamem``: the verbs. Nothing heavy is imported before a verb is called."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal, Optional

import typer

if TYPE_CHECKING:
    from deltamem_cli.console import Console

app = typer.Typer(
    name="deltamem",
    help="Train, evaluate and compare δ-mem, a tiny online memory for frozen language models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

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
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No notes, no progress.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More notes.")]


def _console(*, quiet: bool, verbose: bool, as_json: bool = False) -> Console:
    from deltamem_cli.console import Console

    return Console(quiet=quiet, verbose=verbose, as_json=as_json)


@app.command()
def pretrain(
    overrides: Overrides = None,
    cfg: Cfg = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make the embedded backbone anew (about an hour on two cores)."""
    from deltamem_cli.commands.pretrain import pretrain as verb

    verb(overrides or [], console=_console(quiet=quiet, verbose=verbose), show=cfg)


def main() -> None:
    """Entry point: one sentence and an exit code for whatever a user can mend."""
    from deltamem_cli.exits import exit_with

    sys.exit(exit_with(app))


if __name__ == "__main__":
    main()
