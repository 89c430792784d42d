"""Trackers beside ``train.jsonl``, through Accelerate: TensorBoard, W&B and trackio."""

from __future__ import annotations

from deltamem_cli.tracking.tracked_run import TrackedRun, Tracking
from deltamem_cli.tracking.trackers import RunFacts, TensorBoard, Tracker, Trackio, WandB

__all__ = ["RunFacts", "TensorBoard", "TrackedRun", "Tracker", "Tracking", "Trackio", "WandB"]
