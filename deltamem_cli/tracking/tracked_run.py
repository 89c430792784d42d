"""A run under its trackers: every step's numbers go to all of them, and none can end the run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltamem_cli.identity import leaves
from deltamem_cli.tracking.trackers import RunFacts, Tracker

if TYPE_CHECKING:
    from deltamem.training import Checkpoints, StepReport

__all__ = ["Tracking"]

FOLDER = "tracking"
"""Of what trackers keep, within the run's."""


class Tracking:
    """The trackers that were asked for, by the names of their yaml files; often none."""

    def __init__(self, *, memory_every: int = 10, **trackers: Tracker) -> None:
        """``memory_every``: steps between measurements of the memory; the rest is of every step."""
        self.memory_every, self.trackers = memory_every, trackers

    def monitor(self, learner: Any) -> Any:
        """What measures the learner's memory; None without trackers, or without a memory."""
        if not self.trackers or not hasattr(learner, "monitor"):
            return None
        return learner.monitor(every=self.memory_every)

    @contextmanager
    def run(
        self,
        folder: Path,
        *,
        main: bool = True,
        checkpoints: Checkpoints,
        settings: Mapping[str, Any],
        on_note: Callable[[str], None],
    ) -> Iterator[Callable[[StepReport], None]]:
        """Start all trackers, finish them at the end, and give what takes each step's report.

        Args:
            folder: of the run.
            main: whether this is the process that speaks; others start nothing.
            checkpoints: say where it goes on, and hold its key.
            settings: its configuration.
            on_note: told once of each tracker that failed, which is then off.
        """
        started = _Started(on_note)
        if self.trackers and main:
            found, _ = checkpoints.latest()
            facts = RunFacts(
                name=folder.name,
                folder=folder / FOLDER,
                key=checkpoints.key,
                after=0 if found is None else found.step,
                settings={key: _scalar(value) for key, value in leaves(settings)},
            )
            started.start(self.trackers, facts)
        try:
            yield started.log
        finally:
            started.finish()


class _Started:
    """Trackers at work; one that fails leaves."""

    def __init__(self, on_note: Callable[[str], None]) -> None:
        self._live: dict[str, Any] = {}
        self._on_note = on_note

    def start(self, trackers: Mapping[str, Tracker], facts: RunFacts) -> None:
        from accelerate import PartialState

        PartialState()  # Accelerate's trackers ask it who is the main process
        for name, tracker in trackers.items():
            with self._kept_apart(name):
                self._live[name] = tracker.start(facts)

    def log(self, report: StepReport) -> None:
        for name, tracker in list(self._live.items()):
            with self._kept_apart(name):
                tracker.log(_curves(report), step=report.step)

    def finish(self) -> None:
        for name, tracker in list(self._live.items()):
            with self._kept_apart(name):
                tracker.finish()

    @contextmanager
    def _kept_apart(self, name: str) -> Iterator[None]:
        """Faults of a tracker are not the run's, and what it prints is none of our results."""
        try:
            with redirect_stdout(sys.stderr):
                yield
        except Exception as fault:
            failed = self._live.pop(name, None)
            self._on_note(f"tracker {name} failed and is off; the run goes on ({_reason(fault)})")
            with suppress(Exception):
                failed.finish()


def _reason(fault: Exception) -> str:
    lines = str(fault).strip().splitlines()
    return lines[0] if lines else type(fault).__name__


def _curves(report: StepReport) -> dict[str, float]:
    """``train/loss``, ``held_out/loss`` … as in ``train.jsonl``, and what the memory did."""
    values = {name: value for name, value in vars(report).items() if value is not None}
    measured = values.pop("measured")
    del values["step"], values["steps"]
    named = {
        f"train/{name}".replace("train/held_out_", "held_out/"): value
        for name, value in values.items()
    }
    return {**named, **measured}


def _scalar(value: Any) -> str | int | float | bool:
    return value if isinstance(value, str | int | float) else str(value)
