"""One training's folder: its checkpoints, its log, and the lock that keeps others out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_cli.errors import FAULT

if TYPE_CHECKING:
    import torch

    from deltamem.training import Checkpoints, Processes, StepLog

__all__ = ["LOG", "TrainingRun"]

LOG = "train.jsonl"


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """One training's folder, and who works on it."""

    folder: Path
    key: str
    settings: Mapping[str, object]
    processes: Processes

    @contextmanager
    def alone(self, device: torch.device) -> Iterator[None]:
        """No other run may be in the folder meanwhile: the main process sees to it, all obey.

        Args:
            device: over which the processes meet.

        Raises:
            Fault: in the main process, where another run is there; the others just end.
        """
        from deltamem.training import only_run
        from deltamem_base.faults import Fault

        fault: Fault | None = None
        with ExitStack() as held:
            if self.processes.main:
                try:
                    held.enter_context(only_run(self.folder))
                except Fault as refused:
                    fault = refused
            if any(self.processes.totals([fault is not None], device=device)):
                raise fault or SystemExit(FAULT)
            yield

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """Where the run goes on from."""
        from deltamem.training import Checkpoints

        return Checkpoints(self.folder / "checkpoints", key=self.key)

    @cached_property
    def log(self) -> StepLog:
        """One line for each step."""
        from deltamem.training import StepLog

        return StepLog(self.folder / LOG)
