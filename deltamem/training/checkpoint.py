"""Checkpoints that are there whole or not at all, and tell whether they are still whole.

    checkpoints/step-00000100/   learner.safetensors  optimizer.safetensors  trainer.json

``trainer.json`` is written last, with the sha256 of the others; a folder appears by one rename.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from deltamem.errors import DeltaMemError, InvalidInput

__all__ = ["Checkpoint", "Checkpoints"]

TENSORS = ("learner", "optimizer")
TRAINER = "trainer.json"
KEPT = 2


@dataclass(frozen=True, eq=False, kw_only=True)
class Checkpoint:
    """Everything that the rest of a run depends on."""

    step: int
    learner: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    facts: Mapping[str, Any]


class Checkpoints:
    """The checkpoints of one run, oldest first; only the last few are kept."""

    def __init__(self, folder: Path, *, key: str) -> None:
        """``key``: hash of the run's configuration; a checkpoint of another is refused."""
        self.folder, self.key = folder, key

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write one and drop the oldest beyond the last two.

        Raises:
            DeltaMemError: it cannot be written; earlier ones are untouched.
        """
        final = self.folder / f"step-{checkpoint.step:08d}"
        part = self.folder / f".{final.name}.part"
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            digests = {}
            for name in TENSORS:
                tensors = {k: v.contiguous() for k, v in getattr(checkpoint, name).items()}
                save_file(tensors, part / f"{name}.safetensors")
                digests[name] = _digest(part / f"{name}.safetensors")
            content = {
                "step": checkpoint.step,
                "key": self.key,
                "sha256": digests,
                "facts": dict(checkpoint.facts),
            }
            (part / TRAINER).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
            for file in part.iterdir():
                _sync(file)
            shutil.rmtree(final, ignore_errors=True)
            part.replace(final)
        except (OSError, SafetensorError) as fault:
            shutil.rmtree(part, ignore_errors=True)
            raise DeltaMemError(
                f"the checkpoint {final} cannot be written ({fault}); the run goes on from the one "
                "before when the same command is run again"
            ) from fault
        for old in self._all()[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        return final

    def latest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest whole checkpoint, and a sentence for each damaged one that was passed over.

        Raises:
            InvalidInput: the checkpoints belong to another configuration.
        """
        notes: list[str] = []
        for path in reversed(self._all()):
            try:
                return self._read(path), notes
            except (OSError, ValueError, KeyError, SafetensorError) as fault:
                if isinstance(fault, InvalidInput):
                    raise
                notes.append(f"{path} is damaged and was passed over ({fault})")
        return None, notes

    def _read(self, path: Path) -> Checkpoint:
        content = json.loads((path / TRAINER).read_text(encoding="utf-8"))
        if content["key"] != self.key:
            raise InvalidInput(
                f"{path} belongs to a run of another configuration: move {self.folder.parent} "
                "away, or name another with runs_dir=FOLDER"
            )
        for name, digest in content["sha256"].items():
            if _digest(path / f"{name}.safetensors") != digest:
                raise ValueError(f"{name}.safetensors is not what was written")
        return Checkpoint(
            step=content["step"],
            learner=load_file(path / "learner.safetensors"),
            optimizer=load_file(path / "optimizer.safetensors"),
            facts=content["facts"],
        )

    def _all(self) -> list[Path]:
        return sorted(p for p in self.folder.glob("step-*") if p.is_dir())


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
