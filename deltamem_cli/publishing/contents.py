"""The files that go to the hub: an adapter's, with a card of what was measured."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deltamem_cli.errors import UsageError
from deltamem_cli.publishing.backbone import named_backbone
from deltamem_cli.publishing.card import published_card
from deltamem_cli.publishing.check import ADAPTER, card_of, checked_sha
from deltamem_cli.publishing.records import adapter_records
from deltamem_cli.screen.console import Console

__all__ = ["Contents", "Target", "contents_of"]

BRANCH = re.compile(r"(?!.*(\.\.|//|/\.|\.lock(/|$)))[\w][\w./+-]*(?<![./])", re.ASCII)
LICENCE = re.compile(r"[A-Za-z0-9][\w.+-]*", re.ASCII)
MESSAGE = re.compile(r".*\S.*", re.DOTALL)
RUNS, RESULTS = "runs", "results"


@dataclass(frozen=True, kw_only=True)
class Target:
    """The repository that an adapter goes to, and the words that go with it."""

    repository: str
    """``OWNER/NAME``."""
    branch: str | None = None
    private: bool = False
    message: str | None = None
    licence: str | None = None

    def __post_init__(self) -> None:
        """Refuse what the hub, git or the front matter of a card would read otherwise.

        Raises:
            UsageError: with the option, its value and the rule.
        """
        for name, value, rule, said in (
            ("branch", self.branch, BRANCH, "a branch has a name that git takes, such as v1.0"),
            ("license", self.licence, LICENCE, "a licence is an id of the hub, such as cc-by-4.0"),
            ("message", self.message, MESSAGE, "a commit has a message that is not empty"),
        ):
            if value is not None and not rule.fullmatch(value):
                raise UsageError(f"--{name} is {value!r}: {said}")

    @property
    def address(self) -> str:
        """The words with which ``adapter=`` names what is published."""
        return self.repository if self.branch is None else f"{self.repository}@{self.branch}"


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The files of one upload."""

    files: Mapping[str, Path | bytes]
    card: str
    sha: str

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each file."""
        return {
            name: len(what) if isinstance(what, bytes) else what.stat().st_size
            for name, what in self.files.items()
        }


def contents_of(
    folder: Path, target: Target, named: Sequence[Path], console: Console
) -> tuple[Contents, list[str]]:
    """The files with their card, and the cells whose records are on it."""
    from deltamem.adapter.files import CARD, CONFIG, stored_origin
    from deltamem.adapter.weights import WEIGHTS

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
    return Contents(files=content, card=card, sha=sha), [s.record.cell for s in found.records]


def _searched(folder: Path) -> list[Path]:
    """Folders that may hold records of an adapter: the runs it came from, and this one's."""
    runs = folder.resolve().parent.parent
    beside = [runs] if folder.name == ADAPTER else []
    found = {path.resolve(): path for path in (Path(RUNS), Path(RESULTS), *beside)}
    return [path for path in found.values() if path.is_dir()]
