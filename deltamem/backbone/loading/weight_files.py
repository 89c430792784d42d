"""The safetensors files of a checkpoint: which they are, and whether each is whole.

Only headers are read. A folder out of a clone without Git LFS holds pointers in place of files, and
a download that broke off leaves a file that ends too early.
"""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from deltamem_base.faults import InvalidInput
from deltamem_base.whole_files import why

__all__ = ["check_weight_files", "refuse_pointers", "weight_files"]

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
POINTER = b"version https://git-lfs.github.com/spec/"
LONGEST_POINTER = 1024
"""Bytes; Git LFS's own limit."""


def weight_files(id: str, *, revision: str | None = None) -> list[Path]:
    """The files that hold the weights of a folder or of what the hub's cache has, in order.

    Empty where none of them is on this machine.

    Raises:
        InvalidInput: an index that cannot be read, or names a file that is not there.
    """
    single = _on_this_machine(id, SINGLE, revision)
    if single is not None:
        return [single]
    index = _on_this_machine(id, INDEX, revision)
    if index is None:
        return []
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise InvalidInput(f"{index} is damaged: it lists no weights ({fault!r})") from fault
    files = []
    for name in names:
        plain = isinstance(name, str) and Path(name).name == name
        file = _on_this_machine(id, name, revision) if plain else None
        if file is None:
            raise InvalidInput(
                f"{index} names {name}, which is not beside it: fetch the model again, as "
                "with `hf download`"
            )
        files.append(file)
    return files


def _on_this_machine(id: str, name: str, revision: str | None) -> Path | None:
    from transformers.utils.hub import cached_file

    if Path(id).is_dir():
        path = Path(id) / name
        return path if path.is_file() else None
    try:
        found = cached_file(id, name, revision=revision, local_files_only=True)
    except OSError:
        return None
    return None if found is None else Path(found)


def check_weight_files(files: list[Path]) -> None:
    """Refuse files that are not whole; their headers say how long they have to be.

    Raises:
        InvalidInput: with the first such file.
    """
    for path in files:
        refuse_pointers([path])
        try:
            with safe_open(path, framework="pt"):
                pass
        except (OSError, SafetensorError) as fault:
            raise InvalidInput(
                f"{path} is damaged or was cut off ({why(fault)}): fetch it again"
            ) from fault


def refuse_pointers(paths: list[Path]) -> None:
    """Refuse what Git LFS leaves in place of a file that it did not fetch.

    Raises:
        InvalidInput: with the first such file, and how to get it.
    """
    for path in paths:
        if path.is_file() and path.stat().st_size <= LONGEST_POINTER:
            with path.open("rb") as file:
                pointer = file.read(len(POINTER)) == POINTER
            if pointer:
                raise InvalidInput(
                    f"{path} is a Git LFS pointer, not the file itself: run `git lfs pull` in "
                    f"{path.parent}"
                )
