"""Gates, states and reads of a memory in an optimiser step, seen by hooks.

Nothing is forwarded twice, and no layer waits for the device: sums stay where they are made until
all of them are moved at once, at the end of a step that is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from deltamem.adapter.delta_memory import DeltaMemory
from deltamem.layers.memory_layer import LayerMemory
from deltamem.training.processes import Processes
from deltamem.writers.writer import WriteResult
from deltamem_base.faults import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["MemoryMonitor", "Monitor"]


class Monitor(Protocol):
    """Looks at some optimiser steps and leaves them as they are."""

    def due(self, step: int, steps: int) -> bool:
        """Whether ``step`` of ``steps``, from 1, is one to measure; the same in all processes."""

    def watching(self) -> AbstractContextManager[None]:
        """While the block runs, what the learner does counts."""

    def numbers(self, processes: Processes) -> dict[str, float]:
        """Numbers since the last call, over all processes, by the names of the curves."""


@dataclass
class _Reading:
    """Reads of a layer's tokens in a read pass."""

    scaled: Tensor | None = None
    """None in a write pass."""
    valid: Tensor | None = None
    """(B, T) bool, the real tokens; None: all."""


class MemoryMonitor:
    """Curves of every layer with a memory, and of their mean, per measured step:

    - ``write_gate``: mean of β over the writes of a history and the rows of S, over histories;
    - ``state_norm``: mean over histories of ‖S‖, Frobenius, after the write pass (a history that
      is written once for several episodes counts once in both, an empty one not at all);
    - ``delta_q_ratio`` and so on for each steered head: sqrt(Σ‖Δ‖² / Σ‖y‖²) over the real tokens of
      the read pass, where y is what the frozen projection gives and Δ what the memory adds to it
      (equations 7-9; ``TurnNumbers.read_energy`` is the same over all heads of a written turn).
    """

    def __init__(self, memory: DeltaMemory, model: PreTrainedModel, *, every: int) -> None:
        """Watch ``memory`` on the backbone ``model`` in the first, the last and each nth step.

        Raises:
            InvalidInput: ``every`` is not positive.
        """
        if every < 1:
            raise InvalidInput(f"the memory cannot be measured every {every} steps; use at least 1")
        self._memory, self._every = memory, every
        self._attentions = dict(memory.attentions(model))
        self._sums: dict[tuple[int, str], Tensor] = {}
        self._histories = 0

    def due(self, step: int, steps: int) -> bool:
        """See :class:`Monitor`."""
        return step % self._every == 0 or step in (1, steps)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """See :class:`Monitor`; the memory may be attached before or within the block."""
        handles = []
        try:
            for index, attention in self._attentions.items():
                layer, reading = self._memory.layer(index), _Reading()
                hook = self._layer_hook(index, reading)
                handles.append(layer.register_forward_hook(hook, with_kwargs=True))
                for head in self._memory.config.heads:
                    projection = getattr(attention, f"{head}_proj")
                    of_head = self._projection_hook(index, layer, head, reading)
                    handles.append(projection.register_forward_hook(of_head))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _layer_hook(self, index: int, reading: _Reading) -> Callable[..., None]:
        first = index == next(iter(self._attentions))

        @torch.no_grad()
        def hook(
            layer: LayerMemory, args: object, kwargs: dict[str, Any], done: WriteResult
        ) -> None:
            reading.scaled, reading.valid = None, kwargs["valid"]
            if not kwargs["write"]:
                reading.scaled = layer.scaled(done.reads)  # 0 for padding
                return
            self._histories += len(done.state) if first else 0
            self._add(index, "gate", done.mean_write.sum())
            self._add(index, "norm", done.state.float().flatten(1).norm(dim=1).sum())

        return hook

    def _projection_hook(
        self, index: int, layer: LayerMemory, head: str, reading: _Reading
    ) -> Callable[..., None]:
        @torch.no_grad()
        def hook(module: object, args: object, output: Tensor) -> None:
            if reading.scaled is None:
                return
            delta = layer.steer(head, reading.scaled)
            # hooks see a projection's output steered
            squares = (output.float() - delta).square().sum(-1)
            if reading.valid is not None:
                squares = squares.masked_fill(~reading.valid, 0.0)
            self._add(index, f"delta_{head}", delta.square().sum())
            self._add(index, f"base_{head}", squares.sum())

        return hook

    def _add(self, index: int, kind: str, value: Tensor) -> None:
        before = self._sums.get((index, kind))
        self._sums[index, kind] = value if before is None else before + value

    def numbers(self, processes: Processes) -> dict[str, float]:
        """See :class:`Monitor`; without a write pass there are no gates and no norms."""
        sums, histories = self._totals(processes)
        curves: dict[str, list[float]] = {}
        if histories:
            curves["write_gate"] = [sums[i, "gate"] / histories for i in self._attentions]
            curves["state_norm"] = [sums[i, "norm"] / histories for i in self._attentions]
        for head in self._memory.config.heads:
            curves[f"delta_{head}_ratio"] = [
                (sums[i, f"delta_{head}"] / (sums[i, f"base_{head}"] or 1.0)) ** 0.5
                for i in self._attentions
            ]
        numbers = {}
        for name, values in curves.items():
            numbers[f"{name}/mean"] = sum(values) / len(values)
            for index, value in zip(self._attentions, values, strict=True):
                numbers[f"{name}/layer_{index:02d}"] = value
        return numbers

    def _totals(self, processes: Processes) -> tuple[dict[tuple[int, str], float], float]:
        """The sums of all processes and how many histories they are of; starts anew."""
        heads = self._memory.config.heads
        kinds = [
            "gate",
            "norm",
            *(f"{what}_{head}" for head in heads for what in ("base", "delta")),
        ]
        # a fixed order with zeros for what was not seen: processes add up place by place
        keys = [(index, kind) for index in self._attentions for kind in kinds]
        device = self._memory.layer(keys[0][0]).beta_bias.device
        parts = [value.to(device) for value in self._sums.values()]
        seen = torch.stack(parts).tolist() if parts else []
        here = dict(zip(self._sums, seen, strict=True))
        values = [*(here.get(key, 0.0) for key in keys), float(self._histories)]
        self._sums, self._histories = {}, 0
        *sums, histories = processes.totals(values, device=device)
        return dict(zip(keys, sums, strict=True)), histories
