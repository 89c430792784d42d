"""Recipes that start a tracker on a run, new or resumed; the rest is Accelerate's interface.

A recipe is made before anything is loaded, so that a package that is not there is told at once.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["RunFacts", "StartedTracker", "TensorBoard", "Tracker", "Trackio", "WandB"]


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """The facts of a run that a tracker has to know."""

    name: str
    """Name of the run's folder."""
    folder: Path
    """Folder for what trackers keep, within the run's own; it need not exist."""
    key: str
    """Hash of the run's configuration, the same when it is resumed."""
    after: int
    """The step that it goes on from; 0 for a new run."""
    settings: Mapping[str, str | int | float | bool]
    """The configuration, flat."""


class StartedTracker(Protocol):
    """The part of an ``accelerate.tracking.GeneralTracker`` that a run uses."""

    def log(self, values: dict[str, float], step: int | None) -> None:
        """Take the numbers of a step."""

    def finish(self) -> None:
        """Write what is held."""


class Tracker(Protocol):
    """A recipe of ``conf/tracker``."""

    def start(self, run: RunFacts) -> StartedTracker:
        """An ``accelerate.tracking.GeneralTracker`` that has started and knows the settings."""


def _needed(package: str) -> None:
    """Refuse a tracker whose package is not installed.

    Raises:
        Unavailable: with what to install.
    """
    from deltamem_base.faults import Unavailable

    found = importlib.util.find_spec(package)
    if (
        found is None or found.origin is None
    ):  # a folder of that name, which trackers leave, is none
        raise Unavailable(f"tracker={package} needs {package}: pip install 'deltamem[trackers]'")


@dataclass(frozen=True, kw_only=True)
class TensorBoard:
    """Event files in the run's folder: ``tensorboard --logdir runs``."""

    def __post_init__(self) -> None:
        _needed("tensorboard")

    def start(self, run: RunFacts) -> StartedTracker:
        """See :class:`Tracker`."""
        from accelerate.tracking import TensorBoardTracker

        known = run.folder.exists()
        # what was logged beyond the checkpoint is trained again, and shown once
        tracker = TensorBoardTracker(run.folder.name, run.folder.parent, purge_step=run.after + 1)
        tracker.start()
        if not known:  # each call would leave one more entry beside the run
            tracker.store_init_configuration(dict(run.settings))
        return tracker


@dataclass(frozen=True, kw_only=True)
class WandB:
    """Weights & Biases; its environment variables (``WANDB_MODE=offline``) hold."""

    project: str = "deltamem"
    entity: str | None = None

    def __post_init__(self) -> None:
        _needed("wandb")

    def start(self, run: RunFacts) -> StartedTracker:
        """See :class:`Tracker`."""
        import wandb
        from accelerate.tracking import WandBTracker

        run.folder.mkdir(parents=True, exist_ok=True)
        tracker = WandBTracker(
            self.project,
            entity=self.entity,
            id=run.key[:16],
            name=run.name,
            resume="allow",
            dir=run.folder,
            settings=wandb.Settings(console="off"),
        )
        tracker.start()
        tracker.store_init_configuration(dict(run.settings))
        return tracker


@dataclass(frozen=True, kw_only=True)
class Trackio:
    """trackio, in its own local store (``TRACKIO_DIR``), where ``trackio show`` looks."""

    project: str = "deltamem"

    def __post_init__(self) -> None:
        _needed("trackio")

    def start(self, run: RunFacts) -> StartedTracker:
        """See :class:`Tracker`."""
        import trackio
        from accelerate.tracking import TrackioTracker

        tracker = TrackioTracker(
            self.project,
            name=run.name,
            config=dict(run.settings),
            resume="allow",
            embed=False,
        )
        # Accelerate ends the run alone, and trackio would do so again at the exit, on stdout
        tracker.finish = trackio.finish
        tracker.start()
        return tracker
