"""``deltamem push``: an adapter to the hub, with a card that says what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltamem_cli.errors import UsageError
from deltamem_cli.publishing.backbone import named_backbone
from deltamem_cli.publishing.card import published_card
from deltamem_cli.publishing.check import ADAPTER, card_of, checked_sha, left_out, whole_folder
from deltamem_cli.publishing.records import adapter_records
from deltamem_cli.screen.console import Console

if TYPE_CHECKING:
    from deltamem.adapter.upload import Published

__all__ = ["Target", "push"]

RUNS, RESULTS = "runs", "results"


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where an adapter goes, and what is said with it."""

    repository: str
    """``OWNER/NAME``."""
    branch: str | None = None
    private: bool = False
    message: str | None = None
    licence: str | None = None

    @property
    def address(self) -> str:
        """As ``adapter=`` names it."""
        return self.repository if self.branch is None else f"{self.repository}@{self.branch}"


def push(
    adapter: Path, target: Target, *, console: Console, records: Sequence[Path], dry_run: bool
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
    files, cells = _prepare(folder, target, records, console)
    if dry_run:
        _show(files, cells, target, console)
        return
    message = target.message or f"Upload the δ-mem adapter {files.sha[:12]}"
    done = publish(
        files.content,
        target.repository,
        message=message,
        branch=target.branch,
        private=target.private,
    )
    _say(done, files, cells, target, console)


@dataclass(frozen=True, kw_only=True)
class _Files:
    """What is uploaded."""

    content: Mapping[str, Path | bytes]
    card: str
    sha: str

    @property
    def sizes(self) -> dict[str, int]:
        """In bytes."""
        return {
            name: len(what) if isinstance(what, bytes) else what.stat().st_size
            for name, what in self.content.items()
        }


def _prepare(
    folder: Path, target: Target, named: Sequence[Path], console: Console
) -> tuple[_Files, list[str]]:
    """The files with their card, and the cells whose records are on it."""
    from deltamem.adapter.files import CARD, CONFIG, WEIGHTS, stored_origin

    origin = stored_origin(folder)
    if origin is None or not origin.get("name"):
        raise UsageError(f"{folder / CONFIG} does not say on which backbone it was trained")
    origin = {"revision": None, "fingerprint": None, **origin}
    backbone = named_backbone(origin)
    sha = checked_sha(folder, backbone, on_note=console.note)
    text = card_of(folder, sha)
    found = adapter_records(
        sha, fingerprint=origin["fingerprint"], named=named, searched=_searched(folder)
    )
    for sentence in found.notes:
        console.note(f"note: {sentence}")
    card = published_card(
        text,
        found.records,
        address=target.address,
        backbone=backbone,
        licence=target.licence,
        where=folder / CARD,
    )
    content: dict[str, Path | bytes] = {
        CONFIG: folder / CONFIG,
        WEIGHTS: folder / WEIGHTS,
        CARD: card.encode(),
    }
    return _Files(content=content, card=card, sha=sha), [s.record.cell for s in found.records]


def _searched(folder: Path) -> list[Path]:
    """Where records of an adapter may be: among the runs it came from, and in this folder."""
    runs = folder.resolve().parent.parent
    beside = [runs] if folder.name == ADAPTER else []
    found = {path.resolve(): path for path in (Path(RUNS), Path(RESULTS), *beside)}
    return [path for path in found.values() if path.is_dir()]


def _show(files: _Files, cells: Sequence[str], target: Target, console: Console) -> None:
    console.json({**_told(files, cells, target), "card": files.card})
    console.result(files.card)
    console.result("\n" + "-" * 40)
    for name, size in files.sizes.items():
        console.result(f"{size:>12,} bytes  {name}")
    console.result(f"would go to {target.address}; nothing was uploaded")


def _say(
    done: Published, files: _Files, cells: Sequence[str], target: Target, console: Console
) -> None:
    word = f"adapter={target.repository}@{done.commit}"
    told = {"commit": done.commit, "url": done.url, "changed": done.changed, "word": word}
    console.json({**_told(files, cells, target), **told})
    for sentence in done.notes:
        console.note(f"note: the hub says: {sentence}")
    if not done.changed:
        console.note(f"{target.address} holds exactly these files already; there is no new commit")
    console.result(f"{done.url} {word}")


def _told(files: _Files, cells: Sequence[str], target: Target) -> dict[str, Any]:
    return {
        "repository": target.repository,
        "branch": target.branch,
        "adapter_sha": files.sha,
        "files": files.sizes,
        "records": list(cells),
    }
