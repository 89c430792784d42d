"""The work of one step: gradients of its episodes, the update, and the loss on held-out ones."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from deltamem.training.learner import Learner
from deltamem.training.monitor import Monitor
from deltamem.training.objective import Objective
from deltamem.training.processes import Processes
from deltamem.training.recipe import TrainingConfig, learning_rate
from deltamem.training.report import StepReport
from deltamem_base.faults import Fault

__all__ = ["Worker"]

UNWATCHED = nullcontext()
NOTHING: Sequence[float] = (0.0,) * 5
"""The sums of no objective."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Worker:
    """One process's part in every step of a training."""

    learner: Learner[Any, Any]
    parameters: Sequence[Tensor]
    """The learner's, in a fixed order."""
    config: TrainingConfig
    processes: Processes
    steps: int
    """Number of steps of the whole run."""

    @property
    def device(self) -> torch.device:
        """Device of the trained weights."""
        return self.parameters[0].device

    def gradients(
        self, episodes: Sequence[Any], *, step: int, monitor: Monitor | None = None
    ) -> StepReport:
        """Leave the gradient of a step in the parameters.

        Args:
            episodes: of the step, of all processes together.
            step: from 0.
            monitor: looks on; None for a step that is not measured.

        Raises:
            Fault: a loss or a gradient that is not finite; names the step.
        """
        started = time.perf_counter()
        batches = self._batches(episodes)
        counted = [sum(w * b.targets for b, w in batches), sum(w * b.tokens for b, w in batches)]
        targets, tokens = self.processes.totals(counted, device=self.device)
        sums = self._backward(batches, targets=targets, histories=len(episodes), monitor=monitor)
        self.processes.sum_gradients(self.parameters)
        entropy, gates, _, exact, asks = self.processes.totals(sums, device=self.device)
        norm = float(torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip))
        _check_finite(entropy / targets, norm, step=step + 1, episodes=episodes)
        measured = monitor.numbers(self.processes) if monitor else {}
        return StepReport(
            step=step + 1,
            steps=self.steps,
            loss=entropy / targets,
            em=exact / asks,
            mean_gate_term=gates / len(episodes),
            grad_norm=norm,
            learning_rate=learning_rate(self.config, step, self.steps),
            tokens_per_second=tokens / (time.perf_counter() - started),
            measured=measured,
        )

    def _backward(
        self,
        batches: Sequence[tuple[Any, float]],
        *,
        targets: float,
        histories: int,
        monitor: Monitor | None,
    ) -> Sequence[float]:
        """Backward passes of this process's micro-batches; the sums of their objectives."""
        for parameter in self.parameters:
            parameter.grad = None
        sums = NOTHING
        for batch, weight in batches:
            with monitor.watching() if monitor and weight else UNWATCHED:
                objective = self.learner.loss(batch)
            sparsity = objective.sparsity / histories
            loss = objective.cross_entropy / targets + self.config.gate_sparsity * sparsity
            (weight * loss).backward()
            sums = _added(sums, objective, weight)
        return sums

    @torch.no_grad()
    def with_held_out(self, report: StepReport, held_out: Sequence[Any]) -> StepReport:
        """A report with the loss and the exact matches of episodes that are not trained on.

        Raises:
            Fault: a loss that is not finite.
        """
        sums = NOTHING
        for batch, weight in self._batches(held_out):
            sums = _added(sums, self.learner.loss(batch), weight)
        loss, _, targets, exact, asks = self.processes.totals(sums, device=self.device)
        if not math.isfinite(loss):
            raise Fault(
                f"step {report.step}: the loss on the held-out episodes is {loss}. The last "
                "checkpoint is from before; try a smaller training.learning_rate"
            )
        return replace(report, held_out_loss=loss / targets, held_out_em=exact / asks)

    def _batches(self, episodes: Sequence[Any]) -> list[tuple[Any, float]]:
        """This process's micro-batches of some episodes, with their weights."""
        size = self.processes.micro_batch_size(self.config.micro_batch_size, len(episodes))
        parts = self.learner.micro_batches(episodes, size)
        return [(self.learner.batch(part), weight) for part, weight in self.processes.share(parts)]


def _check_finite(loss: float, norm: float, *, step: int, episodes: Sequence[Any]) -> None:
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise Fault(
            f"step {step}: the loss is {loss} and the gradient norm {norm}; the batch held the "
            f"episodes {', '.join(e.id for e in episodes[:8])}. The last checkpoint is from "
            "before; try a smaller training.learning_rate"
        )


def _added(sums: Sequence[float], objective: Objective, weight: float) -> list[float]:
    return [total + weight * part for total, part in zip(sums, objective.sums, strict=True)]
