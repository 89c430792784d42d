"""Whether a folder is an adapter that may be published: whole, ours, finite, with its own card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_cli.errors import UsageError

if TYPE_CHECKING:
    from deltamem_cli.publishing.backbone import NamedBackbone

__all__ = ["ADAPTER", "card_of", "checked_sha", "left_out", "whole_folder"]

ADAPTER = "adapter"
"""The folder of a run that holds what was trained."""
PICKLES = (".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth")
PEFT = ("adapter_config.json", "adapter_model.safetensors")


def whole_folder(adapter: Path) -> Path:
    """The folder of an adapter, or of the run that made it, if it holds all files of our format.

    Raises:
        UsageError: a file is missing, or there is one that no adapter of ours has: pickles,
            optimiser states, PEFT's; or a file of ours is a link out of the folder.
    """
    from deltamem.adapter.files import FORMAT

    if not adapter.is_dir():
        raise UsageError(f"{adapter} is not a folder; name one that `deltamem train` left")
    run = adapter / ADAPTER
    folder = run if run.is_dir() else adapter
    there = {path.name for path in folder.iterdir()}
    alien = sorted(name for name in there if name in PEFT or Path(name).suffix in PICKLES)
    if alien:
        raise UsageError(
            f"{folder} holds {alien[0]}, which does not belong to a δ-mem adapter in "
            "safetensors: push a folder as `deltamem train` leaves it"
        )
    missing = [name for name in FORMAT if name not in there]
    if missing:
        raise UsageError(
            f"{folder} is not a complete adapter ({', '.join(missing)} is missing): "
            "name a folder that `deltamem train` left, and run that command again if "
            "it had not finished"
        )
    for name in FORMAT:
        if (place := (folder / name).resolve()).parent != folder.resolve() or not place.is_file():
            raise UsageError(
                f"{folder / name} is a link to another place: replace it with a copy of the file"
            )
    return folder


def left_out(folder: Path) -> list[str]:
    """A sentence for each file that is not published."""
    from deltamem.adapter.files import FORMAT

    others = sorted(path.name for path in folder.iterdir() if path.name not in FORMAT)
    return [f"{name} is not part of an adapter and is not pushed" for name in others]


def checked_sha(folder: Path, backbone: NamedBackbone, *, on_note: Callable[[str], object]) -> str:
    """The sha of the weights, after they were held against the backbone's shapes.

    Raises:
        InvalidInput: damaged files, weights that are not finite, or shapes that do not fit.
        Unavailable: the backbone's configuration is neither here nor can it be fetched.
    """
    from deltamem.adapter.delta_memory import read_adapter
    from deltamem.adapter.files import CARD
    from deltamem.adapter.weights import stored_sha
    from deltamem_cli.runs.requests import BackboneRequest

    sha = stored_sha(folder)
    if backbone.composed is None:
        on_note(
            "note: the backbone was a folder, so that the adapter's shapes are not checked against "
            f"it, and the card names no base_model: write one into {folder / CARD}"
        )
        return sha
    asked = BackboneRequest.of(backbone.composed)
    return read_adapter(folder, asked.empty()).sha


def card_of(folder: Path, sha: str) -> str:
    """The text of a folder's card.

    Raises:
        UsageError: it cannot be read, or says that it is of other weights than ``sha``.
    """
    from deltamem.adapter.card import stated_sha
    from deltamem.adapter.files import CARD

    card = folder / CARD
    try:
        text = card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise UsageError(f"{card} cannot be read: {fault}") from fault
    stated = stated_sha(text)
    if stated is not None and stated != sha:
        raise UsageError(
            f"{card} describes other weights ({stated[:12]}) than those beside it ({sha[:12]})"
        )
    return text
