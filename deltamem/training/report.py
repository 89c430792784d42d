"""The numbers of an optimiser step, for progress, logs and trackers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["StepReport"]


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """One optimiser step, for progress and logs."""

    step: int
    steps: int
    loss: float
    """Mean cross-entropy per answer token."""
    em: float
    """Share of the step's answers whose every token is the most likely one."""
    mean_gate_term: float
    grad_norm: float
    learning_rate: float
    tokens_per_second: float
    """Through forward and backward; the optimiser's update comes after."""
    held_out_loss: float | None = None
    held_out_em: float | None = None
    measured: Mapping[str, float] = field(default_factory=dict)
    """Numbers of a monitor in the step (:mod:`deltamem.training.monitor`); empty without one."""
