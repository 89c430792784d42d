"""``deltamem``: the verbs. Nothing heavy is imported before a verb is called."""

from __future__ import annotations

import sys
from pathlib import Path
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


def _console(*, quiet: bool = False, verbose: bool = False, as_json: bool = False) -> Console:
    from deltamem_cli.console import Console

    return Console(quiet=quiet, verbose=verbose, as_json=as_json)


@app.command()
def demo(
    overrides: Overrides = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """See the whole toolkit work on the embedded backbone, without a download."""
    from deltamem_cli.commands.demo import demo as verb

    verb(overrides or [], console=_console(quiet=quiet, as_json=as_json))


@app.command()
def train(
    overrides: Overrides = None,
    multirun: Multirun = False,
    cfg: Cfg = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train an adapter: deltamem train model=tiny writer=msw."""
    from deltamem_cli.commands.train import train as verb

    console = _console(quiet=quiet, verbose=verbose, as_json=as_json)
    verb(overrides or [], console=console, show=cfg, multirun=multirun)


@app.command("eval")
def evaluate(
    overrides: Overrides = None,
    limit: Annotated[
        Optional[int], typer.Option("--limit", min=1, help="Only the first samples.")
    ] = None,
    multirun: Multirun = False,
    cfg: Cfg = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Evaluate a method: deltamem eval bench=locomo method=delta_mem context=none."""
    from deltamem_cli.commands.evaluate import evaluate as verb

    words = [*(overrides or []), *([] if limit is None else [f"limit={limit}"])]
    console = _console(quiet=quiet, verbose=verbose, as_json=as_json)
    verb(words, console=console, show=cfg, multirun=multirun)


@app.command()
def report(
    folders: Annotated[
        Optional[list[Path]],
        typer.Argument(metavar="[FOLDER]...", help="Of records; results/ if none is named."),
    ] = None,
    runs: Annotated[bool, typer.Option("--runs", help="Look into runs/ as well.")] = False,
    out: Annotated[
        Optional[Path], typer.Option("--out", help="File to write, else README.md beside them.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Render the table of all complete records."""
    from deltamem_cli.commands.report import report as verb

    verb(folders or [], console=_console(quiet=quiet, as_json=as_json), out=out, with_runs=runs)


@app.command()
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

    verb(a, b, console=_console(as_json=as_json), force=force, with_flips=flips)


@app.command("list")
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

    list_choices(what, overrides or [], console=_console(as_json=as_json))


@app.command()
def show(overrides: Overrides = None, as_json: Json = False) -> None:
    """Show what an evaluation would ask, without a model: deltamem show bench=locomo."""
    from deltamem_cli.commands.show import show as verb

    verb(overrides or [], console=_console(as_json=as_json))


@app.command()
def parity(
    folder: Annotated[Path, typer.Argument(help="Of case folders, or one case.")],
    as_json: Json = False,
) -> None:
    """Check agreement with the authors' implementation on stored cases."""
    from deltamem_cli.commands.parity import parity as verb

    raise typer.Exit(verb(folder, console=_console(as_json=as_json)))


@app.command()
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

    console = _console(quiet=quiet, as_json=as_json)
    raise typer.Exit(verb(overrides or [], console=console, samples=limit))


@app.command()
def fetch(overrides: Overrides = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """Download data once, with checksums: deltamem fetch bench=all."""
    from deltamem_cli.commands.fetch import fetch as verb

    raise typer.Exit(verb(overrides or [], console=_console(quiet=quiet, as_json=as_json)))


@app.command()
def score(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    overrides: Overrides = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score the stored answers of a run again, without a model."""
    from deltamem_cli.commands.score import score as verb

    verb(run, overrides or [], console=_console(quiet=quiet, as_json=as_json))


@app.command()
def bench(
    what: Annotated[
        Optional[str], typer.Argument(help="scan; lists what there is if left out.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure speed in ratios of one run: deltamem bench scan."""
    from deltamem_cli.commands.bench import bench as verb

    verb(what, console=_console(quiet=quiet, as_json=as_json))


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
