"""An adapter with its weights in 16 bits, for a folder that is shipped: half the size."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save

from deltamem.adapter.card import STATED
from deltamem.adapter.files import CARD
from deltamem.adapter.stored_config import CONFIG
from deltamem.adapter.weights import WEIGHTS, stored_sha
from deltamem_base.faults import InvalidInput
from deltamem_base.whole_files import write_bytes, write_text

__all__ = ["halve_adapter"]

LARGEST = torch.finfo(torch.float16).max


def halve_adapter(adapter: str | Path, folder: str | Path) -> Path:
    """Write an adapter again with its weights rounded to float16, which loads like any other.

    Its card states the sha256 of the rounded weights, and of those that they were rounded from.

    Args:
        adapter: a folder of our format.
        folder: to write; made where it does not exist.

    Returns:
        The written folder.

    Raises:
        Unavailable: no adapter there.
        InvalidInput: damaged files, or a weight that float16 cannot hold.
        CannotWrite: the folder cannot be written.
    """
    source, target = Path(adapter), Path(folder)
    before = stored_sha(source)
    weights = load_file(source / WEIGHTS)
    for name, weight in weights.items():
        if bool((weight.abs() > LARGEST).any()):
            raise InvalidInput(f"{name} of {source} holds a weight that is too large for 16 bits")
    halved = {name: weight.half() for name, weight in weights.items()}
    write_bytes(target / WEIGHTS, save(halved, metadata={"format": "pt"}))
    shutil.copyfile(source / CONFIG, target / CONFIG)
    rows = (
        f"| adapter weights (sha256) | {stored_sha(target)} |\n"
        f"| stored in | float16, rounded from {before} |"
    )
    write_text(target / CARD, STATED.sub(rows, (source / CARD).read_text(encoding="utf-8")))
    return target
