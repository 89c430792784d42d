"""The inside of one forward of the backbone with a memory.

    base model      a MemoryPass (padding mask, states in) goes down as a keyword
    self_attn       takes the pass out; the layer's memory reads, and writes a new state
    q k v o _proj   output += correction from the reads (before q_norm and RoPE)
    base model      the new states go up with the KV cache

A pass is made once per forward: activation checkpointing runs attentions twice, and the second run
sees the same states in and puts the same states out. Hooks that others have on a projection see its
output steered, for they run after its forward.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from deltamem.attachment.overriding import Forward
from deltamem.delta_rule.single_token import SingleStep, single_step
from deltamem.layers.memory_layer import LayerMemory
from deltamem.layers.memory_layers import MemoryLayers
from deltamem.state import MemoryState
from deltamem.writers.writer import WriteResult

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["PASS", "MemoryPass", "layer_forwards"]

ON = nullcontext()
PASS = "deltamem_pass"
"""Name of the keyword that carries the pass from the caller to the attentions."""


class MemoryPass:
    """One forward of the backbone as the memory sees it.

    No dataclass: FSDP builds those anew on their way through the modules, and what one layer
    writes down the next would not see.
    """

    def __init__(
        self,
        *,
        state: MemoryState,
        write: bool,
        valid: Tensor | None,
        segments: Tensor | None = None,
        single: bool = False,
    ) -> None:
        """A pass before it enters the first layer.

        Args:
            state: before the first token.
            write: whether the tokens write.
            valid: (B, T) bool, this forward's real tokens; None when all are.
            segments: (B, T) segment ids for writers that need them; -1 for tokens outside.
            single: one token a sequence and no gradient, as in decoding; gates are not kept.
        """
        self.state, self.write, self.valid = state, write, valid
        self.segments, self.single = segments, single
        self.new_layers: dict[int, Tensor] = {}
        self.writes: dict[int, WriteResult] = {}
        """Per layer what was written; empty with writes off and for single tokens."""

    @property
    def gates(self) -> dict[int, Tensor]:
        """Per layer the mean write gate of each sequence, (B); empty where ``writes`` is."""
        return {index: result.mean_write for index, result in self.writes.items()}

    def after(self) -> MemoryState:
        """The state after the last token."""
        return MemoryState(dict(sorted(self.new_layers.items())), self.state.adapter)


def layer_forwards(
    memory: MemoryLayers, model: PreTrainedModel
) -> Iterator[tuple[nn.Module, Forward]]:
    """New forwards for every attention of ``model`` and its steered projections."""
    attentions = dict(memory.attentions(model))
    for index, block in enumerate(model.get_decoder().layers):
        if index not in attentions and hasattr(block, "self_attn"):
            yield block.self_attn, _Silent(block.self_attn.forward).forward
    for index, attention in attentions.items():
        reading = _Reading(attention.forward, index, memory.layer(index))
        yield attention, reading.forward
        for head in memory.config.heads:
            projection = getattr(attention, f"{head}_proj")
            yield projection, _Steered(projection.forward, reading, head).forward


# Objects with methods and no closures: a copy of the model then has copies of them.
class _Silent:
    """An attention without a memory: the pass must not reach its kernel."""

    def __init__(self, inner: Forward) -> None:
        self.inner = inner

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.pop(PASS, None)
        return self.inner(*args, **kwargs)


class _Reading:
    """An attention with a memory: its tokens read, and write if the pass does, before it runs."""

    def __init__(self, inner: Forward, index: int, layer: LayerMemory) -> None:
        self.inner, self.index, self.layer = inner, index, layer
        self.scaled: Tensor | None = None
        self.corrections: Mapping[str, Tensor] | None = None

    @cached_property
    def step(self) -> SingleStep | None:
        """The form for single tokens; found when the first one comes, for it may be compiled."""
        return single_step(self.layer)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        run: MemoryPass | None = kwargs.pop(PASS, None)
        if run is None:
            return self.inner(*args, **kwargs)
        self._read(run, kwargs["hidden_states"] if "hidden_states" in kwargs else args[0])
        try:
            return self.inner(*args, **kwargs)
        finally:
            self.scaled = self.corrections = None

    def _read(self, run: MemoryPass, hidden: Tensor) -> None:
        state = run.state.layers[self.index]
        step = self.step if run.single else None
        if step is not None and (step.writes or not run.write):
            after, self.corrections = step(hidden, state, valid=run.valid, write=run.write)
            run.new_layers[self.index] = after
            return
        result = self._read_in_torch(run, hidden, state)
        run.new_layers[self.index] = result.state
        if run.write and not run.single:
            run.writes[self.index] = result

    def _read_in_torch(self, run: MemoryPass, hidden: Tensor, state: Tensor) -> WriteResult:
        there = hidden.device
        with _full_precision(there.type):
            result: WriteResult = self.layer(
                hidden,
                state.to(there),
                valid=None if run.valid is None else run.valid.to(there),
                segments=None if run.segments is None else run.segments.to(there),
                write=run.write,
            )
            self.scaled = self.layer.scaled(result.reads)
        return result


class _Steered:
    """A projection whose output is corrected by what the tokens read."""

    def __init__(self, inner: Forward, reading: _Reading, head: str) -> None:
        self.inner, self.reading, self.head = inner, reading, head

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        output: Tensor = self.inner(*args, **kwargs)
        reading = self.reading
        if reading.corrections is not None:
            correction = reading.corrections[self.head]
            same = correction.dtype is output.dtype
            return output + (correction if same else correction.to(output.dtype))
        if reading.scaled is None:
            return output
        with _full_precision(output.device.type):
            return output + reading.layer.steer(self.head, reading.scaled).to(output.dtype)


def _full_precision(device: str) -> AbstractContextManager[Any]:
    """Autocast off; entering it costs more than a small layer's work, so only where it is on."""
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else ON
