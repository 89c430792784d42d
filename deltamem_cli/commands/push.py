"""``deltamem push``: an adapter to the hub, with a card that says what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltamem_cli.adapter_backbone import named_backbone
from deltamem_cli.adapter_card import published_card
from deltamem_cli.adapter_records import adapter_records
from deltamem_cli.console import Console
from deltamem_cli.errors import UsageError

if TYPE_CHECKING:
    from deltamem.publishing import Published
    from deltamem_cli.adapter_backbone import NamedBackbone

__all__ = ["Target", "push"]

RUNS, RESULTS, ADAPTER = "runs", "results", "adapter"
PICKLES = (".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth")
PEFT = ("adapter_config.json", "adapter_model.safetensors")


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
    from deltamem.publishing import check_repository, publish

    check_repository(target.repository)
    folder = _folder(adapter)
    for sentence in _left_out(folder):
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


def _folder(adapter: Path) -> Path:
    """The folder of the adapter, whole and of our format."""
    from deltamem.adapter_files import FORMAT

    if not adapter.is_dir():
        raise UsageError(f"{adapter} is no folder; name one that `deltamem train` left")
    run = adapter / ADAPTER
    folder = run if run.is_dir() else adapter
    there = {path.name for path in folder.iterdir()}
    alien = sorted(name for name in there if name in PEFT or Path(name).suffix in PICKLES)
    if alien:
        raise UsageError(
            f"{folder} holds {alien[0]}, which is no file of a δ-mem adapter in safetensors: push "
            "a folder as `deltamem train` leaves it"
        )
    missing = [name for name in FORMAT if name not in there]
    if missing:
        raise UsageError(
            f"{folder} is no whole adapter ({', '.join(missing)} is missing): name a folder that "
            "`deltamem train` left, and run that command again if it had not finished"
        )
    return folder


def _left_out(folder: Path) -> list[str]:
    from deltamem.adapter_files import FORMAT

    others = sorted(path.name for path in folder.iterdir() if path.name not in FORMAT)
    return [f"{name} is no part of an adapter and stays here" for name in others]


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
    from deltamem.adapter_files import CARD, CONFIG, WEIGHTS, stored_origin

    origin = stored_origin(folder)
    if origin is None or not origin.get("name"):
        raise UsageError(f"{folder / CONFIG} does not say on which backbone it was trained")
    origin = {"revision": None, "fingerprint": None, **origin}
    backbone = named_backbone(origin)
    sha = _checked_sha(folder, backbone, console)
    text = _text(folder / CARD, sha)
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


def _checked_sha(folder: Path, backbone: NamedBackbone, console: Console) -> str:
    """The sha of the weights, after they were held against the backbone's shapes."""
    from deltamem.adapter_files import read_adapter, stored_sha
    from deltamem_cli.assemble import empty_model_of

    if backbone.config is None:
        console.note(
            "note: the backbone was a folder, so that the adapter's shapes are not checked against "
            f"it, and the card names no base_model: write one into {folder / 'README.md'}"
        )
        return stored_sha(folder)
    memory = read_adapter(folder, empty_model_of(backbone.config))
    if not all(bool(weight.isfinite().all()) for weight in memory.parameters()):
        raise UsageError(f"{folder} holds weights that are not finite: its training diverged")
    return memory.sha


def _text(card: Path, sha: str) -> str:
    from deltamem.model_card import stated_sha

    try:
        text = card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise UsageError(f"{card} cannot be read: {fault}") from fault
    stated = stated_sha(text)
    if stated is not None and stated != sha:
        raise UsageError(
            f"{card} is the card of other weights ({stated[:12]}) than those beside it ({sha[:12]})"
        )
    return text


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
