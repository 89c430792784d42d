"""Going on with a training: weights, moments of the optimiser, and the step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from deltamem.backbone.generation.finite import first_not_finite
from deltamem.training.checkpoint import Checkpoint, Checkpoints
from deltamem.training.learner import Learner
from deltamem_base.faults import Fault

__all__ = ["Resuming"]

MOMENTS = ("exp_avg", "exp_avg_sq")
"""Tensors that AdamW keeps for a parameter, in its shape; beside them it counts its steps."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Resuming:
    """A learner with its optimiser, to and from checkpoints."""

    learner: Learner[Any, Any]
    optimizer: torch.optim.Optimizer
    parameters: Sequence[Tensor]
    """Parameters of the optimiser, in a fixed order."""
    checkpoints: Checkpoints

    def save(self, step: int) -> None:
        """A checkpoint of this moment.

        Raises:
            CannotWrite: it cannot be written; earlier ones are untouched.
            Fault: the last update left weights that are not finite.
        """
        moments = {}
        for index, parameter in enumerate(self.parameters):
            for name, value in self.optimizer.state.get(parameter, {}).items():
                moments[f"{index}.{name}"] = torch.as_tensor(value)
        learned = {name: w.detach().cpu() for name, w in self.learner.state_dict().items()}
        broken = _not_finite(learned)
        if broken is not None:
            raise Fault(
                f"step {step}: the update left {broken} with values that are not finite, and is "
                "not saved. The last checkpoint is from before; try a smaller "
                "training.learning_rate"
            )
        self.checkpoints.save(Checkpoint(step=step, learner=learned, optimizer=moments))

    def load(self, on_note: Callable[[str], None]) -> int:
        """Take up the newest whole checkpoint; the step that it is of, 0 where there is none.

        Args:
            on_note: told which were passed over and why, and where the run goes on.

        Raises:
            InvalidInput: the checkpoints belong to another configuration.
        """
        checkpoint, notes = self.checkpoints.latest(self._check)
        for note in notes:
            on_note(note)
        if checkpoint is None:
            if notes:
                on_note("no whole checkpoint is left: starting from the beginning")
            return 0
        self.learner.load_state_dict(checkpoint.learner)
        for key, value in checkpoint.optimizer.items():
            index, _, name = key.partition(".")
            parameter = self.parameters[int(index)]
            on_host = name == "step" and not parameter.is_cuda
            self.optimizer.state[parameter][name] = value if on_host else value.to(parameter.device)
        on_note(f"resuming after step {checkpoint.step}")
        return checkpoint.step

    def _check(self, found: Checkpoint) -> None:
        """Refuse a checkpoint of other tensors than this run's, whatever its digests say.

        Raises:
            ValueError: with the file that they are in.
        """
        if _layout(found.learner) != _layout(self.learner.state_dict()):
            raise ValueError("learner.safetensors holds other tensors than this run trains")
        shapes = {
            f"{index}.{name}": parameter.shape if name in MOMENTS else torch.Size()
            for index, parameter in enumerate(self.parameters)
            for name in (*MOMENTS, "step")
        }
        if any(value.shape != shapes.get(key) for key, value in found.optimizer.items()):
            raise ValueError("optimizer.safetensors holds other tensors than this run's moments")
        broken = _not_finite({**found.learner, **found.optimizer})
        if broken is not None:
            raise ValueError(f"{broken} is not finite")


def _layout(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def _not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    return first_not_finite({k: w for k, w in tensors.items() if w.is_floating_point()})
