"""``deltamem push``: an adapter to the hub, with a card that says what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from deltamem_cli.options import Json, Quiet, make_console
from deltamem_cli.publishing.check import left_out, whole_folder
from deltamem_cli.publishing.contents import Contents, Target, contents_of
from deltamem_cli.screen.console import Console

if TYPE_CHECKING:
    from deltamem.adapter.upload import Published

__all__ = ["push"]


def push(
    adapter: Annotated[
        Path,
        typer.Argument(metavar="ADAPTER", help="Folder of an adapter, or the run that made it."),
    ],
    repository: Annotated[
        str,
        typer.Argument(metavar="OWNER/NAME", help="Repository on the hub; created if missing."),
    ],
    branch: Annotated[
        Optional[str],
        typer.Option("--branch", help="Branch, created if missing; main by default."),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private.")
    ] = False,
    message: Annotated[Optional[str], typer.Option("--message", help="Commit message.")] = None,
    licence: Annotated[
        Optional[str],
        typer.Option(
            "--license", help="Licence of the weights, by the hub's id, such as cc-by-4.0."
        ),
    ] = None,
    records: Annotated[
        Optional[list[Path]],
        typer.Option(
            "--record",
            help="A run with these weights or with the bare backbone, or a folder of runs; may be "
            "repeated. By default, all that runs/ and results/ hold.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the card and the files, and upload nothing.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Publish an adapter on the hub, with its card: deltamem push runs/train__… OWNER/NAME."""
    target = Target(
        repository=repository, branch=branch, private=private, message=message, licence=licence
    )
    console = make_console(quiet=quiet, as_json=as_json)
    _push(adapter, target, console, records=records or [], dry_run=dry_run)


def _push(
    adapter: Path, target: Target, console: Console, *, records: Sequence[Path], dry_run: bool
) -> None:
    """Check an adapter, complete its card, upload both in one commit.

    Args:
        adapter: its folder, or the run that made it.
        target: where to.
        console: prints.
        records: of its evaluations; without any, runs/ and results/ are searched.
        dry_run: print the card and the files, and upload nothing.

    Raises:
        UsageError: no adapter of ours, other files that must not be published, or a record of
            other weights.
        InvalidInput: a damaged adapter, or no name of a repository.
        Unavailable: no token, no network, or no right to write there.
    """
    from deltamem.adapter.upload import check_repository, publish

    check_repository(target.repository)
    folder = whole_folder(adapter)
    for sentence in left_out(folder):
        console.note(f"note: {sentence}")
    contents, cells = contents_of(folder, target, records, console)
    if dry_run:
        _show(contents, cells, target, console)
        return
    message = target.message or f"Upload the δ-mem adapter {contents.sha[:12]}"
    done = publish(
        contents.files,
        target.repository,
        message=message,
        branch=target.branch,
        private=target.private,
    )
    _say(done, contents, cells, target, console)


def _show(contents: Contents, cells: Sequence[str], target: Target, console: Console) -> None:
    console.json({**_told(contents, cells, target), "card": contents.card})
    console.result(contents.card)
    console.result("\n" + "-" * 40)
    for name, size in contents.sizes.items():
        console.result(f"{size:>12,} bytes  {name}")
    console.result(f"would go to {target.address}; nothing was uploaded")


def _say(
    done: Published, contents: Contents, cells: Sequence[str], target: Target, console: Console
) -> None:
    word = f"adapter={target.repository}@{done.commit}"
    told = {"commit": done.commit, "url": done.url, "changed": done.changed, "word": word}
    console.json({**_told(contents, cells, target), **told})
    for sentence in done.notes:
        console.note(f"note: the hub says: {sentence}")
    if not done.changed:
        console.note(f"{target.address} holds exactly these files already; there is no new commit")
    console.result(f"{done.url} {word}")


def _told(contents: Contents, cells: Sequence[str], target: Target) -> dict[str, object]:
    return {
        "repository": target.repository,
        "branch": target.branch,
        "adapter_sha": contents.sha,
        "files": contents.sizes,
        "records": list(cells),
    }
