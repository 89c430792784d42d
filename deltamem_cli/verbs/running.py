"""Verbs that run something: train, evaluate, whole tables, a talk."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from deltamem_cli.verbs.options import (
    Cfg,
    DryRun,
    Json,
    Multirun,
    Overrides,
    Quiet,
    Verbose,
    make_console,
)

__all__ = ["ablate", "bench", "chat", "demo", "evaluate", "pretrain", "reproduce", "train"]


def demo(
    overrides: Overrides = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """See the whole toolkit work on the embedded backbone, without a download."""
    from deltamem_cli.commands.demo import demo as verb

    verb(overrides or [], console=make_console(quiet=quiet, as_json=as_json))


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

    console = make_console(quiet=quiet, verbose=verbose, as_json=as_json)
    verb(overrides or [], console=console, show=cfg, multirun=multirun)


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
    console = make_console(quiet=quiet, verbose=verbose, as_json=as_json)
    verb(words, console=console, show=cfg, multirun=multirun)


def ablate(
    overrides: Overrides = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run the missing cells of an experiment: deltamem ablate experiment=heads scale=tiny."""
    from deltamem_cli.commands.ablate import ablate as verb

    console = make_console(quiet=quiet, verbose=verbose, as_json=as_json)
    raise typer.Exit(verb(overrides or [], console=console, dry_run=dry_run))


def reproduce(
    overrides: Overrides = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run a table of the paper and judge each number: deltamem reproduce table=1 cell=tsw."""
    from deltamem_cli.commands.reproduce import reproduce as verb

    console = make_console(quiet=quiet, verbose=verbose, as_json=as_json)
    raise typer.Exit(verb(overrides or [], console=console, dry_run=dry_run))


def chat(
    overrides: Overrides = None,
    cfg: Cfg = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Talk with a backbone and its memory: deltamem chat model=tiny writer=msw."""
    from deltamem_cli.commands.chat import chat as verb

    console = make_console(quiet=quiet, as_json=as_json)
    raise typer.Exit(verb(overrides or [], console=console, show=cfg))


def pretrain(
    overrides: Overrides = None,
    cfg: Cfg = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make the embedded backbone anew (about an hour on two cores)."""
    from deltamem_cli.commands.pretrain import pretrain as verb

    verb(overrides or [], console=make_console(quiet=quiet, verbose=verbose), show=cfg)


def bench(
    what: Annotated[
        Optional[str], typer.Argument(help="scan, train, decode or eval; lists them if left out.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure speed in ratios of one run: deltamem bench scan."""
    from deltamem_cli.commands.bench import bench as verb

    verb(what, console=make_console(quiet=quiet, as_json=as_json))
