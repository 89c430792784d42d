"""A run under its trackers: every step's numbers go to all of them, and none can end the run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge

from deltamem_base.faults import first_line
from deltamem_cli.settings.composed import leaves
from deltamem_cli.tracking.trackers import RunFacts, StartedTracker, Tracker

if TYPE_CHECKING:
    from deltamem.training import Learner, Monitor, StepReport

__all__ = ["TrackedRun", "Tracking"]

FOLDER = "tracking"
"""Name of the folder in a run's for what trackers keep."""


class Tracking:
    """The trackers that were asked for, by the names of their yaml files; often none."""

    def __init__(self, *, memory_every: Annotated[int, Ge(1)] = 10, **trackers: Tracker) -> None:
        """``memory_every``: steps between measurements of the memory; the rest is of every step."""
        self.memory_every, self.trackers = memory_every, trackers

    def monitor(self, learner: Learner[Any, Any]) -> Monitor | None:
        """The monitor of a learner's memory; None without trackers, or without a memory."""
        return learner.monitor(every=self.memory_every) if self.trackers else None

    @contextmanager
    def run(
        self,
        folder: Path,
        *,
        key: str,
        settings: Mapping[str, object],
        on_note: Callable[[str], None],
    ) -> Iterator[TrackedRun]:
        """A run to be started when it is known where it goes on; at the end all trackers finish.

        Args:
            folder: of the run.
            key: hash of its configuration.
            settings: its configuration.
            on_note: told once of each tracker that failed, which is then off.
        """
        facts = RunFacts(
            name=folder.name,
            folder=folder / FOLDER,
            key=key,
            after=0,
            settings={name: _scalar(value) for name, value in leaves(settings)},
        )
        tracked = TrackedRun(self.trackers, facts, on_note)
        try:
            yield tracked
        finally:
            tracked.finish()


class TrackedRun:
    """Trackers at work; one that fails leaves."""

    def __init__(
        self, trackers: Mapping[str, Tracker], facts: RunFacts, on_note: Callable[[str], None]
    ) -> None:
        """``facts``: of the run as a new one."""
        self._trackers, self._facts, self._on_note = trackers, facts, on_note
        self._live: dict[str, StartedTracker] = {}

    def start(self, after: int) -> None:
        """Start all trackers on a run that goes on after a step, 0 for a new one."""
        if not self._trackers:
            return
        from accelerate import PartialState

        PartialState()  # Accelerate's trackers ask it who is the main process
        facts = replace(self._facts, after=after)
        for name, tracker in self._trackers.items():
            with self._kept_apart(name):
                self._live[name] = tracker.start(facts)

    def log(self, report: StepReport) -> None:
        """Give a step's numbers to all trackers."""
        for name, tracker in list(self._live.items()):
            with self._kept_apart(name):
                tracker.log(_curves(report), step=report.step)

    def finish(self) -> None:
        """Have all trackers write what they hold."""
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
            self._on_note(
                f"tracker {name} failed and is off; the run goes on ({first_line(fault)})"
            )
            if failed is not None:
                with suppress(Exception):
                    failed.finish()


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


def _scalar(value: object) -> str | int | float | bool:
    return value if isinstance(value, str | int | float) else str(value)
