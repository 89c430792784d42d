"""Copies of the embedded backbone's folder with something else in them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from deltamem.backbone import tiny_folder

WEIGHTS = "model.safetensors"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 1559048\n"

Tensors = dict[str, Tensor]


def model_folder(folder: Path) -> Path:
    """The embedded backbone in a folder of its own, without adapters."""
    shutil.copytree(tiny_folder(), folder, ignore=shutil.ignore_patterns("adapters"))
    return folder


def stored(folder: Path) -> Tensors:
    """All tensors, read into memory so that the file may be written over."""
    return {name: tensor.clone() for name, tensor in load_file(folder / WEIGHTS).items()}


def change_weights(folder: Path, change: Callable[[Tensors], object]) -> None:
    """Write the weights anew after ``change`` had them."""
    tensors = stored(folder)
    change(tensors)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def change_json(folder: Path, name: str, keys: Mapping[str, Any]) -> None:
    """Set keys of one of the folder's JSON files."""
    content = json.loads((folder / name).read_text(encoding="utf-8"))
    (folder / name).write_text(json.dumps({**content, **keys}), encoding="utf-8")


def save_sharded(tensors: Tensors, folder: Path) -> None:
    """In place of the one file two, and an index that says which tensor is where."""
    (folder / WEIGHTS).unlink()
    names = sorted(tensors)
    files = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, part in files.items():
        save_file({name: tensors[name] for name in part}, folder / file, metadata={"format": "pt"})
    homes = {name: file for file, part in files.items() for name in part}
    index = {"metadata": {}, "weight_map": homes}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index), encoding="utf-8")
