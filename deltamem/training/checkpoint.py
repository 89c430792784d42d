"""Checkpoints that are there whole or not at all, and tell whether they are still whole.

    checkpoints/step-00000100/   learner.safetensors  optimizer.safetensors  trainer.json

``trainer.json`` is written last, with the sha256 of the others and of itself; a folder appears by
one rename.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from deltamem_base.faults import CannotWrite, InvalidInput, Partial
from deltamem_base.typed_json import read_typed
from deltamem_base.whole_files import cannot_write, folder_beside, sync

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


@dataclass(frozen=True, kw_only=True)
class _Trainer:
    """The content of ``trainer.json``."""

    step: Annotated[int, Ge(0)]
    key: str
    sha256: dict[str, str]
    """Digest of each file of tensors, by its name."""
    digest: str
    """Digest of the rest of this file."""


class _OfAnotherRun(ValueError):
    """A whole checkpoint with another key."""


class Checkpoints:
    """The checkpoints of one run, oldest first; only the last few are kept."""

    def __init__(self, folder: Path, *, key: str) -> None:
        """``key``: hash of the run's configuration; a checkpoint of another is passed over."""
        self.folder, self.key = folder, key
        self.step = 0
        """Step of the newest whole one that was read or saved, after which a run goes on."""
        self._passed_over: list[Path] = []

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write one; drop those that were passed over, and the oldest beyond the last two.

        Raises:
            CannotWrite: it cannot be written; earlier ones are untouched.
        """
        final = self.folder / f"step-{checkpoint.step:08d}"
        try:
            with folder_beside(final) as part:
                self._write(checkpoint, part)
                shutil.rmtree(final, ignore_errors=True)
                part.replace(final)
        except (OSError, SafetensorError) as fault:
            raise cannot_write(f"the checkpoint {final}", fault) from fault
        for path in self._passed_over:
            if path != final:
                shutil.rmtree(path, ignore_errors=True)
        self.step, self._passed_over = checkpoint.step, []
        self.tidy()
        return final

    def latest(
        self, check: Callable[[Checkpoint], None] = lambda found: None
    ) -> tuple[Checkpoint | None, list[str]]:
        """The newest whole checkpoint, and a sentence for each one that was passed over.

        Args:
            check: raises a ValueError of tensors that the run cannot take up.

        Raises:
            InvalidInput: there are whole ones, and all belong to another configuration.
        """
        notes: list[str] = []
        foreign = False
        self._passed_over = []
        for path in reversed(self._all()):
            try:
                found = self._read(path)
                check(found)
            except _OfAnotherRun:
                foreign = True
                notes.append(f"{path} belongs to another configuration and was passed over")
            except (OSError, ValueError, KeyError, TypeError, SafetensorError) as fault:
                notes.append(f"{path} is damaged and was passed over ({fault})")
            else:
                self.step = found.step
                return found, notes
            self._passed_over.append(path)
        if foreign:
            raise InvalidInput(
                f"the checkpoints in {self.folder} belong to a run of another configuration: move "
                f"{self.folder.parent} away, or name another with runs_dir=FOLDER"
            )
        return None, notes

    def tidy(self) -> None:
        """Drop what a process that was killed left here, and the oldest beyond the last two."""
        whole = [path for path in self._all() if path not in self._passed_over]
        for path in [*whole[:-KEPT], *self.folder.glob(".step-*.part")]:
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """A file that cannot be written in this block says from which step the run goes on.

        Raises:
            Partial: with that step.
        """
        try:
            yield
        except CannotWrite as fault:
            start = f"goes on after step {self.step}" if self.step else "starts from the beginning"
            raise Partial(
                f"{fault}; {fault.remedy} and run the same command again: it {start}"
            ) from fault

    def _write(self, checkpoint: Checkpoint, folder: Path) -> None:
        digests = {}
        for name in TENSORS:
            file = folder / f"{name}.safetensors"
            save_file({k: v.contiguous() for k, v in getattr(checkpoint, name).items()}, file)
            digests[name] = _digest(file.read_bytes())
            sync(file)
        content = _sealed(step=checkpoint.step, key=self.key, sha256=digests)
        (folder / TRAINER).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        sync(folder / TRAINER)

    def _read(self, path: Path) -> Checkpoint:
        found = read_typed(path / TRAINER, _Trainer)
        if asdict(found) != _sealed(step=found.step, key=found.key, sha256=found.sha256):
            raise ValueError(f"{TRAINER} is not what was written")
        for name in TENSORS:
            if _digest((path / f"{name}.safetensors").read_bytes()) != found.sha256[name]:
                raise ValueError(f"{name}.safetensors is not what was written")
        if found.key != self.key:
            raise _OfAnotherRun
        return Checkpoint(
            step=found.step,
            learner=load_file(path / "learner.safetensors"),
            optimizer=load_file(path / "optimizer.safetensors"),
        )

    def _all(self) -> list[Path]:
        return sorted(p for p in self.folder.glob("step-*") if p.is_dir())


def _sealed(**content: Any) -> dict[str, object]:
    """The content with a digest of it."""
    return {**content, "digest": _digest(json.dumps(content, sort_keys=True).encode())}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
